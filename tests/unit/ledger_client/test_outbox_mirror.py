"""Bringing entries to a mirror, on virtual time: what leaves and when, mirrors that forget, lie and fail, and when it stops for good."""

from __future__ import annotations

from hashlib import sha256
from random import Random

import pytest

from anchor.mirror import Mirror
from anchor.store import Store
from ledger_client.anchors.http import Reply
from ledger_client.anchors.mirror import INFO_TYPE
from ledger_client.anchors.package import ENTRIES_MAX, encode_held
from ledger_client.disk import RealDisk
from ledger_client.errors import AnchorError
from ledger_client.mirror_cursor import MirrorCursor, load_mirror_cursor, mirror_cursor_path, save_mirror_cursor
from ledger_client.outbox import Outbox
from ledger_client.outbox_needs import Pace
from ledger_client.outbox_package import PACKAGE_BYTES_MAX
from tests.rigs.memory_ledger import LocalMirror, LocalWitness, MemoryLedger, at_work
from tests.rigs.small_log import SmallLog, key_of
from tests.simulation.loop import run

PACE = Pace()
DISK = RealDisk()


@pytest.fixture
def ledger():
    return MemoryLedger().grow(3)


@pytest.fixture
def witness(tmp_path, ledger):
    made = LocalWitness(tmp_path, 1, [ledger])
    yield made
    made.close()


def running(ledger, witness, mirror, state, clock, entries=None):
    anchors = [witness.anchor(clock, mirror)]
    return at_work(Outbox(ledger, anchors, DISK, state, clock, pace=PACE, random=Random(1), entries=entries or ledger))


async def passes(clock, seconds: float) -> None:
    await clock.sleep_until_mono(clock.mono_ms() + round(seconds * 1000))


def row_of(outbox):
    return outbox.status()["anchors"][0]["mirror"]


def info(status: int, size: int, next_seq: int) -> Reply:
    return Reply(status, {"content-type": INFO_TYPE}, f"{size}\n{next_seq}\n\n".encode())


def play(ledger, witness, mirror, state, story, entries=None):
    async def program(clock):
        async with running(ledger, witness, mirror, state, clock, entries) as outbox:
            return await story(clock, outbox)

    return run(program, seed=1)


def test_only_what_is_cosigned_leaves_in_order_and_once(tmp_path, ledger, witness):
    mirror = LocalMirror(witness, bodies=True)

    async def story(clock, outbox):
        for count in (5, 400, 1, 2):
            ledger.grow(count)
            await passes(clock, PACE.every_s + 1)
        await passes(clock, 30)
        return row_of(outbox), outbox.status()["anchors"][0]["cosigned_size"]

    row, cosigned = play(ledger, witness, mirror, tmp_path, story)
    assert (row["state"], row["held"], row["bodies"], row["wanted"], row["resumed"], row["cause"]) == (
        "ok",
        cosigned,
        cosigned,
        cosigned,
        0,
        None,
    )
    ends = [0]
    for package in mirror.packages:
        assert package.start == ends[-1], "in order, each once"
        assert len(package.entries) <= ENTRIES_MAX
        assert witness.store.recent_root(ledger.origin, package.size), "under a checkpoint that this server cosigned"
        ends.append(package.end)
    held = witness.store.entries(ledger.origin, 0, 9999, 1 << 30)
    assert held == [(raw, body or None) for raw, body in zip(ledger.log.entries[:cosigned], ledger.log.bodies, strict=False)]
    assert len(mirror.reads) == 1, "one sample, and then rest"
    assert load_mirror_cursor(DISK, tmp_path, "w1", ledger.origin).held == cosigned


def test_it_is_looked_at_again_now_and_then(tmp_path, ledger, witness):
    mirror = LocalMirror(witness)

    async def story(clock, outbox):
        for _ in range(720):
            ledger.grow(1)
            await passes(clock, 5)

    play(ledger, witness, mirror, tmp_path, story)
    assert 5 <= len(mirror.reads) <= 7, "an hour, one every ten minutes"


