"""The outbox on virtual time: what it sends, what it keeps, when it waits, and when it stops for good."""

from __future__ import annotations

import asyncio
import json
import shutil
from random import Random

import pytest

from ledger_client.checkpoint import Checkpoint
from ledger_client.disk import RealDisk
from ledger_client.outbox import Outbox
from ledger_client.outbox_lane import Cursor, cursor_path, load_cursor, retry_delay_s, save_cursor
from ledger_client.outbox_needs import Pace
from ledger_client.quarantine import quarantine_path
from tests.rigs.memory_ledger import LocalWitness, MemoryLedger, at_work
from tests.simulation.loop import run

PACE = Pace()


@pytest.fixture
def ledger():
    return MemoryLedger().grow(3)


@pytest.fixture
def witnesses(tmp_path, ledger):
    made = [LocalWitness(tmp_path, number, [ledger]) for number in (1, 2, 3)]
    yield made
    for witness in made:
        witness.close()


def running(ledger, witnesses, state, clock, pace=PACE):
    """An outbox at work with these witnesses."""
    anchors = [w.anchor(clock) for w in witnesses]
    return at_work(Outbox(ledger, anchors, RealDisk(), state, clock, pace=pace, random=Random(1)))


async def passes(clock, seconds: float) -> None:
    """Let virtual time pass."""
    await clock.sleep_until_mono(clock.mono_ms() + round(seconds * 1000))


def asked(witnesses) -> list[int]:
    return [len(witness.asked) for witness in witnesses]


def test_one_round_brings_one_entry_with_all_receipts_and_then_it_rests(tmp_path, ledger, witnesses):
    async def program(clock):
        async with running(ledger, witnesses, tmp_path, clock) as outbox:
            await passes(clock, 1)
            assert [r.anchor_id for r in ledger.receipts[0]] == ["w1", "w2", "w3"]
            await passes(clock, PACE.keep_alive_s - 10)
            assert (ledger.size, asked(witnesses)) == (4, [1, 1, 1]), "a receipts entry by itself is nothing to send"
            await passes(clock, 20)
            assert (ledger.size, asked(witnesses)) == (5, [2, 2, 2]), "an idle ledger shows that it lives"
            ledger.grow(1)
            await passes(clock, PACE.every_s + 1)
            assert [r.size for r in ledger.receipts[-1]] == [6, 6, 6]
            return outbox.status()

    status = run(program, seed=1)
    assert status["quarantine"] is None
    assert [(row["state"], row["cosigned_size"], row["resyncs"], row["cause"]) for row in status["anchors"]] == [("ok", 6, 0, None)] * 3


def test_a_week_of_entries_costs_one_request_each_time(tmp_path, ledger, witnesses):
    """At 1 entry per 5 s each witness sees one request per checkpoint, and receipts never feed themselves."""

    async def program(clock):
        async with running(ledger, witnesses[:1], tmp_path, clock):
            for _ in range(100):
                ledger.grow(1)
                await passes(clock, 5)

    run(program, seed=1)
    assert ledger.checkpoints <= 101
    assert len(ledger.receipts) <= 101
    assert ledger.size <= 3 + 100 + 101


def test_a_dead_anchor_delays_no_other_and_is_asked_with_patience(tmp_path, ledger, witnesses, count):
    witnesses[0].down = True
    days = count(1, 3, 3) / 4

    async def program(clock):
        async with running(ledger, witnesses, tmp_path, clock) as outbox:
            await passes(clock, 60)
            assert {r.anchor_id for round_ in ledger.receipts for r in round_} == {"w2", "w3"}
            row = outbox.status()["anchors"][0]
            assert (row["state"], row["cause"]) == ("failing", "anchor_unreachable")
            assert row["retry_ms"] > 0
            assert 5 <= asked(witnesses)[0] <= 10, "1, 2, 4, 8, 16 s"
            await passes(clock, days * 24 * 3600)
            assert asked(witnesses)[0] < days * 24 * 3600 / (PACE.retry_max_s / 2) + 20
            witnesses[0].down = False
            outbox.nudge()
            await passes(clock, 3)
            return outbox.status()["anchors"][0]

    row = run(program, seed=1)
    assert (row["state"], row["cosigned_size"] >= 3, row["retry_ms"]) == ("ok", True, None)


