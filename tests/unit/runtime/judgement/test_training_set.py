"""What a model learns from: rows of the time asked for, without alarms, findings and bad labels; with what a person called normal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from random import Random

import numpy as np
import pytest

from ledger_client.errors import LedgerError
from ledger_client.event_bodies import (
    ALARMING,
    FINDING,
    LABEL,
    MODEL,
    SCORES,
    EventBody,
    FindingBody,
    LabelBody,
    ModelBody,
    ScoreReceipt,
)
from ledger_client.kinds import Kind
from models.input_plan import Gate, InputPlan
from models.input_stream import Row, features_again
from runtime.judgement import training_set
from runtime.judgement.follower import Follower, first_seq_at
from runtime.judgement.model_run import ModelRun
from runtime.judgement.training_set import TrainingSet, gather
from tests.rigs.batches import BatchOf, ScanOf
from tests.rigs.judged import START_MS, JudgedLog, Plant, manifest, model_bytes, plan

HASH = bytes(32)
TYPES = {ScoreReceipt: SCORES, FindingBody: FINDING, LabelBody: LABEL, ModelBody: MODEL}
SILENT: Callable[[str, float], None] = lambda stage, share: None  # noqa: E731


def say(log: JudgedLog, body: EventBody) -> int:
    encoded = body.encode()
    return log.add(Kind.EVENT, (TYPES[type(body)], 1, sha256(encoded).digest(), len(encoded)), encoded)


def finding(at_s: int, phase: int, name: str = "line") -> FindingBody:
    return FindingBody(name, HASH, "stuck", "device1/t1", START_MS + at_s * 1000, phase, True, None, None)


def alarms(first_s: int, count: int, from_seq: int = 1) -> ScoreReceipt:
    cells = bytes((ALARMING,)) * count
    first = START_MS // 1000 + first_s
    return ScoreReceipt("line", HASH, HASH, from_seq, from_seq + 1, 1000, ((first, count),), (9.0,) * count, cells, HASH, (1, 5))


@pytest.fixture
def log() -> JudgedLog:
    made = JudgedLog()
    plant = Plant(made, Random(4))
    for _ in range(60):
        plant.batch()
    return made


def learned(log: JudgedLog, from_s: int = 60, to_s: int = 280, by: InputPlan | None = None) -> TrainingSet:
    return gather(log, log.size, by or plan(), "line", START_MS + from_s * 1000, START_MS + to_s * 1000, SILENT)


def served(log: JudgedLog) -> dict[int, Row]:
    """The rows that the judge has had of the same entries, by cell."""
    run, found = ModelRun(manifest(model_bytes())), dict[int, Row]()
    follower = Follower(log, 0, run.wanted)  # type: ignore[arg-type]
    while follower.next_seq < log.size:
        for row in run.take(follower.take()):
            run.last_cell = row.cell
            found[row.cell] = row
    return found


def boot(log: JudgedLog) -> None:
    log.add(Kind.BOOT, ("0.1.0", "sim", 1, 0))


def machine(log: JudgedLog, first_s: int, temperatures: list[float]) -> None:
    """A second a temperature, in batches of five, of a machine whose fourth tag says that it runs."""
    for at in range(0, len(temperatures), 5):
        times = [START_MS + 1000 * (first_s + at + n) for n in range(5)]
        scans = [ScanOf(1, time, None, [t, 21.0, 22.0, 6.0]) for time, t in zip(times, temperatures[at : at + 5], strict=True)]
        sealed = BatchOf(log.schema, scans).seal()
        log.wall_ms = times[-1] + 400
        log.add(Kind.BATCH, sealed.detail, sealed.body)


def seconds(found: TrainingSet) -> set[int]:
    return {int(cell) - START_MS // 1000 for cell in found.rows.cells}


def test_only_rows_of_the_time_asked_for_and_all_with_full_windows(log: JudgedLog) -> None:
    found = learned(log)
    assert seconds(found) == set(range(61, 281))
    assert int(found.rows.usable.sum()) > 150, "the window was filled from before"
    assert (found.left_out, found.withheld) == (0, 0)
    ends = found.readings.time_ms
    assert START_MS + 60_000 < ends.min() <= ends.max() <= START_MS + 280_000


def test_the_rows_are_those_that_the_whole_ledger_gives(log: JudgedLog) -> None:
    part, whole = learned(log, 120, 200), learned(log, 20, 290)
    same = np.isin(whole.rows.cells, part.rows.cells)
    assert np.array_equal(whole.rows.features[same], part.rows.features, equal_nan=True)


def test_a_span_up_to_now_ends_with_what_is_recorded(log: JudgedLog) -> None:
    """Beyond the newest batch values would only be held: a machine that stands still for some seconds, unlike all the rest."""
    found, judged = learned(log, 60, 312), served(log)
    assert seconds(found) == {cell - START_MS // 1000 for cell in judged if cell > START_MS // 1000 + 60}
    assert found.rows.cells[-1] * 1000 <= found.readings.time_ms.max()
    assert len(learned(log, 301, 312).rows) == 0, "nothing of it is recorded"


def test_alarms_findings_and_bad_labels_are_left_out_with_a_window_around_them(log: JudgedLog) -> None:
    say(log, alarms(100, 5))
    say(log, finding(150, 0))
    say(log, finding(160, 1))
    say(log, LabelBody("line", HASH, None, START_MS + 200_000, START_MS + 205_000, "not_normal", "anna"))
    say(log, finding(240, 0, name="another"))
    found = learned(log)
    gone = set(range(61, 281)) - seconds(found)
    assert gone == {*range(89, 115), *range(140, 171), *range(190, 216)}
    assert found.left_out == len(gone)
    times = found.readings.time_ms - START_MS
    assert not ((times > 140_000) & (times < 170_000)).any(), "nor do the rules learn their limits from it"


@pytest.mark.parametrize("is_before", [True, False], ids=["before the span", "within it"])
def test_what_a_model_finds_that_is_only_being_checked_shuts_nothing_out(
    log: JudgedLog, monkeypatch: pytest.MonkeyPatch, *, is_before: bool
) -> None:
    """One that was learned from too little finds all the rest unlike; nobody is told, and the next one has to learn of it."""
    monkeypatch.setattr(training_set, "LOOK_BACK", 7)
    told = JudgedLog()
    plant = Plant(told, Random(4))
    if is_before:
        say(told, ModelBody("line", "checking", "learned", HASH, HASH))
        say(told, ModelBody("line", "learning", "learn_started"))
        say(told, ModelBody("another", "armed", "model_armed", HASH, HASH))
    for _ in range(60):
        plant.batch()
    if not is_before:
        say(told, ModelBody("line", "checking", "learned", HASH, HASH))
    say(told, alarms(100, 60))
    say(told, ModelBody("line", "refused", "model_missing", HASH, HASH))
    say(told, alarms(160, 40))
    assert (seconds(learned(told)), learned(told).left_out) == (set(range(61, 281)), 0)
    say(told, ModelBody("line", "shadow", "model_shadow", HASH, HASH))
    say(told, alarms(200, 10, from_seq=told.size - 3))
    say(told, alarms(210, 5, from_seq=told.size))
    assert set(range(61, 281)) - seconds(learned(told)) == set(range(199, 225)), (
        "on trial it is told, and counts; what a receipt says that began before does not"
    )


def test_what_lies_before_the_span_need_not_be_whole(log: JudgedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, read = learned(log, 120, 280), log.entries

    def entries(start: int, end: int) -> Iterator[bytes]:
        if start < 10:
            raise LedgerError("segment_missing")
        return read(start, end)

    monkeypatch.setattr(log, "entries", entries)
    assert seconds(learned(log, 120, 280)) == seconds(whole)


def test_what_a_person_calls_normal_is_learned_after_all(log: JudgedLog) -> None:
    seq = say(log, finding(150, 0))
    say(log, finding(160, 1))
    say(log, alarms(151, 5))
    assert 155 not in seconds(learned(log))
    say(log, LabelBody("line", HASH, seq, START_MS + 150_000, START_MS + 150_000, "normal", "anna"))
    assert seconds(learned(log)) == set(range(61, 281))
    say(log, LabelBody("line", HASH, seq, START_MS + 150_000, START_MS + 150_000, "not_normal", "bert"))
    assert 155 not in seconds(learned(log)), "the newest label counts"


@pytest.mark.parametrize("how", ["boot", "boots", "set back", "forward"])
def test_after_a_start_and_a_clock_set_back_only_rows_that_would_be_judged_are_learned_from(how: str) -> None:
    log, dice, at_s = JudgedLog(), Random(5), 300
    machine(log, 0, [dice.gauss(20, 1) for _ in range(300)])
    for _ in range(3 if how == "boots" else 1):
        if how in {"boot", "boots"}:
            boot(log)
        else:
            stepped_s = -70 if how == "set back" else 70
            log.add(Kind.CLOCK, (START_MS + at_s * 1000, START_MS + (at_s + stepped_s) * 1000, 2, 4))
            at_s += stepped_s
        machine(log, at_s, [dice.gauss(20, 1) for _ in range(120)])
        at_s += 120
    found, judged = learned(log, 60, at_s - 2), served(log)
    usable = found.rows.usable
    assert int(usable.sum()) > 200
    for cell, features in zip(found.rows.cells[usable].tolist(), found.rows.features[usable], strict=True):
        assert judged[cell].features is not None
        assert np.array_equal(judged[cell].features, features, equal_nan=True)
    first, last = found.rows.cells[0], found.rows.cells[-1]
    missed = sum(row.features is not None for cell, row in judged.items() if first <= cell <= last) - int(usable.sum())
    assert missed <= 3 * (how != "forward"), "no more than a cell is left out at each"
    again = features_again(plan(), found.rows)
    same = again.usable & usable
    assert np.array_equal(again.features[same], found.rows.features[same], equal_nan=True)
    assert not (again.usable & ~usable).any(), "whoever makes features again begins anew there too"
    assert np.diff(found.rows.cells).min() > 0
    assert found.settling == {"boot": 8, "boots": 24}.get(how, 0), "windows of ten; the first cell is the one left out"


def test_a_machine_that_warms_up_after_a_start_is_not_learned_behind_its_gate() -> None:
    log = JudgedLog()
    machine(log, 0, [20.0] * 100)
    boot(log)
    machine(log, 105, [60.0 - n for n in range(40)] + [20.0] * 100)  # off for five seconds, and cold for forty
    gated = replace(plan(), gates=(Gate(4, (6.0,), settle_ms=40_000),))
    found = learned(log, 0, 240, by=gated)
    assert found.rows.values[found.rows.usable][:, 0].max() == 20.0
    assert found.settling == 10 + 40 - 1, "window and gate"
    assert found.left_out == 0
    assert int(found.rows.usable.sum()) > 100
    assert learned(log, 0, 240).rows.values.max() == 60.0, "without a gate nobody has said how long it takes"


def test_withheld_readings_are_counted_and_missing_not_zero(log: JudgedLog) -> None:
    start = first_seq_at(log, START_MS + 100_000, log.size)
    log.withheld.update(range(start, start + 6))
    found = learned(log)
    assert found.withheld >= 4
    silent = (found.rows.cells > START_MS // 1000 + 116) & (found.rows.cells < START_MS // 1000 + 124)
    assert np.isnan(found.rows.values[silent]).any()
    assert not (found.rows.values == 0).any()


def test_an_entry_is_found_by_its_time_far_back_too() -> None:
    log = JudgedLog()
    for n in range(3_000):
        log.wall_ms = START_MS + 10 * n
        log.add(Kind.CLOSE, ("x",))
    for n in (0, 1, 5, 1_000, 2_487, 2_488, 2_489, 2_999):
        assert first_seq_at(log, START_MS + 10 * n, log.size) == (0 if n == 0 else n + 1)
    assert first_seq_at(log, START_MS + 10**9, log.size) == log.size
    assert first_seq_at(log, 0, log.size) == 0
