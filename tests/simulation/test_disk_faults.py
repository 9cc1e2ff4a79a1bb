"""The disk fails, fills up, turns read-only or dawdles under a gateway: evidence stops or slows and says so, and nothing else changes.

What must hold in every case: polling keeps its grid, live values go on and say that they are not recorded and why, health says why, acts
are refused while they cannot be recorded, nothing leaves that is not durable, and after a restart what was told is there and every
silence is spoken of.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ledger_client.entry import parse
from ledger_client.kinds import INTENT, OUTCOME, Kind
from runtime.app import Core
from runtime.faces.feed import RequestRefusedError
from tests.rigs.field import after
from tests.simulation.busy import config_text
from tests.simulation.coverage import silences
from tests.simulation.disk import ShimDisk
from tests.simulation.gateway import Gateway, act, new_disk, reader_of, verdict, verify
from tests.simulation.loop import VirtualClock, run
from tests.simulation.plant import Device
from tests.simulation.told import Told
from tests.simulation.witness import MemoryWitness

PERIODS_MS = {"fast": 200, "slow": 1000, "all": 500}
FAST = frozenset({"filler/fast"})
EDGE_MS = 20
"""Two groups of one device may be due at once; a read takes 2 ms."""


@dataclass
class Rig:
    """One gateway, what it told, and the core that runs now."""

    clock: VirtualClock
    disk: ShimDisk
    told: Told
    gateway: Gateway
    seed: int

    @asynccontextmanager
    async def running(self, seconds: float = 3) -> AsyncIterator[Core]:
        """Run the core; leave it only when it has worked for a while."""
        async with self.gateway.running() as core, self.told.following(core, self.clock):
            self.clock._loop.stalled_s = 0.0
            await after(self.clock, seconds)
            yield core
            assert self.clock._loop.stalled_s == 0, "a flush on the event loop"
            assert {name: counts.fault for name, counts in core._supervisor.parts.items() if counts.fault} == {}

    def evidence(self, core: Core) -> tuple[str, str | None]:
        """Return the state of evidence and its cause, as a page shows them."""
        shown = core.health.snapshot()["evidence"]
        return shown["state"], shown["cause"]

    def live(self, core: Core) -> set[tuple[str, str | None]]:
        """Return (state, cause) of what the page shows of the group that is collected at every scan."""
        return {(value.state, value.cause) for value in core.live.values() if value.name.startswith("filler/fast")}

    def pending(self, core: Core) -> list[str]:
        """Return tags of which the page says that they will be recorded."""
        return [value.name for value in core.live.values() if value.state == "pending"]

    async def judge(self) -> list[Any]:
        """Restart on a good disk, go on, and hold everything against what was told; return the payloads of the ledger."""
        self.disk.faults.__init__()  # type: ignore[misc]
        told_until = self.disk.position
        async with self.running(6) as core:
            health = core.health.snapshot()
            assert (health["ledger"]["state"], *self.evidence(core)) == ("ok", "recording", None)
            assert health["anchors"][0]["state"] == "ok"
            assert (await self.write(core))["code"] == "done"
        ledger = self.told.read(reader_of(self.disk))
        self.told.check(told_until, ledger)
        assert verdict(verify(self.disk)) == "holds"
        assert silences(reader_of(self.disk), FAST) == []
        assert unsettled(ledger.payloads) == set(), "an intent stands there, and nothing says what became of it"
        self.judge_cadence()
        return ledger.payloads

    def judge_cadence(self) -> None:
        """Every group was read on its grid, whatever the disk did."""
        for device in self.gateway.plant.devices.values():
            for group, period_ms in PERIODS_MS.items():
                times = [at for at, name in device.reads if name == group]
                off = [b - a for a, b in itertools.pairwise(times) if abs(b - a - period_ms) > EDGE_MS]
                assert all(gap % period_ms <= EDGE_MS or gap % period_ms >= period_ms - EDGE_MS for gap in off), (group, off)
                assert len(off) <= self.starts, (group, off)

    @property
    def starts(self) -> int:
        """Starts so far, each of which may leave one hole in a grid."""
        return sum(parse(raw).payload.kind == Kind.BOOT for raw in reader_of(self.disk).entries(0, reader_of(self.disk).size()))

    async def write(self, core: Core) -> dict[str, Any]:
        """Ask for a setpoint; a refusal is {"code": its code, "seq": None}."""
        request = self.gateway.request("device.write", "filler/slow0", {"value": 7})
        try:
            outcome = await act(core, request)
        except RequestRefusedError as refusal:
            return {"code": refusal.code, "seq": None}
        self.told.outcome(request, outcome)
        return outcome


def rig(clock: VirtualClock, seed: int, *, seal_s: float = 1.0, memory_mb: int = 32) -> Rig:
    disk = new_disk(config_text(seal_s=seal_s, memory_mb=memory_mb))
    told = Told(disk, clock.wall_ms())
    gateway = Gateway(clock, disk, seed=seed, witness=MemoryWitness(lambda: clock.wall_ms() // 1000, told.witness))
    return Rig(clock, disk, told, gateway, seed)


def simulate(program: Callable[[Rig], Any], seed: int, **options: Any) -> Any:
    """Run a program on a rig; a failure names its seed."""
    try:
        return run(lambda clock: program(rig(clock, seed, **options)), seed=seed)
    except BaseExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise AssertionError(f"seed {seed}: {type(found).__name__} {found}") from group


# ---------------------------------------------------------------------------------------------------------- it fails


def test_a_failed_flush_of_the_ledger_stops_evidence_until_a_restart(seed: int) -> None:
    async def program(rig: Rig) -> None:
        async with rig.running() as core:
            sent = len(rig.told.sent)
            assert sent
            await rig.write(core)  # from now on this value stays as it is, so that no later scan hides what became of it
            sync = rig.disk.fdatasync
            rig.disk.fdatasync = lambda handle: fail_ledger(rig.disk, handle, sync)  # type: ignore[method-assign]
            await after(rig.clock, 4)
            ledger = core.health.snapshot()["ledger"]
            assert (ledger["state"], ledger["cause"], ledger["params"], ledger["todo"]) == (
                "failed",
                "disk_error",
                {"errno": "EIO"},
                "todo_restart",
            )
            assert rig.evidence(core) == ("stopped", "disk_error")
            assert rig.live(core) == {("unrecorded", "disk_error")}
            assert rig.pending(core) == []
            assert (await rig.write(core))["code"] == "acts_refused_stopped"
            size, left, polls = ledger["size"], len(rig.told.sent), core.health.snapshot()["devices"][0]["polls"]
            rig.disk.fdatasync = sync  # type: ignore[method-assign]  # a disk that works again is not trusted before a restart
            await after(rig.clock, 60)
            assert rig.evidence(core) == ("stopped", "disk_error")
            assert (core.health.snapshot()["ledger"]["size"], len(rig.told.sent)) == (size, left), "nothing is added, nothing leaves"
            assert core.health.snapshot()["devices"][0]["polls"] == polls + 60 * 6
        boots = [p.detail[2] for p in await rig.judge() if p.kind == Kind.BOOT]
        assert boots == [0, 1], "the second start knows that the first did not close"

    simulate(program, seed)


def test_an_outcome_that_cannot_be_recorded_is_told_as_it_is_and_unknown_later(seed: int) -> None:
    async def program(rig: Rig) -> None:
        device = rig.gateway.plant.devices.setdefault("filler", Device())
        async with rig.running() as core:
            device.write_takes_s = 0.15
            request = rig.gateway.request("device.write", "filler/slow0", {"value": 7})
            async with asyncio.TaskGroup() as group:
                acting = group.create_task(act(core, request))
                while not [p for p in payloads(rig) if p.kind == Kind.COMMAND]:  # the intent is durable, the device is at work
                    await asyncio.sleep(0.01)
                rig.disk.faults.fail_sync_at = 1
            assert acting.result()["code"] == "done", "the device did it"
            assert acting.result()["seq"] is None, "and nobody says that this is recorded"
            assert device.written == {"slow0": 7}
            assert (await rig.write(core))["code"] == "acts_refused_stopped"
        said = [p.detail[1:3] for p in await rig.judge() if p.kind == Kind.COMMAND and p.detail[0] == request["id"]]
        # What a failed flush wrote may be there after all; the restart then makes it durable before it believes it.
        assert said in ([(0, "device.write"), (1, "unknown")], [(0, "device.write"), (1, "done")])

    simulate(program, seed)


def test_an_outcome_is_recorded_on_a_full_disk(seed: int) -> None:
    async def program(rig: Rig) -> None:
        device = rig.gateway.plant.devices.setdefault("filler", Device())
        async with rig.running() as core:
            device.write_takes_s = 0.15
            async with asyncio.TaskGroup() as group:
                acting = group.create_task(rig.write(core))
                while not [p for p in payloads(rig) if p.kind == Kind.COMMAND]:
                    await asyncio.sleep(0.01)
                rig.disk.faults.capacity_bytes = rig.disk._used()
            assert (acting.result()["code"], acting.result()["seq"] is None) == ("done", False)
        await rig.judge()

    simulate(program, seed)


def test_an_intent_whose_flush_failed_is_settled_after_the_restart_that_finds_it(seed: int) -> None:
    """Whoever asked was told that nothing was done, which is true; but what the failed flush wrote may be there after all."""

    async def program(rig: Rig) -> None:
        device = rig.gateway.plant.devices.setdefault("filler", Device())
        async with rig.running() as core:
            request = rig.gateway.request("device.write", "filler/slow0", {"value": 7})
            write = rig.disk.pwrite

            def written(handle: int, data: bytes, offset: int) -> None:
                write(handle, data, offset)
                if request["id"] in data and len(data) > len(request["id"]) and b"\xd2\x84" in data:  # the entry, not the journal
                    rig.disk.faults.fail_sync_at = 1

            rig.disk.pwrite = written  # type: ignore[method-assign]
            with pytest.raises(RequestRefusedError, match="act_failed"):
                await act(core, request)
            rig.disk.pwrite = write  # type: ignore[method-assign]
            assert device.written == {}
            assert core.health.snapshot()["ledger"]["state"] == "failed"
            await after(rig.clock, 5)
        said = [p.detail[1:3] for p in await rig.judge() if p.kind == Kind.COMMAND and p.detail[0] == request["id"]]
        assert said == [(0, "device.write"), (1, "unknown")], said
        assert device.written == {"slow0": 7}, "the write that the judge asked for, and no other"

    simulate(program, seed)


def unsettled(payloads: list[Any]) -> set[bytes]:
    """Return the acts of which the ledger has an intent and no outcome."""
    phases = [p.detail[:2] for p in payloads if p.kind == Kind.COMMAND]
    return {act_id for act_id, phase in phases if phase == INTENT} - {act_id for act_id, phase in phases if phase == OUTCOME}


def payloads(rig: Rig) -> list[Any]:
    """Return the ledger's payloads as they are now."""
    reader = reader_of(rig.disk)
    return [parse(raw).payload for raw in reader.entries(0, reader.size())]