@pytest.mark.parametrize(("status", "cause"), [(404, "anchor_knows_us_not"), (403, "anchor_refuses_key")])
def test_a_refusal_is_shown_and_ends_when_an_operator_mended_it(tmp_path, ledger, witnesses, status, cause):
    witnesses[0].status = status

    async def program(clock):
        async with running(ledger, witnesses[:1], tmp_path, clock) as outbox:
            await passes(clock, 30)
            row = outbox.status()["anchors"][0]
            assert (row["state"], row["cause"], outbox.quarantine) == ("refused", cause, None)
            witnesses[0].status = None
            await passes(clock, PACE.refused_max_s + 1)
            return outbox.status()["anchors"][0]["state"]

    assert run(program, seed=1) == "ok"


def test_a_reply_lost_in_a_crash_costs_one_resync(tmp_path, ledger, witnesses):
    async def crashed(clock):
        async with running(ledger, witnesses[:1], tmp_path, clock):
            witnesses[0].lose_replies = True
            await passes(clock, 0.1)

    async def back(clock):
        witnesses[0].lose_replies = False
        ledger.grow(2)
        async with running(ledger, witnesses[:1], tmp_path, clock) as outbox:
            await passes(clock, 1)
            return outbox.status()["anchors"][0]

    run(crashed, seed=1)
    assert not ledger.receipts
    assert run(back, seed=1)["resyncs"] == 1
    assert ledger.receipts[0][0].size == 5


def test_a_clone_that_fell_behind_stops_for_everybody_and_for_good(tmp_path, ledger, witnesses):
    original, clone = ledger, ledger.fork_of(5, "clone")
    state, clone_state = tmp_path / "original", tmp_path / "clone"

    async def clone_goes_on(clock):
        async with running(clone, witnesses[:1], clone_state, clock):
            await passes(clock, 1)

    async def original_stops(clock):
        witnesses[0].latency_s = PACE.lead_s + 1
        witnesses[1].latency_s = witnesses[2].latency_s = PACE.lead_s + 2  # still under way when the first one answers
        assert witnesses[2].cosigner.add_checkpoint(original.log.request(0)).status == 200  # it will ask for a resync
        original.grow(1)
        async with running(original, witnesses, state, clock) as outbox:
            await passes(clock, 2 * PACE.every_s)
            status = outbox.status()
            assert status["quarantine"]["code"] == "anchor_rollback"
            assert status["quarantine"]["params"] == {"anchor": "w1", "size": 4, "witness_size": 8}
            assert status["quarantine"]["todo"] == "outbox_todo_new_epoch"
            assert {row["state"] for row in status["anchors"]} == {"quarantined"}
            before = asked(witnesses)
            assert before == [2, 1, 1], "the resync of the third is not sent any more"
            original.grow(50)
            outbox.nudge()
            await passes(clock, 3600)
            assert asked(witnesses) == before, "not one more request, to anybody"
            assert not await outbox.flush(5)

    async def restarted(clock):
        async with running(original, witnesses, state, clock) as outbox:
            await passes(clock, 3600)
            return outbox.status()["quarantine"]["code"]

    run(clone_goes_on, seed=1)
    run(original_stops, seed=1)
    text = json.loads(quarantine_path(state, 1).read_text())
    assert (text["code"], text["origin"]) == ("anchor_rollback", original.origin)
    assert "new epoch" in text["what_to_do"]
    before = asked(witnesses)
    assert run(restarted, seed=1) == "anchor_rollback"
    assert asked(witnesses) == before
    quarantine_path(state, 1).write_text("torn")
    assert run(restarted, seed=1) == "outbox_quarantine_unreadable"
    assert asked(witnesses) == before


@pytest.mark.parametrize("number", range(20))
def test_of_two_copies_that_start_at_once_exactly_one_goes_on(tmp_path, witnesses, number):
    chance = Random(number)
    trunk = MemoryLedger().grow(3)
    copies = [trunk.fork_of(chance.randrange(1, 4), salt) for salt in ("one", "two")]

    async def program(clock):
        async with running(trunk, witnesses, tmp_path / "0", clock):
            await passes(clock, 1)
        for name in ("1", "2"):
            shutil.copytree(tmp_path / "0", tmp_path / name)
        async with running(copies[0], witnesses, tmp_path / "1", clock) as one, running(copies[1], witnesses, tmp_path / "2", clock) as two:
            for _ in range(20):
                for witness in witnesses:
                    witness.latency_s = chance.random() * PACE.lead_s / 3
                for copy, salt in zip(copies, ("one", "two"), strict=True):
                    copy.grow(chance.randrange(2), salt=salt)
                await passes(clock, chance.random() * 5)
            return [(box.quarantine, box.status()["anchors"]) for box in (one, two)]

    found = run(program, seed=number)
    stopped, going = sorted(found, key=lambda pair: pair[0] is None)
    assert stopped[0] is not None
    assert going[0] is None
    assert {row["state"] for row in going[1]} == {"ok"}


