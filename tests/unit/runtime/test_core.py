"""The core on virtual time: what it records, what it does when the disk fails, and that acts and edits leave their trace."""

from __future__ import annotations

from collections import Counter
from typing import Any

from drivers.driver import DriverError
from drivers.reading import Tag, Value
from ledger_client.kinds import Kind
from runtime.faces.feed import Session
from runtime.layout import Layout
from tests.rigs.core import STATE, Plant, Running, config_text, payloads, prepare, running, two_devices, verified
from tests.rigs.field import ScriptedDriver, after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


def readings_of(disk: ShimDisk) -> int:
    return sum(p.detail[2] + p.detail[3] for p in payloads(disk) if p.kind == Kind.BATCH)


def gaps_of(disk: ShimDisk) -> Counter[str]:
    found: Counter[str] = Counter()
    for payload in payloads(disk):
        if payload.kind == Kind.GAP:
            for _, _, _, cause, count in payload.detail:
                found[cause] += count
    return found


def states_of(now: Running) -> set[str]:
    return {value.state for value in now.core.live.values()}


def test_a_quiet_run_records_everything_and_closes() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 30.05)
            assert now.health()["evidence"]["state"] == "recording"
        return disk

    disk = run(program, seed=1)
    kinds = [p.kind for p in payloads(disk)]
    assert kinds[:3] == [Kind.GENESIS, Kind.BOOT, Kind.CONFIG]
    assert kinds[-1] == Kind.CLOSE
    assert readings_of(disk) >= 30 * (5 * 3 + 2.5 * 3) - 9
    assert gaps_of(disk) == {}
    report = verified(disk)
    assert all(claim.status != "fails" for claim in report.claims.values()), report


def test_a_clean_restart_is_not_unclean_and_a_second_start_finds_its_revision() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        for _ in range(3):
            async with running(disk, clock) as now:
                await after(clock, 3)
                assert now.health()["gateway"]["revision"] == 1
            disk.restart()
            clock.reboot()
        return disk

    disk = run(program, seed=1)
    assert [p.detail[2] for p in payloads(disk) if p.kind == Kind.BOOT] == [0, 0, 0]
    assert Counter(p.kind for p in payloads(disk))[Kind.CONFIG] == 1
    assert Counter(p.kind for p in payloads(disk))[Kind.SCHEMA] == 1
    assert verified(disk).verdict != "fails"


def test_a_full_disk_stops_evidence_says_so_and_it_resumes() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices(period_ms=50, tags=20))
        async with running(disk, clock) as now:
            await after(clock, 10)
            disk.faults.capacity_bytes = sum(len(data) for data in disk.image().values() if data is not None)
            seen: set[str] = set()
            for _ in range(6_000):
                await after(clock, 1)
                seen.add(now.health()["evidence"]["state"])
                if "stopped" in seen:
                    break
            assert now.health()["evidence"]["cause"] == "disk_full"
            polls = now.health()["devices"][0]["polls"]
            await after(clock, 20)
            assert states_of(now) == {"unrecorded"}
            assert now.health()["devices"][0]["polls"] > polls + 300, "polling goes on"
            assert (await now.act("device.write", "b/slow0", params={"value": 5}))["refused"].startswith("acts_refused")
            disk.faults.capacity_bytes = None
            await after(clock, 120)
            assert now.health()["evidence"]["state"] == "recording"
            assert states_of(now) <= {"recorded", "pending"}
        return disk

    disk = run(program, seed=1)
    assert gaps_of(disk)["disk_full"] > 300
    report = verified(disk)
    assert report.verdict != "fails", report


def test_a_failed_flush_stops_evidence_and_a_restart_goes_on() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 5)
            disk.faults.fail_sync_at = 1
            await after(clock, 10)
            health = now.health()
            assert (health["evidence"]["state"], health["ledger"]["state"]) == ("stopped", "failed")
            assert health["ledger"]["todo"] == "todo_restart"
            assert states_of(now) == {"unrecorded"}
            polls = health["devices"][0]["polls"]
            await after(clock, 10)
            assert now.health()["devices"][0]["polls"] >= polls + 49
        disk.restart()
        async with running(disk, clock) as now:
            await after(clock, 5)
            assert now.health()["evidence"]["state"] == "recording"
        return disk

    disk = run(program, seed=1)
    assert [p.detail[2] for p in payloads(disk) if p.kind == Kind.BOOT] == [0, 1]
    assert verified(disk).verdict != "fails"


def test_a_read_only_disk_is_said_and_values_go_on() -> None:
    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 5)
            disk.faults.read_only = True
            await after(clock, 10)
            assert now.health()["evidence"]["cause"] == "disk_read_only"
            before = now.core.live.generation
            await after(clock, 1)
            assert now.core.live.generation > before
            disk.faults.read_only = False

    run(program, seed=1)