def test_a_dead_mirror_is_asked_with_patience_and_delays_no_confirmation(tmp_path, ledger, witness):
    mirror = LocalMirror(witness)
    mirror.down = True

    async def story(clock, outbox):
        for _ in range(120):
            ledger.grow(1)
            await passes(clock, 5)
        row = outbox.status()["anchors"][0]
        assert (row["state"], row["mirror"]["state"], row["mirror"]["cause"]) == ("ok", "failing", "anchor_unreachable")
        assert row["cosigned_size"] >= ledger.size - 2
        assert row["mirror"]["retry_ms"] > 0
        mirror.down = False
        outbox.nudge()
        await passes(clock, 10)
        return row_of(outbox)

    row = play(ledger, witness, mirror, tmp_path, story)
    assert (row["state"], row["held"]) == ("ok", row["wanted"])


def test_the_slower_the_line_the_smaller_the_package(tmp_path, ledger, witness):
    """What does not get through in time is halved; when it does, it grows again; never beyond the limits."""
    big = MemoryLedger(SmallLog())
    for n in range(60):
        body = bytes([n]) * 100_000
        big.log.add(10, ("test:event", 1, sha256(body).digest(), len(body)), body)
    witness.store.enroll(big.log.note_key, 1)
    mirror = LocalMirror(witness, bodies=True)
    sizes: list[int] = []

    def slow(path, package):
        if package is not None:
            sizes.append(sum(len(raw) + len(body or b"") for raw, body in package.entries))
            if sizes[-1] > 250_000 and len(sizes) < 20:
                raise AnchorError("anchor_timeout", timeout_s=60)

    mirror.lie = slow

    async def story(clock, outbox):
        await passes(clock, 600)
        return row_of(outbox)

    row = play(big, witness, mirror, tmp_path, story)
    assert (row["state"], row["bodies"]) == ("ok", row["held"])
    assert max(sizes) <= PACKAGE_BYTES_MAX
    assert min(sizes[:10]) <= 250_000


@pytest.mark.parametrize(
    ("lie", "state", "cause"),
    [
        (info(409, 4, 5_000), "quarantined", "mirror_holds_more"),
        (info(200, 5_000, 3), "quarantined", "mirror_holds_more"),
        (info(200, 3, 2), "failing", "anchor_reply_invalid"),
        (info(202, 3, 4), "failing", "anchor_reply_invalid"),
        (Reply(200, {"content-type": INFO_TYPE}, b"3\n3\n"), "failing", "anchor_reply_invalid"),
        (Reply(200, {"content-type": "text/plain"}, b"3\n3\n\n"), "failing", "anchor_reply_invalid"),
        (Reply(200, {}, b"ok"), "failing", "anchor_reply_invalid"),
        (Reply(409, {"content-type": INFO_TYPE}, b"3\n" + b"9" * 30 + b"\n\n"), "failing", "anchor_reply_invalid"),
        (info(409, 3, 0), "failing", "anchor_resync_unsettled"),
        (Reply(503, {}, b""), "failing", "anchor_busy"),
        (Reply(408, {}, b""), "failing", "anchor_busy"),
        (Reply(422, {}, b""), "refused", "mirror_refuses_entries"),
        (Reply(507, {}, b""), "refused", "mirror_full"),
        (Reply(404, {}, b""), "refused", "mirror_not_there"),
        (Reply(403, {}, b""), "refused", "mirror_refuses_token"),
        (Reply(413, {}, b""), "refused", "anchor_reply_unexpected"),
        (Reply(301, {"location": "http://elsewhere.invalid/"}, b""), "refused", "anchor_reply_unexpected"),
    ],
)
def test_answers_that_cannot_be_believed(tmp_path, ledger, witness, lie, state, cause):
    mirror = LocalMirror(witness)
    mirror.lie = lambda path, package: lie if path == "/add-entries" else None

    async def story(clock, outbox):
        await passes(clock, 120)
        return outbox.status(), row_of(outbox)

    status, row = play(ledger, witness, mirror, tmp_path, story)
    stopped = status["quarantine"]
    assert (row["state"], stopped["code"] if stopped else row["cause"]) == (state, cause)
    assert len(mirror.packages) <= 12, "two minutes of a useless mirror"
    assert row["held"] in (None, 0)
    assert status["anchors"][0]["cosigned_size"] == 3, "what it says changes nothing of what was confirmed"