def fail_ledger(disk: ShimDisk, handle: int, sync: Callable[[int], None]) -> None:
    """Fail the flush of a ledger segment, and no other."""
    names = {file.number: path for path, file in disk._files.items()}
    if names[disk._handles[handle][0].number].suffix == ".wmlog":
        disk.faults.fail_sync_at = 1
    sync(handle)


def test_whichever_flush_fails_nothing_acknowledged_is_lost(seed: int, count) -> None:
    """EIO at the nth flush of anything under the state folder: the ledger, the signer's head, cursors, revisions, the journal of acts."""
    causes: Counter[str] = Counter()

    async def program(rig: Rig) -> None:
        rng = random.Random(rig.seed)
        async with rig.running(2.5) as core:
            rig.disk.faults.fail_sync_at = rng.randint(1, 40)
            for _second in range(8):
                await rig.write(core)
                await edit(rig, core)
                await after(rig.clock, 1)
            assert rig.disk.faults.fail_sync_at is None
            health = core.health.snapshot()
            state, cause = rig.evidence(core)
            causes[f"{state} {cause}"] += 1
            if health["ledger"]["state"] == "ok":
                assert (state, cause) == ("recording", None), health
                assert health["evidence"]["unrecorded"] == 0
            else:
                assert (health["ledger"]["state"], state, cause) == ("failed", "stopped", "disk_error")
                assert rig.live(core) == {("unrecorded", "disk_error")}
                assert (await rig.write(core))["code"] == "acts_refused_stopped"
        await rig.judge()

    for each in range(seed, seed + count(12, 100, 1000)):
        simulate(program, each)
    assert any(cause.startswith("stopped") for cause in causes), causes
    print(causes)