def test_a_fork_of_the_same_size_or_larger_stops_it(tmp_path, ledger, witnesses):
    async def goes_on(clock):
        async with running(ledger.fork_of(5, "clone"), witnesses[:1], tmp_path / "clone", clock):
            await passes(clock, 1)

    async def stops(clock, count):
        state = tmp_path / str(count)
        async with running(ledger.fork_of(count, "original"), witnesses[:1], state, clock) as outbox:
            await passes(clock, 1)
            return outbox.status()["quarantine"]["code"]

    run(goes_on, seed=1)
    assert run(lambda clock: stops(clock, 5), seed=1) == "anchor_fork"
    assert run(lambda clock: stops(clock, 9), seed=1) == "anchor_fork"


def test_its_own_memory_stops_a_rolled_back_ledger_before_anything_is_sent(tmp_path, ledger, witnesses):
    async def program(clock, of):
        async with running(of, witnesses, tmp_path, clock) as outbox:
            await passes(clock, 1)
            return outbox.quarantine

    young, other = MemoryLedger().grow(2), MemoryLedger().grow(9, salt="other")
    assert run(lambda clock: program(clock, ledger), seed=1) is None
    before = asked(witnesses)
    assert run(lambda clock: program(clock, young), seed=1).code == "outbox_cursor_ahead"
    quarantine_path(tmp_path, 1).unlink()
    assert run(lambda clock: program(clock, other), seed=1).code == "outbox_cursor_fork"
    assert asked(witnesses) == before


def test_a_ledger_fault_loses_no_receipt_and_a_disk_fault_lifts_no_quarantine(tmp_path, ledger, witnesses):
    class FailingDisk(RealDisk):
        full = False

        def pwrite(self, handle, data, offset):
            if self.full:
                raise OSError(28, "no space left on device")
            super().pwrite(handle, data, offset)

    disk = FailingDisk()

    async def program(clock):
        async with Outbox(ledger, [witnesses[0].anchor(clock)], disk, tmp_path, clock) as outbox, asyncio.TaskGroup() as tasks:
            task = tasks.create_task(outbox.run())
            await passes(clock, 0.04)
            ledger.broken = True
            await passes(clock, 20)
            assert (ledger.receipts, outbox.status()["fault"]["code"]) == ([], "store_failed")
            ledger.broken = False
            await passes(clock, 20)
            assert ledger.receipts[0][0].size == 3
            disk.full = True
            forked = ledger.fork_of(9, "clone")
            assert witnesses[0].cosigner.add_checkpoint(forked.log.request(3)).status == 200
            ledger.grow(1)
            await passes(clock, 20)
            assert outbox.quarantine.code == "anchor_rollback"
            assert outbox.status()["fault"]["code"] == "outbox_store_failed"
            assert not quarantine_path(tmp_path, 1).exists()
            disk.full = False
            await passes(clock, 20)
            assert quarantine_path(tmp_path, 1).exists()
            task.cancel()

    run(program, seed=1)


def test_the_last_entries_are_confirmed_before_the_end_within_the_deadline(tmp_path, ledger, witnesses):
    async def program(clock):
        async with Outbox(ledger, [w.anchor(clock) for w in witnesses], RealDisk(), tmp_path, clock) as outbox:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(outbox.run())
                await passes(clock, 1)
                task.cancel()
            ledger.grow(4)
            assert await outbox.flush(5)
            assert [r.size for r in ledger.receipts[-1]] == [8, 8, 8]
            witnesses[2].latency_s = 100
            ledger.grow(1)
            began = clock.mono_ms()
            assert not await outbox.flush(5)
            assert clock.mono_ms() - began < 5_500
            assert [r.anchor_id for r in ledger.receipts[-1]] == ["w1", "w2"], "what came in time is kept"

    run(program, seed=1)
    disk = RealDisk()
    assert [load_cursor(disk, tmp_path, name, ledger.origin).size for name in ("w1", "w2", "w3")] == [10, 10, 8]