def test_slow_flushes_lose_nothing_and_very_slow_ones_are_counted() -> None:
    async def program(clock: VirtualClock) -> tuple[ShimDisk, int]:
        disk = ShimDisk(stall=clock._loop.block)
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 5)
            disk.faults.flush_s = 2.0
            await after(clock, 60)
            disk.faults.flush_s = 0.0
            await after(clock, 30)
            assert now.health()["evidence"]["state"] == "recording"
            assert now.health()["evidence"]["dropped"] == 0
            missed = sum(device["missed"] for device in now.health()["devices"])
        return disk, missed

    disk, missed = run(program, seed=1)
    assert missed == 0, "a slow disk never delays the field"
    assert readings_of(disk) >= 95 * 22.5 - 20
    assert gaps_of(disk) == {}
    assert verified(disk).verdict != "fails"


def test_a_disk_that_stalls_for_minutes_costs_the_oldest_readings_counted() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk(stall=clock._loop.block)
        text = config_text(device_toml("a", {"g": (100, 100)})).replace("seal_every_s = 1", "seal_every_s = 1\nmemory_max_mb = 4")
        prepare(disk, text)
        async with running(disk, clock) as now:
            await after(clock, 3)
            disk.faults.flush_s = 200.0
            await after(clock, 150)
            assert now.health()["evidence"]["state"] == "slow"
            assert now.health()["evidence"]["dropped"] > 0
            disk.faults.flush_s = 0.0
            await after(clock, 150)
            assert now.health()["evidence"]["state"] == "recording"
        return disk

    disk = run(program, seed=1)
    assert gaps_of(disk).keys() == {"evidence_behind"}
    dropped = sum(p.detail[4] for p in payloads(disk) if p.kind == Kind.BATCH)
    assert dropped == gaps_of(disk)["evidence_behind"] * 100
    assert verified(disk).verdict != "fails"


def test_a_clock_step_right_before_the_end_is_said() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 2.05)
            clock.step(-2_044)
            assert now.health()["clock"]["steps"] == 0, "nobody has looked yet"
        return disk

    disk = run(program, seed=1)
    assert [p.detail[1] - p.detail[0] for p in payloads(disk) if p.kind == Kind.CLOCK] == [-2_044]
    assert verified(disk).claims["back_dated"].code != "clock_step_unexplained"


def test_a_clock_step_closes_the_batch_and_is_said() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 5.5)
            clock.step(-3_600_000, state=4)
            await after(clock, 5)
            assert now.health()["clock"] == {"state": "stepped", "steps": 1}
            clock.step(200)
            await after(clock, 5)
            assert now.health()["clock"]["steps"] == 1
        return disk

    disk = run(program, seed=1)
    steps = [p.detail for p in payloads(disk) if p.kind == Kind.CLOCK]
    assert len(steps) == 1
    assert -3_600_100 < steps[0][1] - steps[0][0] < -3_599_900
    for payload in payloads(disk):
        if payload.kind == Kind.BATCH:
            assert payload.detail[1] - payload.detail[0] < 5_000, "no batch holds both times"
    assert verified(disk).verdict != "fails"


def test_a_dead_device_is_a_gap_with_its_cause_and_comes_back() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())
        async with running(disk, clock, plant) as now:
            await after(clock, 5)
            plant.drivers["a"].fault = DriverError("no_answer")
            await after(clock, 60)
            device = now.health()["devices"][0]
            assert (device["name"], device["state"], device["cause"]) == ("a", "down", "no_answer")
            assert now.health()["devices"][1]["state"] == "ok"
            plant.drivers["a"].fault = None
            await after(clock, 10)
            assert now.health()["devices"][0]["state"] == "ok"
        return disk

    disk = run(program, seed=1)
    assert gaps_of(disk).keys() == {"no_answer"}
    assert 298 <= gaps_of(disk)["no_answer"] <= 330
    assert Counter(p.kind for p in payloads(disk))[Kind.GAP] <= 8, "a long outage does not fill the ledger"


def test_an_edit_is_recorded_before_it_counts_and_touches_nobody_else() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, "# keep me\n" + two_devices())
        async with running(disk, clock, plant) as now:
            await after(clock, 5)
            change = {"devices.b.groups.slow.period_ms": 100}
            assert (await now.act("config.edit", expected_revision=7, params=change))["refused"] == "revision_conflict"
            bad = {"devices.b.groups.slow.period_ms": 1}
            assert (await now.act("config.edit", expected_revision=1, params=bad))["refused"] == "config_invalid"
            done = await now.act("config.edit", expected_revision=1, params=change)
            assert (done["code"], done["params"]["revision"], done["params"]["restart_needed"]) == ("done", 2, 0)
            await after(clock, 5)
            assert all(driver.entered == 1 for driver in plant.drivers.values())
            assert sum(device["missed"] for device in now.health()["devices"]) == 0
        disk.restart()
        async with running(disk, clock) as now:
            assert now.health()["gateway"]["revision"] == 2
        return disk

    disk = run(program, seed=1)
    log = [(p.kind, p.detail) for p in payloads(disk) if p.kind != Kind.BATCH]  # a batch may be sealed at any moment
    kinds = [kind for kind, _ in log]
    at = kinds.index(Kind.COMMAND)
    assert kinds[at : at + 3] == [Kind.COMMAND, Kind.CONFIG, Kind.COMMAND]
    assert log[at + 1][1][:2] == (2, 1)
    assert (log[at][1][1], log[at + 2][1][1:3]) == (0, (1, "done"))
    assert [kind for kind in kinds if kind == Kind.CONFIG] == [Kind.CONFIG] * 2
    assert gaps_of(disk) == {}
    kept = disk.image()[Layout(STATE).config]
    assert kept is not None
    assert b"# keep me" in kept
    assert verified(disk).verdict != "fails"


