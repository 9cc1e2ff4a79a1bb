/* Modbus TCP devices for benchmarks: fast, so that what polls them is what is measured.
 *
 *   device COUNT [HZ]   opens COUNT listening sockets on 127.0.0.1, prints their ports on one line, serves until killed
 *
 * Function 3 and 4 answer with registers that all change HZ times a second (10): (tick * (1 + n % 7) + 37 n) mod 65536, n the register's
 * address; everything else is answered with exception 1, more than 125 registers with exception 3. Framing: Modbus Messaging on
 * TCP/IP V1.0b, 3.1.3. A request may come in parts and several may come at once.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 8192, EVENTS = 256, HEAD = 7, REQUEST_MAX = 260 };

struct peer {
    int listening;
    size_t have;
    uint8_t in[2 * REQUEST_MAX];
};
static struct peer *peers[FDS];
static long hz = 10;

static size_t put_answer(const uint8_t *q, uint8_t *out)
{
    unsigned function = q[7], start = q[8] << 8 | q[9], count = q[10] << 8 | q[11];
    size_t body;
    memcpy(out, q, HEAD);
    if ((function == 3 || function == 4) && count >= 1 && count <= 125) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        unsigned tick = (unsigned)(now.tv_sec * hz + now.tv_nsec / (1000000000 / hz));
        out[7] = (uint8_t)function;
        out[8] = (uint8_t)(count * 2);
        for (unsigned i = 0; i < count; i++) {
            unsigned n = start + i, value = tick * (1 + n % 7) + 37 * n;
            out[9 + 2 * i] = (uint8_t)(value >> 8);
            out[10 + 2 * i] = (uint8_t)value;
        }
        body = 2 + count * 2;
    } else {
        out[7] = (uint8_t)(function | 0x80);
        out[8] = (function == 3 || function == 4) ? 3 : 1;
        body = 2;
    }
    out[4] = (uint8_t)((body + 1) >> 8);
    out[5] = (uint8_t)(body + 1);
    return HEAD + body;
}

/* Answer every whole request that has come; 0 when the peer is to be dropped. */
static int serve(int fd, struct peer *peer)
{
    ssize_t got = recv(fd, peer->in + peer->have, sizeof peer->in - peer->have, MSG_DONTWAIT);
    if (got <= 0)
        return 0;
    peer->have += (size_t)got;
    for (;;) {
        if (peer->have < 12)
            return 1;
        size_t length = 6 + (size_t)(peer->in[4] << 8 | peer->in[5]);
        if (length < 12 || length > REQUEST_MAX)
            return 0;
        if (peer->have < length)
            return 1;
        uint8_t out[REQUEST_MAX];
        size_t size = put_answer(peer->in, out);
        if (send(fd, out, size, MSG_NOSIGNAL) != (ssize_t)size)
            return 0;
        peer->have -= length;
        memmove(peer->in, peer->in + length, peer->have);
    }
}

static void watch(int poll, int fd, int listening)
{
    if (fd >= FDS || !(peers[fd] = calloc(1, sizeof(struct peer)))) {
        close(fd);
        return;
    }
    peers[fd]->listening = listening;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1, poll = epoll_create1(0), one = 1;
    hz = argc > 2 ? atol(argv[2]) : hz;
    for (int i = 0; i < count; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(fd, (struct sockaddr *)&at, size) || listen(fd, 16) || getsockname(fd, (struct sockaddr *)&at, &size)) {
            perror("device");
            return 1;
        }
        watch(poll, fd, 1);
        printf("%d%c", ntohs(at.sin_port), i + 1 < count ? ' ' : '\n');
    }
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (peers[fd]->listening) {
                int made = accept(fd, NULL, NULL);
                if (made >= 0) {
                    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    watch(poll, made, 0);
                }
            } else if (!serve(fd, peers[fd])) {
                close(fd);
                free(peers[fd]);
                peers[fd] = NULL;
            }
        }
    }
}
