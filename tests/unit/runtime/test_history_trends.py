"""Trends out of a real ledger: what was recorded comes as it was, gaps with their causes, marks with what happened, exports whole."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.body_reader import read_body
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import FRAME_SIZE_MAX, RequestRefusedError, encode_frame
from runtime.history import gaps as gaps_file
from runtime.history import index as index_file
from runtime.history.follow import CUT_OFF, STOPPED, Follower
from runtime.history.gaps import GAPS_MAX, Gap, Gaps, joined
from runtime.history.index import Index
from runtime.history.query import Query
from runtime.history.trends import MARKS_MAX
from tests.rigs.evidence import EvidenceLog

FINDING = "https://witnessmark.example/event/finding"
KINDS = {"t": "q", "low": "d", "high": "d", "last": "d", "count": "I", "bad": "I"}


@contextmanager
def history(folder: Path, log: EvidenceLog) -> Iterator[Query]:
    """The history of a ledger, all of it taken in; half of it written as pages, half in memory."""
    reader = LedgerReader(RealDisk(), log.write(folder), 1)
    with Index(folder / "h.db", log.origin) as index:
        follower = Follower(reader, index, log.size)
        for seq in range(log.size()):
            follower.take(seq)
            if seq == log.size() // 2:
                list(index.write())
        yield Query(reader, index, follower, lambda _uid, _at: b"")


def columns(pen: dict[str, Any]) -> dict[str, list[float]]:
    return {name: list(array(kind, pen[name])) for name, kind in KINDS.items() if name in pen}


def recorded(log: EvidenceLog, uid: int) -> list[tuple[int, Any, int]]:
    """(time, value, seq) by the verifier's own reading of every body."""
    found = []
    for seq, entry in enumerate(log.entries):
        payload = parse(entry).payload
        if payload.kind == Kind.BATCH:
            body = read_body(log.bodies[seq] or b"", payload.detail, log.schema)
            found += [(r.time_ms, r.value, seq) for r in body.readings() if r.descriptor.uid == uid]
    return found


def asked(log: EvidenceLog, uids: list[int], points: int, **more: int) -> dict[str, Any]:
    times = [row[0] for row in recorded(log, 1)]
    return {"uids": uids, "t0": times[0], "t1": times[-1], "points": points, **more}


def test_few_readings_come_as_they_were_recorded(tmp_path: Path) -> None:
    log = EvidenceLog().typical(20)
    with history(tmp_path, log) as query:
        answer = query.ask("trends", asked(log, [3, 1], 2_000))
    assert (answer["width_ms"], answer["read_to"]) == (0, log.size())
    for uid, pen in zip([3, 1], answer["pens"], strict=True):
        found = columns(pen)
        assert pen["uid"] == uid
        assert list(zip(found["t"], found["last"], strict=True)) == [(t, v) for t, v, _ in recorded(log, uid)]
        assert not any(found["bad"])


def test_many_come_in_buckets_that_hold_all_of_them(tmp_path: Path) -> None:
    log = EvidenceLog().typical(60)
    rows = recorded(log, 2)
    with history(tmp_path, log) as query:
        answer = query.ask("trends", asked(log, [2], 10))
        again = query.ask("trend", {"uid": 2, **{k: v for k, v in asked(log, [2], 10).items() if k != "uids"}})
    found, width = columns(answer["pens"][0]), answer["width_ms"]
    assert sum(found["count"]) == len(rows)
    for start, low, high, last, count in zip(*(found[name] for name in ("t", "low", "high", "last", "count")), strict=True):
        inside = [value for t, value, _ in rows if start <= t < start + width]
        assert (low, high, last, count) == (min(inside), max(inside), inside[-1], len(inside))
    assert [(row[0], row[1], row[2], row[4]) for row in again] == list(
        zip(found["t"], found["low"], found["high"], found["last"], strict=True)
    )


def test_where_bodies_are_withheld_rollups_stand_in(tmp_path: Path) -> None:
    log = EvidenceLog().typical(8)
    with history(tmp_path, log) as query:
        kept = query._reader.body
        query._reader.body = lambda seq: None if parse(log.entries[seq]).payload.kind == Kind.BATCH else kept(seq)  # type: ignore[method-assign]
        answer = query.ask("trends", asked(log, [1], 2_000))
        part = query.ask("export", {"uids": [1], "t0": 0, "t1": log.wall_ms, "after": -1})
    assert answer["width_ms"] == 10_000
    assert sum(columns(answer["pens"][0])["count"]) == len(recorded(log, 1))
    assert (part["rows"], part["withheld"]) == ([], 8)


