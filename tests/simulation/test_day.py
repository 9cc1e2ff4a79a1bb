"""A whole day in seconds: slow periods, devices that die and come back, a witness that is away for hours, clock steps, edits, restarts.

The day ends like any other: the verdict holds, every silence is spoken of, and what was told is there.
"""

from __future__ import annotations

import random

from tests.simulation.busy import BusyRun, config_text
from tests.simulation.coverage import silences
from tests.simulation.disk import ShimDisk
from tests.simulation.gateway import Gateway, new_disk, reader_of, verdict, verify
from tests.simulation.loop import VirtualClock, run
from tests.simulation.told import Told
from tests.simulation.witness import MemoryWitness

SCALE = 50
"""Periods of 10 to 50 s."""


def test_a_day(seed: int, count) -> None:
    hours = count(3, 24, 240)

    async def program(clock: VirtualClock) -> tuple[ShimDisk, Told]:
        disk = new_disk(config_text(seal_s=30.0, anchor_s=120.0, scale=SCALE))
        told = Told(disk, clock.wall_ms())
        truth_ms = clock.wall_ms() - clock.mono_ms()
        witness = MemoryWitness(lambda: (truth_ms + clock.mono_ms()) // 1000, told.witness)
        gateway = Gateway(clock, disk, seed=seed, witness=witness)
        playing = BusyRun(gateway, told, random.Random(seed), scale=SCALE)
        for _third in range(3):
            await playing.life(hours * 1200, pace_s=(60, 1_200))
        return disk, told

    disk, told = run(program, seed=seed)
    reader = reader_of(disk)
    told.check(disk.position, told.read(reader), recovered=reader.size())
    report = verify(disk)
    assert verdict(report) == "holds", f"seed {seed}: {verdict(report)}"
    assert silences(reader, frozenset({"filler/fast"}), slack_ms=6_000) == [], f"seed {seed}"
    assert report.facts["readings"] > hours * 360 * 3 * 0.5
    assert report.facts["gaps"], "something went wrong that day"
    print(f"{hours} h: {report.facts['entries']} entries, {report.facts['readings']} readings, gaps {report.facts['gaps']}")