async def edit(rig: Rig, core: Core) -> None:
    """Change a unit."""
    number = core._revision.number
    request = rig.gateway.request("config.edit", "", {"devices.meter.groups.all.tags.all1.unit": f"u{number}"}, revision=number)
    try:
        rig.told.outcome(request, await act(core, request))
    except RequestRefusedError:
        pass


# --------------------------------------------------------------------------------------------------------- it is full


def test_a_full_disk_is_said_on_the_full_disk_and_recording_resumes(seed: int, count) -> None:
    async def program(rig: Rig) -> None:
        rng = random.Random(rig.seed)
        async with rig.running(rng.uniform(1, 20)) as core:
            rig.disk.faults.capacity_bytes = rig.disk._used() + rng.choice((0, 100, 5_000))
            for _second in range(240):
                await after(rig.clock, 1)
                if rig.evidence(core)[0] == "stopped":
                    break
            health = core.health.snapshot()
            assert rig.evidence(core) == ("stopped", "disk_full")
            assert (health["ledger"]["state"], health["ledger"]["disk_full"]) == ("ok", True), "a full disk is no fault of the ledger"
            assert (await rig.write(core))["code"] == "acts_refused_no_space"
            await after(rig.clock, 5)
            assert rig.live(core) == {("unrecorded", "disk_full")}
            assert rig.pending(core) == []
            said = gaps(rig.disk)
            assert said["disk_full"], "the reserve says that the disk is full while it is full"
            rig.disk.faults.capacity_bytes = None
            await after(rig.clock, 70)
            assert rig.evidence(core) == ("recording", None)
            assert {state for state, _ in rig.live(core)} <= {"recorded", "pending"}
            assert (await rig.write(core))["code"] == "done"
            assert core.health.snapshot()["ledger"]["disk_full"] is False
        payloads = await rig.judge()
        assert Counter(p.kind for p in payloads)[Kind.BOOT] == 2

    for each in range(seed, seed + count(3, 20, 200)):
        simulate(program, each)


