"""Thirty units behind one address: five dead, three slow, one with a wrong number. The other twenty-one keep their period.

The house rule for timing claims, as in `test_jitter.py`: alternated pairs in one run; the median of the p99 lateness of the sound units
may grow by at most max(5 ms, what a bare asyncio loop shows at the same time). Lateness is what the core itself stamps.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.faces.feed_client import FeedClient
from tests.rigs.gateway import ALONE, Gateway, until
from tests.rigs.lateness import late_ms
from tests.rigs.units import TcpUnits, Unit

pytestmark = pytest.mark.alone

PERIOD_MS = 200
WINDOW_S = 4.0
SETTLED_S = 4.0
"""By then each unsound unit has been found out: the first silence of each costs the line one time limit, two slow answers each their
time.
"""
DEAD, SLOW, WRONG = (3, 9, 15, 21, 27), (5, 14, 23), (8,)
SOUND = [number for number in range(1, 31) if number not in (*DEAD, *SLOW, *WRONG)]
HEAD = '[gateway]\nname = "line"\n[evidence]\nseal_every_s = 1\n' + ALONE


def config_of(port: int) -> str:
    """Return thirty devices behind one port, two tags each."""
    rows = [HEAD]
    for number in range(1, 31):
        rows.append(f'[devices.u{number}]\ntype = "modbus"\nhost = "127.0.0.1"\nport = {port}\nunit_id = {number}\ntimeout_s = 0.5\n')
        rows.append(f'request_timeout_s = 0.3\n[[devices.u{number}.groups]]\nname = "g"\nperiod_ms = {PERIOD_MS}\n')
        rows.append('tags = [{name = "a", address = "holding:0"}, {name = "b", address = "holding:7"}]\n')
    return "".join(rows)


class Watch:
    """Collects the read times of the sound units, as a face sees them."""

    def __init__(self, face: FeedClient) -> None:
        self._face = face
        self._uids = {row[2]: uid for uid, row in face.tags.items() if row[2] in {f"u{n}" for n in SOUND}}

    async def p99_ms(self) -> float:
        """Watch for a while; return how far the latest 1 % of all scans lie behind their own unit's earliest phase.

        A unit that misses scans makes it the whole window: one such window may be the machine's doing, most of them may not.
        """
        times: dict[str, set[int]] = {name: set() for name in self._uids}
        end = time.monotonic() + WINDOW_S
        while time.monotonic() < end:
            for name, uid in self._uids.items():
                row = self._face.values.get(uid)
                if row is not None and row[2] == 0:
                    times[name].add(row[3])
            await asyncio.sleep(0.02)
        late: list[int] = []
        for name, seen in times.items():
            if len(seen) <= WINDOW_S * 1000 / PERIOD_MS * 0.8:
                print(f"{name} missed scans: {len(seen)} seen")
                return WINDOW_S * 1000
            late += late_ms(seen, PERIOD_MS)
        return float(sorted(late)[int(len(late) * 0.99)])


async def bare_loop_p99_ms() -> float:
    """Return the p99 lateness of a timer in this process for as long as `Watch` watches, the machine's own noise."""
    late = []
    for _ in range(int(WINDOW_S * 100)):
        began = time.monotonic()
        await asyncio.sleep(0.01)
        late.append((time.monotonic() - began - 0.01) * 1000)
    return sorted(late)[int(len(late) * 0.99)]


def spoil(units: dict[int, Unit], *, on: bool) -> None:
    """Give the nine their vices, or take them away."""
    for number in DEAD:
        units[number].dead = on
    for number in SLOW:
        units[number].delay_s = 0.15 if on else 0.0
    for number in WRONG:
        units[number].answers_as = 88 if on else None


def test_the_sound_units_keep_their_period(tmp_path: Path, count: Callable[[int, int, int], int]) -> None:
    units = {number: Unit() for number in range(1, 31)}

    async def run() -> None:
        async with TcpUnits(units) as server:
            config = tmp_path / "gateway.toml"
            config.write_text(config_of(server.port))
            gateway = Gateway(tmp_path / "state", config)
            await gateway.start()
            try:
                async with gateway.watching() as face:
                    await until(lambda: len(face.values) == 60 and all(row[2] == 0 for row in face.values.values()))
                    await compare(Watch(face), face, count(1, 5, 9))
            finally:
                await gateway.stop()

    async def compare(watch: Watch, face: FeedClient, pairs: int) -> None:
        plain, disturbed, bare = [], [], []
        for _ in range(pairs):
            late, noise = await asyncio.gather(watch.p99_ms(), bare_loop_p99_ms())
            plain.append(late)
            bare.append(noise)
            spoil(units, on=True)
            try:
                await until(lambda: states(face, *DEAD, *WRONG) == {"down"})
            except TimeoutError:
                print([(d["name"], d["state"], d["cause"], d["polls"], d["failed"], d["missed"]) for d in face.health["devices"]])
                raise
            await asyncio.sleep(SETTLED_S)
            disturbed.append(await watch.p99_ms())
            spoil(units, on=False)
            await until(lambda: states(face, *range(1, 31)) == {"ok"}, 90)
        growth, bar = statistics.median(disturbed) - statistics.median(plain), max(5.0, statistics.median(bare))
        print(f"p99 ms: plain {plain}, disturbed {disturbed}, bare loop {bare}; growth {growth:.1f} of {bar:.1f}")
        assert sum(face.health["gaps"].values()) > 0
        if pairs >= 5:
            assert growth <= bar

    asyncio.run(run())


def states(face: FeedClient, *numbers: int) -> set[str]:
    """Return the states of these units' devices."""
    wanted = {f"u{number}" for number in numbers}
    return {device["state"] for device in face.health["devices"] if device["name"] in wanted}
