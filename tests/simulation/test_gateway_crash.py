"""The power goes at any moment of a busy run: the gateway starts again, owes nothing, forks nothing, and the witness goes along.

What production wrote through the shim is cut at a random place of its log; production's own opening then has to make a gateway of it.
A failure prints what replays that one state:  WITNESSMARK_CRASH=<run>:<state> pytest tests/simulation/test_gateway_crash.py
"""

from __future__ import annotations

import os
import random
from hashlib import sha256

import pytest

from ledger_client.kinds import Kind
from runtime.app import Core
from runtime.door import INTENT, OUTCOME
from tests.rigs.field import after
from tests.simulation.busy import OFFSET_MS_MAX, busy
from tests.simulation.coverage import silences
from tests.simulation.disk import Image, ShimDisk
from tests.simulation.gateway import LAYOUT, Gateway, act, reader_of, stall, verdict, verify
from tests.simulation.loop import VirtualClock, run
from tests.simulation.told import Ledger, Told, interrupted
from tests.simulation.witness import MemoryWitness

STATES_PER_RUN = 100
DOWN_MS_MAX = 600_000
Debts = list[tuple[Told, int]]
"""What was told, and up to which position of its disk it counts."""
REPLAY = os.environ.get("WITNESSMARK_CRASH", "")


async def reopen(image: Image, debts: Debts, number: int, clock: VirtualClock) -> Told:
    """Start on what a power cut left, go on for a while, stop, and judge; return what was told meanwhile."""
    rng = random.Random(number)
    clock.step(max(told.wall_ms(position) for told, position in debts) + rng.randint(1_000, DOWN_MS_MAX) - clock.wall_ms())
    told = Told(ShimDisk.from_image(image, stall()), begun_ms=clock.wall_ms())
    witness = MemoryWitness(lambda: clock.wall_ms() // 1000, told.witness)
    for earlier, position in debts:
        witness.remembered |= earlier.remembered(position, rng)
    known = max((each.size for each in witness.remembered.values()), default=0)
    gateway = Gateway(clock, told.disk, seed=number, witness=witness)
    async with gateway.running() as core, told.following(core, clock):
        boot = core._chain.size - 1
        await after(clock, 3.2)
        await _judge_running(core, debts)
        health = core.health.snapshot()
        assert health["evidence"]["readings"] > 0
        anchor = health["anchors"][0]
        assert health["ledger"]["state"] == "ok", health["ledger"]
        assert anchor["state"] == "ok", anchor
        assert anchor["cosigned_size"] > max(boot, known), f"{anchor} after {known}"
    ledger = debts[0][0].read(reader_of(gateway.disk))
    for earlier, position in debts:
        earlier.check(position, ledger)
    told.check(told.disk.position, ledger, recovered=len(ledger.raws))
    _judge_start(core, ledger, gateway.disk)
    found = verdict(verify(gateway.disk))
    assert found == "holds", found
    assert silences(reader_of(gateway.disk), frozenset({"filler/fast"}), slack_ms=2 * OFFSET_MS_MAX, tail_ms=7_000) == []
    return told


async def _judge_running(core: Core, debts: Debts) -> None:
    """No part has failed, and the last act that was answered is answered the same again."""
    for name, counts in core._supervisor.parts.items():
        assert counts.fault is None, f"{name}: {counts.fault}"
    answered = [(request, outcome) for told, position in debts for at, request, outcome in told.outcomes if at <= position]
    for request, outcome in answered[-1:]:
        assert await act(core, request) == outcome


def _judge_start(core: Core, ledger: Ledger, disk: ShimDisk) -> None:
    """The boot entry; acts that were interrupted; the revision in force is the last that was recorded, and nobody's hand is blamed."""
    boot = ledger.payloads[ledger.boot]
    configs = [p for p in ledger.payloads if p.kind == Kind.CONFIG]
    assert ledger.payloads[ledger.boot - 1].kind == Kind.CLOSE or boot.detail[2] == (ledger.boot > 1), "clean or not"
    assert len(configs) == 1 or configs[-1].seq < ledger.boot, "an edit by hand was made up"
    newest = configs[-1].detail
    revision = core._revision
    assert (revision.number, sha256(revision.text.encode()).digest()) == (newest[0], newest[2])
    assert disk.image()[LAYOUT.config] == revision.text.encode(), "the config file says what is in force"
    meter = [{d.uid for d in schema.descriptors.values() if d.name.startswith("meter/")} for schema in ledger.schemas]
    assert all(len(uids) == 2 and uids == meter[0] for uids in meter), "a tag keeps its number through every rename"
    unknown = [p.detail[0] for p in ledger.payloads[ledger.boot :] if p.kind == Kind.COMMAND and p.detail[1:3] == (OUTCOME, "unknown")]
    assert unknown == interrupted(ledger)
    assert set(core.door.unknown) >= {act_id.hex() for act_id in unknown}
    assert not [p for p in ledger.payloads[ledger.boot :] if p.kind == Kind.COMMAND and p.detail[1] == INTENT]


def judge(image: Image, debts: Debts, number: int, busy_seed: int) -> Told:
    try:
        return run(lambda clock: reopen(image, debts, number, clock), seed=number)
    except BaseException as error:
        raise AssertionError(f"WITNESSMARK_CRASH={busy_seed}:{number} (position {debts[-1][1]}): {_plain(error)}") from error


def test_every_crash_state_of_a_busy_gateway_starts_again(seed: int, count) -> None:
    states = count(30, 1000, 10_000)
    per_run = min(states, STATES_PER_RUN)
    plan = [(seed + number, (seed + number) * per_run) for number in range(states // per_run)]
    for busy_seed, first_state in plan:
        told = busy(busy_seed)
        assert len(reader_of(told.disk).segments()) >= 4
        for crash in told.disk.crash_states(seed=first_state, count=per_run):
            judge(crash.image, [(told, crash.position)], crash.seed, busy_seed)


def test_a_crash_while_starting_again(seed: int, count) -> None:
    """The second cut comes while recovery, or what follows it, is under way."""
    told = busy(seed, lives=1)
    for first in told.disk.crash_states(seed=seed, count=count(5, 50, 500)):
        again = judge(first.image, [(told, first.position)], first.seed, seed)
        for second in again.disk.crash_states(seed=first.seed, count=3):
            judge(second.image, [(told, first.position), (again, second.position)], second.seed, seed)


@pytest.mark.skipif(not REPLAY, reason="WITNESSMARK_CRASH=<run>:<state> replays one state")
def test_replay_one_state() -> None:
    busy_seed, state = map(int, REPLAY.split(":"))
    told = busy(busy_seed)
    crash = told.disk.crash_state(state)
    judge(crash.image, [(told, crash.position)], state, busy_seed)


def _plain(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__} {error}"
