"""What a model learns from: rows of the time asked for, without alarms, findings and bad labels; with what a person called normal."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random

import numpy as np
import pytest

from ledger_client.event_bodies import ALARMING, FINDING, LABEL, SCORES, EventBody, FindingBody, LabelBody, ScoreReceipt
from ledger_client.kinds import Kind
from runtime.judgement.follower import first_seq_at
from runtime.judgement.training_set import TrainingSet, gather
from tests.rigs.judged import START_MS, JudgedLog, Plant, plan

HASH = bytes(32)
TYPES = {ScoreReceipt: SCORES, FindingBody: FINDING, LabelBody: LABEL}
SILENT: Callable[[str, float], None] = lambda stage, share: None  # noqa: E731


def say(log: JudgedLog, body: EventBody) -> int:
    encoded = body.encode()
    return log.add(Kind.EVENT, (TYPES[type(body)], 1, sha256(encoded).digest(), len(encoded)), encoded)


def finding(at_s: int, phase: int, name: str = "line") -> FindingBody:
    return FindingBody(name, HASH, "stuck", "device1/t1", START_MS + at_s * 1000, phase, True, None, None)


def alarms(first_s: int, count: int) -> ScoreReceipt:
    cells = bytes((ALARMING,)) * count
    first = START_MS // 1000 + first_s
    return ScoreReceipt("line", HASH, HASH, 1, 2, 1000, ((first, count),), (9.0,) * count, cells, HASH, (1, 5))


@pytest.fixture
def log() -> JudgedLog:
    made = JudgedLog()
    plant = Plant(made, Random(4))
    for _ in range(60):
        plant.batch()
    return made


def learned(log: JudgedLog, from_s: int = 60, to_s: int = 280) -> TrainingSet:
    return gather(log, log.size, plan(), "line", START_MS + from_s * 1000, START_MS + to_s * 1000, SILENT)


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


def test_what_a_person_calls_normal_is_learned_after_all(log: JudgedLog) -> None:
    seq = say(log, finding(150, 0))
    say(log, finding(160, 1))
    say(log, alarms(151, 5))
    assert 155 not in seconds(learned(log))
    say(log, LabelBody("line", HASH, seq, START_MS + 150_000, START_MS + 150_000, "normal", "anna"))
    assert seconds(learned(log)) == set(range(61, 281))
    say(log, LabelBody("line", HASH, seq, START_MS + 150_000, START_MS + 150_000, "not_normal", "bert"))
    assert 155 not in seconds(learned(log)), "the newest label counts"


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
