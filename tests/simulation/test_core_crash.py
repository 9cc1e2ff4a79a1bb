"""Power cuts during a busy run with config edits and acts: what was acknowledged is there, and what is not known is said.

`verify` is the oracle. A failure prints the seed of its crash state: `WITNESSMARK_SEED=N tests/run tests/simulation/test_core_crash.py`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drivers.driver import DriverError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.layout import Layout
from tests.rigs.core import STATE, Plant, config_text, payloads, prepare, running, verified
from tests.rigs.field import after, device_toml
from tests.simulation.disk import Crash, ShimDisk
from tests.simulation.loop import VirtualClock, run

RUN_S = 40


def text_of(number: int) -> str:
    """Return revision texts that rename a tag each time and change a period of another device."""
    former = f'was = "a/torque{number - 1}"\n' if number else ""
    renamed = f'[[devices.a.groups.tags]]\nname = "torque{number}"\n{former}address = "holding:9"\n'
    writable = "writable = true\nwrite = { min = 0, max = 100, read_back = false }\n"
    return config_text(
        device_toml("a", {"fast": (200, 3)}), renamed, device_toml("b", {"slow": (400 + 100 * (number % 3), 3)}, more=writable)
    )


@dataclass
class Busy:
    """A run and what it acknowledged: (position of the disk's log, what)."""

    disk: ShimDisk
    first: int = 0
    entries: list[tuple[int, int, bytes]] = field(default_factory=list)
    acts: list[tuple[int, bytes, str]] = field(default_factory=list)
    revisions: list[tuple[int, int]] = field(default_factory=list)


async def busy_run(clock: VirtualClock) -> Busy:
    busy, plant = Busy(ShimDisk()), Plant(clock)
    prepare(busy.disk, text_of(0))
    busy.first = busy.disk.position
    async with running(busy.disk, clock, plant) as now:
        chain = now.core._chain
        chain.subscribe(lambda size: busy.entries.append((busy.disk.position, size, chain.head_hash)))
        for second in range(RUN_S):
            await after(clock, 1)
            if second == 20:
                plant.drivers["a"].fault = DriverError("no_answer")
            if second == 28:
                plant.drivers["a"].fault = None
            if second % 3 == 1:
                act_id = bytes([1, second]) + bytes(14)
                said = await now.act("device.write", "b/slow0", params={"value": second}, act_id=act_id)
                busy.acts.append((busy.disk.position, act_id, said["code"]))
            if second % 7 == 5:
                revision = now.health()["gateway"]["revision"]
                act_id = bytes([2, second]) + bytes(14)
                said = await now.act("config.edit", expected_revision=revision, params={"text": text_of(revision)}, act_id=act_id)
                busy.acts.append((busy.disk.position, act_id, said["code"]))
                busy.revisions.append((busy.disk.position, said["params"]["revision"]))
    return busy


async def restarted(clock: VirtualClock, disk: ShimDisk, repeat: bytes | None) -> tuple[dict[str, Any], dict[str, Any] | None, list[str]]:
    """Run on what the power cut left; return health, the answer to an act that was answered before, and the driver's names."""
    clock.reboot()
    clock.step(60_000)
    async with running(disk, clock, first_act=10_000) as now:
        await after(clock, 3)
        again = await now.act("device.write", "b/slow0", params={"value": repeat[1]}, act_id=repeat) if repeat else None
        return now.health(), again, [value.name for value in now.core.live.values()]


def judge(busy: Busy, crash: Crash) -> None:
    """Raise AssertionError for anything that was acknowledged and is not so."""
    disk = ShimDisk.from_image(crash.image)
    answered = [(act_id, code) for position, act_id, code in busy.acts if position <= crash.position]
    repeat = next((act_id for act_id, _ in reversed(answered) if act_id[0] == 1), None)
    health, again, names = run(lambda clock: restarted(clock, disk, repeat), seed=1)
    log = payloads(disk)
    report = verified(disk)
    assert report.verdict != "fails", [(name, claim) for name, claim in report.claims.items() if claim.status == "fails"]
    assert health["ledger"]["state"] == "ok"
    assert health["evidence"]["state"] == "recording"

    reader = LedgerReader(disk, STATE, 1)
    for position, size, head_hash in busy.entries:
        if position <= crash.position:
            assert hashlib.sha256(reader.entry(size - 1)).digest() == head_hash, f"entry {size - 1} was acknowledged"

    phases: dict[bytes, list[tuple[int, str]]] = defaultdict(list)
    for payload in log:
        if payload.kind == Kind.COMMAND:
            phases[payload.detail[0]].append((payload.detail[1], payload.detail[2]))
    for act_id, said in phases.items():
        assert [phase for phase, _ in said] == [0, 1], f"act {act_id.hex()}: an intent and one outcome"
    for act_id, code in answered:
        assert phases[act_id][1][1] == code
    unknown = {act_id.hex() for act_id, said in phases.items() if said[1][1] == "unknown"}
    assert set(health["acts_unknown"]) == unknown
    if repeat is not None:
        assert again is not None
        assert again["code"] == dict(answered)[repeat], "the same request gets the same answer, and is not done again"

    revision = max(payload.detail[0] for payload in log if payload.kind == Kind.CONFIG)
    assert health["gateway"]["revision"] == revision >= max([r for p, r in busy.revisions if p <= crash.position], default=1)
    assert f"a/torque{revision - 1}" in names
    assert disk.image()[Layout(STATE).config] == text_of(revision - 1).encode()
    assert silences(log) == []
    # A rename keeps its number, so there are just seven tags, whatever was cut off.
    assert {d.uid for seq in range(0, reader.size(), 5) for d in reader.schema_at(seq).descriptors.values()} <= set(range(1, 8))


def silences(log: list[Any]) -> list[tuple[int, int]]:
    """Return stretches without batches that no boot and no gap entry speaks of."""
    found, last = [], None
    covered = False
    for payload in log:
        if payload.kind in (Kind.BOOT, Kind.GAP):
            covered = True
        elif payload.kind == Kind.BATCH:
            if last is not None and payload.detail[0] - last > 3_000 and not covered:
                found.append((last, payload.detail[0]))
            last, covered = payload.detail[1], False
    return found


def test_a_busy_run_survives_any_power_cut(seed: int, count: Callable[[int, int, int], int]) -> None:
    busy = run(busy_run, seed=1)
    assert {code for _, _, code in busy.acts} == {"done"}
    number = 0
    for crash in busy.disk.crash_states(seed=seed, count=count(20, 200, 2_000), first=busy.first):
        number += 1
        try:
            judge(busy, crash)
        except BaseException:
            print(f"crash state: seed {crash.seed}, position {crash.position} of {busy.disk.position}")
            raise
    assert number == count(20, 200, 2_000)


def test_the_process_dies_and_the_machine_does_not(seed: int) -> None:
    busy = run(busy_run, seed=2)
    judge(busy, Crash(0, busy.disk.position, busy.disk.image()))
