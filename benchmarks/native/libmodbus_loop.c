/* The floor: a bare libmodbus loop that reads TAGS registers of each port once a second, phase-spread, and does nothing with them.
 *
 *   libmodbus_loop SECONDS TAGS PORT...      prints CPU microseconds (user and system) per register read
 *
 * Build: cc -O2 libmodbus_loop.c $(pkg-config --cflags --libs libmodbus)
 */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { REGISTERS_MAX = 125 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_us(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int tags = atoi(argv[2]), devices = argc - 3;
    modbus_t **lines = calloc((size_t)devices, sizeof *lines);
    for (int i = 0; i < devices; i++) {
        lines[i] = modbus_new_tcp("127.0.0.1", atoi(argv[3 + i]));
        modbus_set_slave(lines[i], 1);
        if (modbus_connect(lines[i])) {
            fprintf(stderr, "connect: %s\n", modbus_strerror(errno));
            return 1;
        }
    }
    double began = now_s(), used = cpu_us(), seconds = atof(argv[1]);
    long reads = 0;
    for (long turn = 0;; turn++) {
        double due = began + (double)turn / devices; /* the devices' phases are spread over the second */
        if (due >= began + seconds)
            break;
        double wait = due - now_s();
        if (wait > 0) {
            struct timespec rest = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
            nanosleep(&rest, NULL);
        }
        uint16_t words[REGISTERS_MAX];
        for (int start = 0; start < tags; start += REGISTERS_MAX) {
            int count = tags - start < REGISTERS_MAX ? tags - start : REGISTERS_MAX;
            if (modbus_read_registers(lines[turn % devices], start, count, words) != count) {
                fprintf(stderr, "read: %s\n", modbus_strerror(errno));
                return 1;
            }
            reads += count;
        }
    }
    printf("%.4f\n", (cpu_us() - used) / (double)reads);
    return 0;
}