def test_gaps_come_with_their_causes_and_only_to_whom_they_concern(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    log.batch()
    at = log.wall_ms
    log.append(Kind.GAP, ((7, at, at + 20_000, "no_answer", 20), (8, at, at + 90_000, "no_answer", 90)))
    log.append(Kind.GAP, ((7, at + 21_000, at + 60_000, "no_answer", 39), (None, at + 200_000, at + 201_000, "evidence_behind", 3)))
    log.mono_ms += 300_000
    log.batch()
    log.boot, log.mono_ms, log.offset_ms = 9, 20_000, log.wall_ms + 3_600_000
    log.append(Kind.BOOT, ("0.1.0", "sim", 1, 0))
    log.batch()
    with history(tmp_path, log) as query:
        (gaps,) = query.ask("trends", {"uids": [1], "t0": at, "t1": log.wall_ms + 1, "points": 2_000})["gaps"]
        narrow = query.ask("trends", {"uids": [1], "t0": at + 70_000, "t1": at + 80_000, "points": 2_000})["gaps"]
    assert [gap[2:] for gap in gaps] == [["no_answer", 59], ["evidence_behind", 3], [CUT_OFF, 0]]
    assert gaps[0][:2] == [at, at + 60_000]
    assert gaps[2][1] - gaps[2][0] > 3_600_000
    assert narrow == [[]]


def test_before_the_first_boot_nothing_ran_that_could_have_stopped(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    began_ms = parse(log.entries[0]).payload.wall_ms
    log.append(Kind.CLOSE, ("stopped",))
    log.boot, log.mono_ms, log.offset_ms = 9, 20_000, log.wall_ms + 60_000
    log.append(Kind.BOOT, ("0.1.0", "sim", 0, 0))
    with history(tmp_path, log) as query:
        (gaps,) = query.ask("trends", {"uids": [1], "t0": began_ms, "t1": log.wall_ms + 1, "points": 2_000})["gaps"]
    assert [(gap[1] - gap[0] > 60_000, gap[2]) for gap in gaps] == [(True, STOPPED)]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5), st.sampled_from("ab"), st.integers(0, 9)), max_size=40))
def test_joined_gaps_cover_the_same_and_count_the_same(rows: list[tuple[int, int, str, int]]) -> None:
    gaps = [Gap(a, a + length, cause, scans) for a, length, cause, scans in sorted(rows)]
    found = joined(gaps, 1_000)
    assert sum(gap.scans for gap in found) == sum(gap.scans for gap in gaps)
    assert all(b.from_ms - a.to_ms > 1_000 for a, b in pairwise(found))
    assert all(any(f.from_ms <= gap.from_ms and gap.to_ms <= f.to_ms for f in found) for gap in gaps)


