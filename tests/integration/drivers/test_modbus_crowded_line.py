"""Many units on one line, some dead, slow or with a wrong number: the sound ones keep their period, every missing sample is counted.

The whole poller runs, on real sockets and pseudo-terminals. How late the sound units are in a gateway's own process, beside an undisturbed
run, is in `tests/integration/runtime/test_shared_line.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from drivers.registry import make_driver
from drivers.shared import Shared
from runtime.acquisition.grid import phase_ms
from runtime.acquisition.poller import DevicePoller
from runtime.clock import SystemClock
from tests.rigs.field import KeptScans, points_of
from tests.rigs.units import PacedUnits, TcpUnits, Unit

pytestmark = [pytest.mark.integration, pytest.mark.alone]


def unit_toml(number: int, period_ms: int, line: str) -> str:
    tags = "".join(f'  {{name = "t{n}", address = "holding:{n}"}},\n' for n in range(4))
    head = f'[devices.u{number}]\ntype = "modbus"\nunit_id = {number}\n{line}\ntimeout_s = 0.5\n'
    return head + f'[[devices.u{number}.groups]]\nname = "g"\nperiod_ms = {period_ms}\ntags = [\n{tags}]\n'


async def poll(numbers: list[int], period_ms: int, line: str, seconds: float) -> tuple[dict[int, KeptScans], int, int]:
    """Poll the units for a while; return what came of each, and the clock's time (mono) at the start and the end."""
    clock, shared = SystemClock(), Shared()
    points = points_of(*(unit_toml(number, period_ms, line) for number in numbers))
    sinks = {number: KeptScans() for number in numbers}
    async with asyncio.TaskGroup() as tasks:
        running = []
        for number, sink in sinks.items():
            device = points[f"u{number}"]
            driver = make_driver("modbus", device.name, device.config.options, clock, shared)
            running.append(tasks.create_task(DevicePoller(device, driver, sink, clock).run()))
        await asyncio.sleep(0.05)  # every poller has begun: what was due before is none of its dues
        began = clock.mono_ms()
        await asyncio.sleep(seconds)
        ended = clock.mono_ms()
        for task in running:
            task.cancel()
    return sinks, began, ended


def lateness_ms(sink: KeptScans, number: int, period_ms: int, skip: int = 0) -> list[int]:
    """Return how long after their dues the good scans came."""
    clock = SystemClock()
    offset = clock.wall_ms() - clock.mono_ms()
    phase = phase_ms(f"u{number}", "g", period_ms)
    good = [scan for scan in sink.scans if scan.cause is None][skip:]
    return [(scan.read_ms - offset - phase) % period_ms for scan in good]


def assert_all_counted(sinks: dict[int, KeptScans], period_ms: int, began: int, ended: int) -> None:
    for number, sink in sinks.items():
        first = began + (phase_ms(f"u{number}", "g", period_ms) - began) % period_ms
        dues = (ended - first) // period_ms + 1
        assert abs(sink.accounted("g") - dues) <= 1, (number, sink.accounted("g"), dues)


def causes_of(sink: KeptScans) -> Counter[str]:
    found: Counter[str] = Counter()
    for _, cause, count, _, _ in sink.misses:
        found[cause] += count
    return found


def test_thirty_units_behind_one_address() -> None:
    dead, slow, wrong = [3, 9, 15, 21, 27], [5, 14, 23], [8]
    units = {number: Unit() for number in range(1, 31)}
    for number in dead:
        units[number].dead = True
    for number in slow:
        units[number].delay_s = 0.12
    units[8].answers_as = 88
    period_ms = 250
    of_the_line = ("line_busy", "unit_busy", "connection_lost", "connect_failed", "connect_waiting")
    of_the_line += ("poll_stopping", "device_busy", "poll_late")

    async def test() -> None:
        async with TcpUnits(units) as server:
            line = f'host = "127.0.0.1"\nport = {server.port}\nrequest_timeout_s = 0.2'
            sinks, began, ended = await poll(list(units), period_ms, line, 9.0)
        assert_all_counted(sinks, period_ms, began, ended)
        sound = [number for number in units if number not in (*dead, *slow, *wrong)]
        told = {number: causes_of(sinks[number]) for number in units}
        print({number: dict(causes) for number, causes in told.items() if causes})
        for number in dead:
            assert set(told[number]) <= {"no_answer", "breaker_open", *of_the_line}
            assert sum(told[number].values()) >= 30
            assert told[number]["line_busy"] <= 4, "what is said of it speaks of itself"
            assert units[number].asked <= 10
        assert set(told[8]) <= {"bad_answer", "breaker_open", *of_the_line}
        for number in sound:  # some are caught in the connection's loss while the unsound ones are found out
            assert sum(told[number].values()) <= 6, (number, told[number])
            late = sorted(lateness_ms(sinks[number], number, period_ms, skip=16))
            assert late[len(late) // 2] < 50, (number, late)
        for number in slow:
            assert any(scan.cause is None for scan in sinks[number].scans)

    asyncio.run(test())


def test_a_serial_line_keeps_the_bound_that_is_stated() -> None:
    """The bound of README.md: one exchange of an unsound unit (two time limits when in doubt), and one of each other sound unit."""
    units = {number: Unit() for number in range(1, 9)}
    units[2].dead = units[5].dead = True
    units[3].delay_s = 0.08
    units[7].answers_as = 70
    period_ms, timeout_s, baud = 600, 0.12, 38400
    exchange_s = (8 + 13) * 11 / baud + 3.5 * 11 / baud * 2 + 0.00175

    async def test() -> None:
        async with PacedUnits(units, baud) as server:
            line = f'transport = "rtu"\nserial_port = "{server.path}"\nbaud = {baud}\nparity = "none"\nrequest_timeout_s = {timeout_s}'
            sinks, began, ended = await poll(list(units), period_ms, line, 10.0)
        assert_all_counted(sinks, period_ms, began, ended)
        sound = [1, 4, 6, 8]
        bound_ms = (2 * timeout_s + len(sound) * exchange_s) * 1000
        late = {number: max(lateness_ms(sinks[number], number, period_ms)) for number in sound}
        print(f"bound {bound_ms:.0f} ms; latest of each sound unit {late}; {[dict(causes_of(sinks[n])) for n in (2, 3, 5, 7)]}")
        for number in sound:
            assert sum(causes_of(sinks[number]).values()) <= 1, causes_of(sinks[number])
            assert late[number] <= bound_ms + 60  # the machine's own noise
        for number in (2, 5, 7):
            assert sum(causes_of(sinks[number]).values()) >= 14
            assert units[number].asked <= 16  # echoes included

    asyncio.run(test())