def test_a_setpoint_needs_the_role_the_type_and_the_limits() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())
        async with running(disk, clock, plant) as now:
            await after(clock, 1)
            for params, target, session, code in (
                ({"value": 5}, "b/slow0", Session("web", 0), "permission_denied"),
                ({"value": 5}, "b/slow0", Session("cli", 12345), "permission_denied"),
                ({"value": 101}, "b/slow0", Session("cli", 0), "value_out_of_limits"),
                ({"value": "5"}, "b/slow0", Session("cli", 0), "value_type"),
                ({"value": True}, "b/slow0", Session("cli", 0), "value_type"),
                ({}, "b/slow0", Session("cli", 0), "value_type"),
                ({"value": 5}, "a/fast0", Session("cli", 0), "tag_not_writable"),
                ({"value": 5}, "b/none", Session("cli", 0), "tag_unknown"),
            ):
                assert (await now.act("device.write", target, params=params, session=session))["refused"] == code
            first = await now.act("device.write", "b/slow0", params={"value": 5}, act_id=b"x" * 16)
            again = await now.act("device.write", "b/slow0", params={"value": 5}, act_id=b"x" * 16)
            assert first == again
            assert plant.drivers["b"].written == [("slow0", 5)]
            other = await now.act("device.write", "b/slow0", params={"value": 6}, act_id=b"x" * 16)
            assert other["refused"] == "act_id_reused"
            plant.drivers["b"].fault = DriverError("write_unknown", reason="no_answer")
            assert (await now.act("device.write", "b/slow1", params={"value": 5}))["code"] == "write_unknown"
        return disk

    disk = run(program, seed=1)
    commands = [(p.detail[1], p.detail[2]) for p in payloads(disk) if p.kind == Kind.COMMAND]
    assert commands == [(0, "device.write"), (1, "done"), (0, "device.write"), (1, "write_unknown")]


def test_an_act_cut_off_between_intent_and_outcome_is_unknown_and_shown() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())
        cut: dict[str, Any] = {}

        class Cut(ScriptedDriver):
            async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
                cut.update(image=disk.image())

        plant.drivers["b"] = Cut(clock)
        async with running(disk, clock, plant) as now:
            await after(clock, 2)
            await now.act("device.write", "b/slow0", params={"value": 5}, act_id=b"cut off in write")
        disk = ShimDisk.from_image(cut["image"])
        for _ in range(2):
            async with running(disk, clock, first_act=100) as now:
                await after(clock, 1)
                assert now.health()["acts_unknown"] == [b"cut off in write".hex()]
                again = await now.act("device.write", "b/slow0", params={"value": 5}, act_id=b"cut off in write")
                assert again["code"] == "unknown"
                assert now.plant.drivers["b"].written == [], "what may have been done is not done again"
                assert (await now.act("device.write", "b/slow0", params={"value": 6}))["code"] == "done"
            disk.restart()
        return disk

    disk = run(program, seed=1)
    acts = [p.detail for p in payloads(disk) if p.kind == Kind.COMMAND and p.detail[0] == b"cut off in write"]
    assert [(detail[1], detail[2]) for detail in acts] == [(0, "device.write"), (1, "unknown")]
    assert verified(disk).verdict != "fails"


def test_events_are_resumable_from_any_cursor() -> None:
    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, two_devices())
        for _ in range(2):
            async with running(disk, clock) as now:
                await after(clock, 5)
                for value in range(5):
                    await now.act("device.write", "b/slow0", params={"value": value})
                events = now.core._events
                seen, cursor = [], -1
                while rows := await events.since(cursor, 3):
                    cursor = rows[-1][0]
                    seen += [row for row in rows if row[2] not in (Kind.BATCH, Kind.SCHEMA)]
                wanted = [p.seq for p in payloads(disk) if p.kind not in (Kind.BATCH, Kind.SCHEMA)]
                assert [row[0] for row in seen] == wanted
                assert await events.since(events.newest, 10) == []
            disk.restart()

    run(program, seed=1)


def test_a_lost_file_of_tag_numbers_is_made_again_from_the_ledger() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 3)
            text = two_devices().replace('name = "fast1"', 'name = "torque"\nwas = "a/fast1"')
            assert (await now.act("config.edit", expected_revision=1, params={"text": text}))["code"] == "done"
            await after(clock, 3)
            before = {value.name: value.uid for value in now.core.live.values()}
        disk.restart()
        disk.unlink(Layout(STATE).private / "tags.cbor")
        async with running(disk, clock) as now:
            await after(clock, 3)
            assert {value.name: value.uid for value in now.core.live.values()} == before
        return disk

    disk = run(program, seed=1)
    assert verified(disk).verdict != "fails"