def test_no_more_gaps_than_a_chart_can_show(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    at = log.wall_ms
    log.append(Kind.GAP, tuple((7, at + i * 5_000, at + i * 5_000 + 100, "poll_late", 1) for i in range(1_000)))
    with history(tmp_path, log) as query:
        (gaps,) = query.ask("trends", {"uids": [1], "t0": at, "t1": at + 5_000_000, "points": 2_000})["gaps"]
    assert 0 < len(gaps) <= GAPS_MAX
    assert sum(gap[3] for gap in gaps) == 1_000


def test_of_more_gaps_than_are_read_at_once_the_newest_is_there_and_each_is_counted(tmp_path: Path) -> None:
    """25,000 outages of a bad cable in one view: none of them is left out without a word."""
    log = EvidenceLog().begin()
    at, count, per_entry = log.wall_ms, 25_000, 500
    for n in range(0, count, per_entry):
        log.append(Kind.GAP, tuple((7, at + i * 10_000, at + i * 10_000 + 3_000, "no_answer", 3) for i in range(n, n + per_entry)))
    end = at + (count - 1) * 10_000 + 3_000
    with history(tmp_path, log) as query:
        (gaps,) = query.ask("trends", {"uids": [1], "t0": at, "t1": end + 10_000, "points": 2_000})["gaps"]
        (late,) = query.ask("trends", {"uids": [1], "t0": end - 29_000, "t1": end + 10_000, "points": 2_000})["gaps"]
    assert (gaps[-1][1], sum(gap[3] for gap in gaps)) == (end, 3 * count)
    assert [gap[1] - gap[0] for gap in late] == [3_000] * 3


@given(st.lists(st.tuples(st.sampled_from([None, 7, 8]), st.integers(0, 300), st.integers(0, 40), st.integers(1, 9)), max_size=30))
def test_gaps_read_in_parts_are_the_gaps_read_at_once(rows: list[tuple[int | None, int, int, int]]) -> None:
    told = [
        (7 + at // 3, at % 3, group, t0 * 1_000, (t0 + length) * 1_000, "x", scans) for at, (group, t0, length, scans) in enumerate(rows)
    ]
    with TemporaryDirectory() as folder, Index(Path(folder) / "h.db", "o/1") as index, pytest.MonkeyPatch.context() as patch:
        index.catalogue.note([], told)
        whole = Gaps(index.catalogue).of({7}, 50_000, 200_000, 0)
        patch.setattr(gaps_file, "ROWS_AT_ONCE", 3)
        assert Gaps(index.catalogue).of({7}, 50_000, 200_000, 0) == whole
    mine = [row for row in told if row[2] in (None, 7) and row[4] >= 50_000 and row[3] <= 200_000]
    assert sum(gap.scans for gap in whole) == sum(row[6] for row in mine)


def test_marks_say_what_happened_and_how_many_are_left_out(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    log.batch()
    body = b"what was found"
    for name in ("scores", "finding"):
        log.append(Kind.EVENT, (f"https://witnessmark.example/event/{name}", 1, sha256(body).digest(), len(body)), body)
    log.append(Kind.CONFIG, (2, 1, bytes(32), "alice", "new tag"))
    log.append(Kind.CLOCK, (1, 2, 2, 2))
    for phase, code, said in ((0, "command.confirm", b"what was asked"), (1, "done", b"how it ended")):
        log.append(Kind.COMMAND, (bytes(16), phase, code, len(said), sha256(said).digest()), said)
    with history(tmp_path, log) as query:
        wide = {"uids": [1], "t0": 0, "t1": log.wall_ms + 1, "points": 100}
        answer = query.ask("trends", wide)
        assert [(mark[2], mark[4]) for mark in answer["marks"]] == [
            (Kind.BOOT, None), (Kind.EVENT, body), (Kind.CONFIG, None), (Kind.CLOCK, None),
            (Kind.COMMAND, b"what was asked"), (Kind.COMMAND, b"how it ended"),
        ]  # fmt: skip
        told = [row[5] for row in query.ask("entries", {"before": None, "limit": 2})]
        assert told == [b"how it ended", b"what was asked"], "an act is told with its end"
        assert answer["marks"][1][3][0] == FINDING
        assert answer["marks"][2][3] == (2, 1, bytes(32), "alice", "new tag")
        assert answer["marks_left_out"] == 0
    for number in range(MARKS_MAX + 9):
        log.append(Kind.CONFIG, (number, 1, bytes(32), "alice", ""))
    with history(tmp_path / "more", log) as query:
        answer = query.ask("trends", {**wide, "t1": log.wall_ms + 1})
        assert (len(answer["marks"]), answer["marks_left_out"]) == (MARKS_MAX, 15)
        assert answer["marks"][-1][3][0] == MARKS_MAX + 8


def test_an_act_that_ended_after_the_window_is_told_with_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EvidenceLog().begin()

    def command(number: int, phase: int, code: str, said: bytes) -> None:
        log.append(Kind.COMMAND, (bytes([number]) * 16, phase, code, len(said), sha256(said).digest()), said)
        log.mono_ms += 1_000

    command(1, 0, "command.confirm", b"asked")
    command(2, 0, "command.confirm", b"asked")
    command(2, 1, "done", b"within")
    until = log.wall_ms - 500
    for number in range(5):
        log.append(Kind.CONFIG, (number, 1, bytes(32), "alice", ""))
    command(3, 1, "done", b"another's")
    command(1, 1, "interlocked", b"beyond")
    command(4, 0, "command.confirm", b"asked")
    asked = {"uids": [1], "t0": 0, "t1": until, "points": 100}
    with history(tmp_path, log) as query:
        answer = query.ask("trends", asked)
        assert [(detail[2], told) for detail, told in answer["outcomes"]] == [("interlocked", b"beyond")]
        assert answer["outcomes_read"]
        open_to_the_end = query.ask("trends", {**asked, "t1": log.wall_ms + 1})
        assert (open_to_the_end["outcomes"], open_to_the_end["outcomes_read"]) == ([], True), "of the last nobody knows yet"
        monkeypatch.setattr("runtime.history.trends.OUTCOMES_READ_MAX", 4)
        short = query.ask("trends", asked)
        assert (short["outcomes"], short["outcomes_read"]) == ([], False), "it was not looked for to the end"


def test_who_asks_about_a_time_whose_gaps_and_marks_were_let_go_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.history.kept.SAID_KEPT", 12)
    monkeypatch.setattr("runtime.history.kept.GAPS_KEPT", 3)
    log = EvidenceLog().begin()
    log.batch()
    at = log.wall_ms
    for number in range(30):
        log.append(Kind.GAP, ((7, at + number * 10_000, at + number * 10_000 + 5_000, "no_answer", 5),))
        log.append(Kind.CONFIG, (number, 1, bytes(32), "alice", ""))
    with history(tmp_path, log) as query:
        list(query._index.write())
        gaps_until, marks_until = at + 26 * 10_000 + 5_000, log.wall_ms
        old = query.ask("trends", {"uids": [1], "t0": at, "t1": at + 100_000, "points": 100})
        wide = query.ask("trends", {"uids": [1], "t0": at, "t1": at + 10**6, "points": 2_000})
        new = query.ask("trends", {"uids": [1], "t0": gaps_until + 1, "t1": gaps_until + 60_000, "points": 100})
    assert old["gaps_until"] == at + 100_000, "none of that time is all here"
    assert (wide["gaps_until"], len(wide["gaps"][0])) == (gaps_until, 3)
    assert at < wide["marks_until"] < marks_until
    assert (new["gaps_until"], len(new["gaps"][0])) == (None, 3)


def test_the_largest_answer_fits_a_frame(tmp_path: Path) -> None:
    """Eight pens with as many readings as are given as they are, as many gaps, and marks that say as much as an entry may."""
    log = EvidenceLog(step_ms=4_600).begin(tags=8)
    for _ in range(80):
        log.batch(scans=50)
    for _ in range(MARKS_MAX):
        log.append(Kind.EVENT, (FINDING, 1, sha256(bytes(4_000)).digest(), 4_000), bytes(4_000))
    at = log.wall_ms - 2_000_000
    log.append(Kind.GAP, tuple((7, at + i * 2_500, at + i * 2_500 + 1, "no_answer", 1) for i in range(800)))
    with history(tmp_path, log) as query:
        answer = query.ask("trends", {"uids": list(range(1, 9)), "t0": log.wall_ms - 3_600_000, "t1": log.wall_ms, "points": 2_000})
    assert min(len(pen["t"]) // 8 for pen in answer["pens"]) >= 2_000
    assert len(answer["marks"]) + answer["marks_left_out"] >= MARKS_MAX
    assert 500_000 < len(encode_frame(["response", 1, True, answer])) < FRAME_SIZE_MAX


def test_an_export_holds_every_reading_once_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.history.export.ENTRIES_AT_ONCE", 3)
    log = EvidenceLog().typical(10)
    with history(tmp_path, log) as query:
        rows, after, parts = [], -1, 0
        while after is not None:
            part = query.ask("export", {"uids": [1, 2], "t0": 0, "t1": log.wall_ms + 1, "after": after})
            rows += part["rows"]
            after, parts = part["next"], parts + 1
    assert parts == 4
    assert sorted(rows) == sorted([t, uid, v, 0, seq] for uid in (1, 2) for t, v, seq in recorded(log, uid))
    assert [row[4] for row in rows] == sorted(row[4] for row in rows)


def test_a_part_of_an_export_reads_no_more_pages_than_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.history.export.ENTRIES_AT_ONCE", 3)
    log = EvidenceLog().typical(40)
    reader, read = LedgerReader(RealDisk(), log.write(tmp_path), 1), []
    kept = index_file.read_held
    monkeypatch.setattr(index_file, "read_held", lambda data: read.append(data) or kept(data))  # type: ignore[func-returns-value]
    with Index(tmp_path / "h.db", log.origin) as index:
        follower = Follower(reader, index, log.size)
        for seq in range(log.size()):
            follower.take(seq)
            if seq % 5 == 4:
                list(index.write())
        query, seen, after = Query(reader, index, follower, lambda _uid, _at: b""), [], -1
        while after is not None:
            read.clear()
            part = query.ask("export", {"uids": [1], "t0": 0, "t1": log.wall_ms + 1, "after": after})
            assert len(read) <= 2, "of eight pages"
            seen += [row[4] for row in part["rows"]]
            after = part["next"]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(seq for _, _, seq in recorded(log, 1)))


def test_a_tag_that_moved_to_another_group_is_found_in_both(tmp_path: Path) -> None:
    log = EvidenceLog().typical(2)
    group = log.schema.groups[7]
    with history(tmp_path, log) as query:
        schemas = query._trends._schemas
        assert schemas.groups_of([1, 99], 0, log.wall_ms) == {1: {group.uid}, 99: set()}
        assert schemas.descriptors([1, 99], 0, log.wall_ms).keys() == {1}


@pytest.mark.parametrize(
    "params",
    [
        {"uids": []}, {"uids": [1] * 2}, {"uids": list(range(9))}, {"uids": [True]}, {"uids": 1}, {"uids": ["1"]}, {"t0": 5, "t1": 5},
        {"t0": -1}, {"points": 1}, {"points": 2_001}, {"points": None}, {"t1": 1.5}, {"t0": math.nan},
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused(tmp_path: Path, params: dict[str, Any]) -> None:
    log = EvidenceLog().typical(1)
    with history(tmp_path, log) as query:
        for method in ("trends", "export"):
            if method == "export" and "points" in params:
                continue
            with pytest.raises(RequestRefusedError, match=r"trend_range|number_invalid"):
                query.ask(method, {"uids": [1], "t0": 0, "t1": 1_000, "points": 10, "after": -1} | params)