def test_a_plug_in_that_breaks_its_promises_is_only_failing(tmp_path, ledger, witnesses):
    class Broken:
        name, url, resyncs = "broken", "", 0

        async def __aenter__(self):
            return self

        async def __aexit__(self, *error):
            """Nothing."""

        async def submit(self, note, checkpoint, old_size, prove):
            if checkpoint.size > 3:
                await asyncio.Event().wait()
            raise ZeroDivisionError

    async def program(clock):
        good = witnesses[0].anchor(clock)
        async with Outbox(ledger, [Broken(), good], RealDisk(), tmp_path, clock) as outbox, asyncio.TaskGroup() as tasks:
            task = tasks.create_task(outbox.run())
            await passes(clock, 10)
            causes = [outbox.status()["anchors"][0]["cause"]]
            ledger.grow(1)
            await passes(clock, 200)
            causes.append(outbox.status()["anchors"][0]["cause"])
            task.cancel()
            return causes, outbox.status()["anchors"][1]["cosigned_size"]

    assert run(program, seed=1) == (["anchor_broken", "anchor_timeout"], 5)


def test_cursors_of_other_epochs_and_damaged_ones_count_as_none(tmp_path):
    disk, cursor = RealDisk(), Cursor("a/1", 5, bytes(32), 7)
    assert load_cursor(disk, tmp_path, "w", "a/1") is None
    save_cursor(disk, tmp_path, "w", cursor)
    assert load_cursor(disk, tmp_path, "w", "a/1") == cursor
    assert load_cursor(disk, tmp_path, "w", "a/2") is None
    path = cursor_path(tmp_path, "w")
    assert path.stat().st_mode & 0o777 == 0o600
    for broken in (path.read_bytes()[:-1], b"", b"\xff" * 9000):
        path.write_bytes(broken)
        assert load_cursor(disk, tmp_path, "w", "a/1") is None


def test_retries_double_are_capped_and_spread():
    delays = [[retry_delay_s(n, 1, 300, Random(s)) for n in (1, 2, 5, 9, 500)] for s in range(50)]
    for delay, whole in zip(zip(*delays, strict=True), (1, 2, 16, 256, 300), strict=True):
        assert whole / 2 <= min(delay)
        assert max(delay) <= whole
        assert len(set(delay)) > 40


def test_a_damaged_index_is_no_fork(tmp_path, ledger, witnesses):
    """Its proofs would be refused twice, and that quarantines an epoch for good."""

    async def program(clock):
        async with running(ledger, witnesses[:1], tmp_path, clock) as outbox:
            await passes(clock, 5)
            ledger.grow(1)
            await passes(clock, 10)
            sound, asked_before = ledger.log.subtree, asked(witnesses[:1])
            ledger.log.subtree = lambda start, size: bytes(32) if (start, size) == (0, 4) else sound(start, size)
            ledger.log.checkpoint = lambda size=None: Checkpoint(ledger.origin, ledger.size, sound(0, ledger.size))
            ledger.grow(4)
            await passes(clock, 30)
            row = outbox.status()["anchors"][0]
            assert (row["cause"], outbox.quarantine, asked(witnesses[:1])) == ("tree_damaged", None, asked_before)
            ledger.log.subtree = sound
            outbox.nudge()
            await passes(clock, 5)
            return outbox.status()

    status = run(program, seed=1)
    assert (status["quarantine"], status["anchors"][0]["state"]) == (None, "ok")


def test_a_cursor_is_not_compared_through_a_damaged_index(tmp_path, ledger, witnesses):
    save_cursor(RealDisk(), tmp_path, "w1", Cursor(ledger.origin, 2, ledger.subtree(0, 2), 1))
    sound = ledger.log.subtree
    ledger.log.checkpoint = lambda size=None: Checkpoint(ledger.origin, ledger.size, sound(0, ledger.size))
    ledger.log.subtree = lambda start, size: bytes(32) if size == 2 else sound(start, size)

    async def program(clock):
        async with running(ledger, witnesses[:1], tmp_path, clock) as outbox:
            await passes(clock, 5)
            return outbox.status()

    status = run(program, seed=1)
    assert (status["quarantine"], status["fault"]["code"], asked(witnesses[:1])) == (None, "tree_damaged", [0])