def test_a_mirror_that_says_another_place_each_time_is_let_be(tmp_path, ledger, witness):
    mirror, places = LocalMirror(witness), iter(range(1, 10_000))
    mirror.lie = lambda path, package: info(409, 3, next(places) % 3) if package else None

    async def story(clock, outbox):
        await passes(clock, 300)
        return outbox.status()

    status = play(ledger, witness, mirror, tmp_path, story)
    assert status["quarantine"] is None
    assert len(mirror.packages) < 60


@pytest.mark.parametrize(
    ("make", "stops", "cause"),
    [
        (lambda log: log.copy(), False, "mirror_refuses_entries"),
        (lambda log: SmallLog(log.origin, log.key).grow(9, salt="other"), True, "mirror_holds_other"),
        (lambda log: SmallLog(log.origin, key_of(9)).grow(9, salt="foreign"), False, "mirror_damaged"),
        (None, False, "mirror_does_not_serve"),
    ],
)
def test_what_a_refusal_of_right_entries_means_is_read_back(tmp_path, ledger, witness, make, stops, cause):
    """It says 422: then the newest entry that it should hold tells whether there is another history, signed by our key."""
    mirror = LocalMirror(witness)
    theirs = make(ledger.log) if make else None

    def lie(path, package):
        if path == "/entries":
            seq = mirror.reads[-1]
            return Reply(200, {}, encode_held(seq, [(theirs.entries[seq], None)] if theirs else []))
        return Reply(422, {}, b"") if package.start else None

    mirror.lie = lie

    async def story(clock, outbox):
        await passes(clock, 0.3)
        ledger.grow(4)
        await passes(clock, 60)
        return outbox.status(), row_of(outbox)

    status, row = play(ledger, witness, mirror, tmp_path, story)
    assert bool(status["quarantine"]) is stops
    assert (status["quarantine"]["code"] if stops else row["cause"]) == cause


def test_an_entry_that_comes_back_damaged_is_no_fork(tmp_path, ledger, witness):
    mirror = LocalMirror(witness)
    damaged = [raw[:-1] + bytes([raw[-1] ^ 1]) for raw in ledger.log.entries]
    mirror.lie = lambda path, package: (
        Reply(200, {}, encode_held(mirror.reads[-1], [(damaged[mirror.reads[-1]], None)])) if package is None else None
    )

    async def story(clock, outbox):
        await passes(clock, 20)
        return outbox.status(), row_of(outbox)

    status, row = play(ledger, witness, mirror, tmp_path, story)
    assert (status["quarantine"], row["state"], row["cause"], row["sampled_ms"]) == (None, "refused", "mirror_damaged", None)


def test_a_mirror_that_lost_everything_gets_it_again(tmp_path, ledger, witness):
    mirror = LocalMirror(witness, bodies=True)

    async def story(clock, outbox):
        ledger.grow(300)
        await passes(clock, 60)
        held = row_of(outbox)["held"]
        empty = Store(tmp_path / "again.sqlite")
        with empty:
            empty.enroll(ledger.log.note_key, 1)
            witness.store, witness.mirror, witness.cosigner._store = empty, Mirror(empty), empty
            empty.set_identity(witness.cosigner.note_key.vkey, 0)
            ledger.grow(5)
            await passes(clock, 60)
            assert (outbox.quarantine, row_of(outbox)["resumed"], row_of(outbox)["state"]) == (None, 1, "ok")
            found = empty.entries(ledger.origin, 0, 9999, 1 << 30)
            assert len(found) >= held + 5
            assert all(body for seq, (_, body) in enumerate(found) if ledger.log.bodies[seq])

    play(ledger, witness, mirror, tmp_path, story)