def gaps(disk: ShimDisk) -> Counter[str]:
    """Return counted misses by cause, as the ledger has them now."""
    found: Counter[str] = Counter()
    reader = reader_of(disk)
    for raw in reader.entries(0, reader.size()):
        payload = parse(raw).payload
        if payload.kind == Kind.GAP:
            for row in payload.detail:
                found[row[3]] += row[4]
    return found


# ----------------------------------------------------------------------------------------------------- it is read-only


def test_a_read_only_remount_stops_evidence_and_a_start_on_it_still_polls(seed: int) -> None:
    async def program(rig: Rig) -> None:
        async with rig.running() as core:
            rig.disk.faults.read_only = True
            await after(rig.clock, 10)
            assert rig.evidence(core) == ("stopped", "disk_read_only")
            assert rig.live(core) == {("unrecorded", "disk_read_only")}
            assert (await rig.write(core))["code"] == "acts_refused_stopped"
        async with rig.running(10) as core:  # somebody pulled the plug, and the file system is still read-only
            health = core.health.snapshot()
            assert (health["ledger"]["state"], *rig.evidence(core)) == ("failed", "stopped", "disk_read_only")
            assert rig.live(core) == {("unrecorded", "disk_read_only")}
            assert [device["state"] for device in health["devices"]] == ["ok", "ok", "ok"]
            assert (await rig.write(core))["code"] == "acts_refused_stopped"
        await rig.judge()

    simulate(program, seed)


# ------------------------------------------------------------------------------------------------------------ it is slow


@pytest.mark.parametrize("flush_s", (0.005, 0.1, 2.0))
def test_slow_flushes_slow_evidence_and_nothing_else(seed: int, flush_s: float) -> None:
    async def program(rig: Rig) -> None:
        async with rig.running() as core:
            rig.disk.faults.flush_s = flush_s
            for _second in range(60):
                await after(rig.clock, 1)
                assert rig.evidence(core)[0] in ("recording", "slow")
            health = core.health.snapshot()
            assert health["anchors"][0]["state"] == "ok"
            assert health["ledger"]["size"] - health["anchors"][0]["cosigned_size"] < 30
            assert (await rig.write(core))["code"] == "done"
            if flush_s < 1:
                assert rig.evidence(core) == ("recording", None)
                assert {state for state, _ in rig.live(core)} <= {"recorded", "pending"}
            rig.disk.faults.flush_s = 0
            await after(rig.clock, 20)
            health = core.health.snapshot()
            assert (*rig.evidence(core), health["evidence"]["unrecorded"]) == ("recording", None, 0)
            assert not health["gaps"]
        await rig.judge()

    simulate(program, seed, seal_s=5.0)