def test_it_goes_on_from_its_cursor_and_a_lost_one_costs_one_request(tmp_path, ledger, witness):
    ledger.grow(300)
    first, second, third = (LocalMirror(witness) for _ in range(3))

    async def story(clock, outbox):
        await passes(clock, 20)
        return row_of(outbox)["held"]

    held = play(ledger, witness, first, tmp_path, story)
    ledger.grow(4)
    play(ledger, witness, second, tmp_path, story)
    assert second.packages[0].start == held
    mirror_cursor_path(tmp_path, "w1").write_bytes(b"\x85\x01 torn")
    ledger.grow(4)
    row = play(ledger, witness, third, tmp_path, lambda clock, outbox: _row_after(clock, outbox, 20))
    assert (third.packages[0].start, third.packages[1].start > held, row["resumed"], row["state"]) == (0, True, 1, "ok")


async def _row_after(clock, outbox, seconds):
    await passes(clock, seconds)
    return row_of(outbox)


@pytest.mark.parametrize(("held", "root", "code"), [(500, bytes(32), "outbox_cursor_ahead"), (2, bytes(32), "outbox_cursor_fork")])
def test_a_cursor_that_the_ledger_contradicts_stops_the_epoch(tmp_path, ledger, witness, held, root, code):
    save_mirror_cursor(DISK, tmp_path, "w1", MirrorCursor(ledger.origin, held, root, 0, 1))
    mirror = LocalMirror(witness)

    async def story(clock, outbox):
        await passes(clock, 20)
        return outbox.quarantine

    assert play(ledger, witness, mirror, tmp_path, story).code == code
    assert not mirror.packages, "nothing left"


def test_a_quarantine_from_elsewhere_stops_the_entries_too(tmp_path, ledger, witness):
    mirror, clone = LocalMirror(witness), ledger.fork_of(5, "clone")
    mirror.down = True

    async def story(clock, outbox):
        await passes(clock, 20)
        assert witness.cosigner.add_checkpoint(clone.log.request(3)).status == 200
        mirror.down = False
        ledger.grow(1)
        await passes(clock, 3_600)
        return outbox.quarantine, row_of(outbox)

    stopped, row = play(ledger, witness, mirror, tmp_path, story)
    assert stopped is not None
    assert row["state"] == "quarantined"
    assert all(package.size == 3 for package in mirror.packages), "at most what was under way before"


def test_damaged_entries_of_our_own_never_leave(tmp_path, ledger, witness):
    class Rotten(MemoryLedger):
        def entry(self, seq):
            raw = super().entry(seq)
            return raw if seq != 2 else raw[:-1] + bytes([raw[-1] ^ 1])

    mirror = LocalMirror(witness)
    rotten = Rotten(ledger.log)

    async def story(clock, outbox):
        await passes(clock, 60)
        return outbox.quarantine, row_of(outbox)

    quarantine, row = play(ledger, witness, mirror, tmp_path, story, entries=rotten)
    assert (quarantine, row["state"], row["cause"], mirror.packages) == (None, "failing", "tree_damaged", [])


def test_bodies_stay_here_unless_asked_for_and_follow_later(tmp_path, ledger, witness):
    ledger.grow(300)
    play(ledger, witness, LocalMirror(witness), tmp_path, lambda clock, outbox: _row_after(clock, outbox, 30))
    held = witness.store.entries(ledger.origin, 0, 9999, 1 << 30)
    kept = [seq for seq, (_, body) in enumerate(held) if body is not None]
    assert len(kept) <= 2, "receipts only, which hold no reading"
    late = LocalMirror(witness, bodies=True)
    ledger.grow(3)
    row = play(ledger, witness, late, tmp_path, lambda clock, outbox: _row_after(clock, outbox, 60))
    assert (row["state"], row["bodies"]) == ("ok", row["held"])
    held = witness.store.entries(ledger.origin, 0, 9999, 1 << 30)
    assert all(body is not None for _, body in held)


def test_the_end_waits_for_the_mirror_only_so_long(tmp_path, ledger, witness):
    mirror = LocalMirror(witness)
    mirror.latency_s = 30

    async def story(clock, outbox):
        ledger.grow(3)
        before = clock.mono_ms()
        await outbox.flush(5)
        return clock.mono_ms() - before

    assert play(ledger, witness, mirror, tmp_path, story) <= 5_100
