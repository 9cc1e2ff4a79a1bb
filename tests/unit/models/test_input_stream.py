"""Rows of features: the same bits in a stream, in a batch and from any start; missing is never zero; against a slow oracle.

Room: tests. The oracle below says cell by cell, with exact sums, what the docstrings promise, and shares no code with what it judges.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import ABSTAINED, FLOOR
from models.input_plan import Gate, InputPlan, TagInput
from models.input_stream import InputStream, Row, Rows, features_again, rows_of

Sample = tuple[int, int, float | None]

PLAN = InputPlan(
    tags=(
        TagInput(1, "temperature", hold_ms=3500, low=-50.0, high=150.0, spike=20.0),
        TagInput(2, "torque", hold_ms=2000, stuck_ms=5000),
        TagInput(3, "made", role="counter", hold_ms=4000, counter_max=255.0),
        TagInput(4, "mode", role="state", hold_ms=9000, running=(1.0,)),
    ),
    gates=(Gate(4, (1.0, 2.0), settle_ms=2500),),
    window=6,
    missing_share=0.34,
    features=("mean", "log_sd", "running_share", "time_in_state"),
)


def made_up(seed: int, length: int, longest_ms: int) -> list[Sample]:
    """Readings in order of time, of all tags, with bad ones, silences and values that no plant has."""
    dice = random.Random(seed)
    time_ms = 1_700_000_000_000 + dice.randrange(60_000)
    made: list[Sample] = []
    for _ in range(length):
        time_ms += dice.choice((0, dice.randint(0, longest_ms), dice.randint(0, longest_ms), dice.randint(0, 60_000)))
        tag = dice.randrange(4)
        usual = dice.randrange(256) if tag == 2 else dice.choice((1.0, 1.0, 1.0, 2.0, 3.0, -0.0)) if tag == 3 else dice.uniform(-60, 160)
        value = dice.choice((None, math.nan, math.inf, 1e300, 400.0)) if dice.random() < 0.1 else usual
        made.append((tag, time_ms, value))
    return made


def samples(longest_ms: int = 1800) -> st.SearchStrategy[list[Sample]]:
    """Of a seed, because drawing each number by itself takes longer than what is tested."""
    return st.builds(made_up, st.integers(0, 2**32), st.integers(0, 90), st.just(longest_ms))


def columns(given: list[Sample]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = [math.nan if v is None else float(v) for _, _, v in given]
    return np.array([t for t, _, _ in given], np.int64), np.array([t for _, t, _ in given], np.int64), np.array(values)


def streamed(plan: InputPlan, given: list[Sample], closes: list[int], until_ms: int) -> list[Row]:
    """Feed a stream, closing between readings wherever the ledger might have: never past the next reading."""
    stream, rows = InputStream(plan), []
    for k, (tag, time_ms, value) in enumerate(given):
        if closes and closes[k % len(closes)]:
            rows += stream.close(time_ms - closes[k % len(closes)])
        stream.take(tag, time_ms, value)
    rows += stream.close(until_ms)
    assert stream.late == 0
    return rows


def same(a: Row, b: Row) -> bool:
    features = (a.features is None) == (b.features is None) and (a.features is None or a.features.tobytes() == b.features.tobytes())
    return features and (a.cell, a.abstained) == (b.cell, b.abstained) and np.array_equal(a.values, b.values, equal_nan=True)


# ------------------------------------------------------------------------------------------------------------ same bits everywhere
@given(samples(), st.lists(st.sampled_from((0, 1, 700, 5000)), max_size=7))
@settings(max_examples=settings.default.max_examples // 6)
def test_stream_and_batch_give_the_same_bits(given: list[Sample], closes: list[int]) -> None:
    until_ms = (given[-1][1] if given else 1_700_000_000_000) + 40_000
    batch = rows_of(PLAN, *columns(given), until_ms).rows()
    stream = streamed(PLAN, given, closes, until_ms)
    assert len(batch) == len(stream)
    assert all(same(a, b) for a, b in zip(batch, stream, strict=True))
    assert [a.window_hash() for a in batch] == [b.window_hash() for b in stream]


@given(samples(longest_ms=400), st.integers(0, 60))
@settings(max_examples=settings.default.max_examples // 6)
def test_a_stream_begun_anywhere_agrees_once_its_memory_is_full(given: list[Sample], skipped: int) -> None:
    until_ms = (given[-1][1] if given else 1_700_000_000_000) + 40_000
    late = given[skipped:]
    if not late:
        return
    knows_from = late[0][1] // PLAN.grid_ms + PLAN.memory_cells
    whole = {row.cell: row for row in rows_of(PLAN, *columns(given), until_ms).rows() if row.cell >= knows_from}
    part = {row.cell: row for row in rows_of(PLAN, *columns(late), until_ms).rows() if row.cell >= knows_from}
    assert whole.keys() == part.keys()
    assert all(same(whole[cell], part[cell]) for cell in whole)


def test_windows_agree_after_two_windows_in_a_long_run() -> None:
    """The property above, with a thousand cells in it, so that it cannot pass for want of cells."""
    rng = np.random.default_rng(5)
    given = [(int(tag), 1_000_000 + 250 * k, float(rng.normal(20, 3)) if tag < 2 else 1.0) for k in range(4000) for tag in (k % 4,)]
    whole = {row.cell: row for row in rows_of(PLAN, *columns(given), 2_000_000).rows()}
    for skipped in (1, 57, 333):
        late = given[skipped:]
        first = late[0][1] // 1000 + 1 + 2 + 2 * PLAN.window  # every tag has reported again within the first second
        rows = [row for row in rows_of(PLAN, *columns(late), 2_000_000).rows() if row.cell >= first]
        assert len(rows) > 800
        assert all(same(row, whole[row.cell]) for row in rows)


@given(samples(), st.integers(0, 2**32))
@settings(max_examples=settings.default.max_examples // 6)
def test_the_order_of_readings_within_a_batch_does_not_matter(given: list[Sample], seed: int) -> None:
    given = list({(tag, time_ms): (tag, time_ms, v) for tag, time_ms, v in given}.values())
    shuffled = given[:]
    random.Random(seed).shuffle(shuffled)
    until_ms = (given[-1][1] if given else 0) + 20_000
    a, b = streamed(PLAN, given, [], until_ms), streamed(PLAN, shuffled, [], until_ms)
    assert [r.window_hash() for r in a] == [r.window_hash() for r in b]


# ----------------------------------------------------------------------------------------------------------------- the slow oracle
SIMPLE = InputPlan(tags=(TagInput(1, "a", hold_ms=2500, scale=2.0), TagInput(2, "b", hold_ms=1000)), window=5, missing_share=0.5)


def held(given: list[Sample], tag: int, end_ms: int, plan: InputPlan) -> float:
    known = [(t, k, v) for k, (i, t, v) in enumerate(given) if i == tag and t <= end_ms]
    if not known:
        return math.nan
    time_ms, _, value = max(known, key=lambda one: one[:2])
    usable = value is not None and math.isfinite(value) and abs(value) <= 1e100
    return float(value) if usable and end_ms - time_ms <= plan.tags[tag].hold_ms else math.nan


@given(samples())
@settings(max_examples=settings.default.max_examples // 6)
def test_against_the_oracle(given: list[Sample]) -> None:
    given = [(tag % 2, time_ms, value) for tag, time_ms, value in given]
    until_ms = (given[-1][1] if given else 0) + 20_000
    rows = {row.cell: row for row in rows_of(SIMPLE, *columns(given), until_ms).rows()}
    if not given:
        assert rows == {}
        return
    cells = range(given[0][1] // 1000, min(until_ms // 1000, given[0][1] // 1000 + 400) + 1)
    values = {cell: [held(given, tag, cell * 1000, SIMPLE) for tag in (0, 1)] for cell in cells}
    walked = 0
    for cell in cells:
        windows = [[values[c][tag] for c in range(cell - 4, cell + 1) if c in values] for tag in (0, 1)]
        seen = any(not math.isnan(v) for c in range(cell - 5, cell + 1) for v in values.get(c, ()))
        assert (cell in rows) is seen
        walked = walked + 1 if seen else 0
        if not seen:
            continue
        assert np.array_equal(rows[cell].values, values[cell], equal_nan=True)
        present = [[v for v in window if not math.isnan(v)] for window in windows]
        missing = [math.isnan(v) for v in values[cell]]
        thin = [gone or len(p) < 4 for gone, p in zip(missing, present, strict=True)]
        expected = "missing" if sum(missing) > 1 else "filling" if sum(thin) > 1 or walked < 5 else None
        assert rows[cell].abstained == expected
        if expected is None:
            wanted = [math.nan if t else math.fsum(p) / len(p) for t, p in zip(thin, present, strict=True)]
            wanted += [math.nan if t else log_sd(p, tag.scale) for t, p, tag in zip(thin, present, SIMPLE.tags, strict=True)]
            np.testing.assert_allclose(rows[cell].features, wanted, rtol=1e-9, atol=1e-9)


def log_sd(window: list[float], scale: float) -> float:
    mean = math.fsum(window) / len(window)
    return 0.5 * math.log(math.fsum((v - mean) ** 2 for v in window) / len(window) / scale**2 + FLOOR)


# ------------------------------------------------------------------------------------------------------------- what missing means
def one_tag(hold_ms: int = 3000, **more) -> InputPlan:
    return InputPlan(tags=(TagInput(1, "a", hold_ms=hold_ms, **more),), window=2)


def test_a_hold_ends_at_its_millisecond() -> None:
    for hold_ms, cells in ((2999, [1, 2]), (3000, [1, 2, 3]), (3001, [1, 2, 3])):
        stream = InputStream(one_tag(hold_ms))
        stream.take(0, 0, 7.0)
        rows = stream.close(60_000)
        assert [r.cell for r in rows if not math.isnan(r.values[0])] == [0, *cells]
        assert [r.cell for r in rows if math.isnan(r.values[0])] == [cells[-1] + 1, cells[-1] + 2]  # missing, not zero; then silence


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -math.inf, 1e101, 10**400])
def test_what_is_no_value_is_missing_from_then_on(bad: float | None) -> None:
    stream = InputStream(one_tag(hold_ms=60_000))
    stream.take(0, 1000, 7.0)
    stream.take(0, 3500, bad)
    rows = stream.close(6000)
    assert [float(r.values[0]) for r in rows[:3]] == [7.0, 7.0, 7.0]
    assert all(math.isnan(r.values[0]) and r.abstained == "missing" and r.features is None for r in rows[3:])


def test_zero_is_a_value() -> None:
    stream = InputStream(one_tag())
    stream.take(0, 0, 0.0)
    row = stream.close(1000)[1]
    assert row.abstained is None
    assert row.features is not None
    assert row.features[0] == 0


def test_cells_close_by_close_alone() -> None:
    stream = InputStream(one_tag())
    stream.take(0, 1000, 1.0)
    stream.take(0, 50_000, 2.0)
    assert stream.close(999) == []
    assert [r.cell for r in stream.close(2999)] == [1, 2]
    assert stream.close(2999) == []
    assert [r.cell for r in stream.close(3000)] == [3]


def test_a_late_reading_counts_from_the_next_cell_and_is_counted() -> None:
    stream = InputStream(one_tag())
    stream.take(0, 1000, 1.0)
    stream.close(3000)
    stream.take(0, 2500, 5.0)
    stream.take(0, 900, 9.0)  # older than what is known
    assert [float(r.values[0]) for r in stream.close(4000)] == [5.0]
    assert stream.late == 2


@pytest.mark.parametrize("time_ms", [10**30, -(10**30), 2**63, -(2**63), 2**62])
def test_a_time_that_no_clock_shows_is_left_out(time_ms: int) -> None:
    stream = InputStream(one_tag())
    stream.take(0, 1000, 1.0)
    stream.take(0, time_ms, 5.0)
    assert [float(r.values[0]) for r in stream.close(3000)] == [1.0, 1.0, 1.0]
    assert stream.late == 1
    assert len(stream.close(10**30)) == 3  # held for a second more, then missing, then silence
    if -(2**63) <= time_ms < 2**63:
        assert len(rows_of(one_tag(), *columns([(0, 1000, 1.0), (0, time_ms, 5.0)]), 3000)) == 3


def test_years_of_silence_cost_nothing() -> None:
    stream = InputStream(one_tag())
    stream.take(0, 0, 1.0)
    stream.take(0, 10 * 365 * 86_400_000, 2.0)
    rows = stream.close(20 * 365 * 86_400_000)  # 630 million cells
    assert len(rows) == 2 * (4 + 2)
    assert [r.abstained for r in rows[6:9]] == ["filling", None, None]  # the window begins anew


def test_a_counter_that_is_reported_seldom_has_no_rate_while_a_window_is_short() -> None:
    plan = InputPlan(
        tags=(TagInput(1, "kwh", role="counter", hold_ms=9000), TagInput(2, "a")), window=10, missing_share=0.6, features=("mean",)
    )
    stream = InputStream(plan)
    for cell in range(60):
        stream.take(1, cell * 1000, float(cell))
        if cell % 5 == 0:
            stream.take(0, cell * 1000, None if cell == 25 else cell / 10)
    rates = [row.features[0] for row in stream.close(59_000) if row.features is not None]
    known = [rate for rate in rates if not np.isnan(rate)]
    assert np.allclose(known, 0.1), "five cells hold one step or none; ten always hold two"
    assert 30 < len(known) < len(rates) - 10


def test_a_gate_counts_for_the_whole_window() -> None:
    plan = InputPlan(tags=(TagInput(1, "a"), TagInput(9, "mode", role="state")), gates=(Gate(9, (6.0,)),), window=3)
    stream = InputStream(plan)
    for cell in range(12):
        stream.take(0, cell * 1000, float(cell))
        stream.take(1, cell * 1000, 5.0 if cell == 5 else 6.0)
    why = [r.abstained for r in stream.close(11_000)]
    assert why == ["filling", "filling", None, None, None, "gate", "gate", "gate", None, None, None, None]


def test_a_gate_stays_shut_until_the_machine_has_settled_and_a_lost_reading_is_no_stop() -> None:
    gate = Gate(9, (6.0,), settle_ms=2500)
    plan = InputPlan(tags=(TagInput(1, "a"), TagInput(9, "mode", role="state", hold_ms=500)), gates=(gate,), window=3)
    stream = InputStream(plan)
    for cell in range(22):
        stream.take(0, cell * 1000, float(cell))
        if cell != 14:
            stream.take(1, cell * 1000, 5.0 if cell == 7 else 6.0)
    why = [r.abstained or "" for r in stream.close(21_000)]
    assert why == ["filling"] * 2 + ["gate"] * 3 + [""] * 2 + ["gate"] * 6 + [""] + ["gate"] * 3 + [""] * 5


def test_a_few_missing_tags_are_left_out_too_many_stop_it() -> None:
    plan = InputPlan(tags=tuple(TagInput(i, f"t{i}", hold_ms=1000) for i in range(5)), window=2, missing_share=0.2)
    stream = InputStream(plan)
    for cell in range(6):
        for tag in range(5 if cell < 3 else 4 if cell == 3 else 3):
            stream.take(tag, cell * 1000, 1.0)
    rows = stream.close(5000)
    assert [r.abstained for r in rows] == ["filling", None, None, None, None, "missing"]
    assert rows[4].features is not None
    assert np.isnan(rows[4].features).tolist() == [False] * 4 + [True] + [False] * 4 + [True]


def test_the_window_hash_is_as_documented() -> None:
    stream = InputStream(one_tag())
    stream.take(0, 5000, 3.0)
    row = stream.close(6000)[1]
    assert row.features is not None
    body = b"witnessmark-window-1" + struct.pack("<q", 6) + struct.pack("<2d", *row.features)
    assert row.window_hash() == hashlib.sha256(body).digest()
    missing = dataclasses.replace(row, features=None)
    assert missing.window_hash() == hashlib.sha256(body[:28]).digest()


@given(samples())
@settings(max_examples=settings.default.max_examples // 6)
def test_features_again_is_what_the_other_plan_gives(given: list[Sample]) -> None:
    until_ms = (given[-1][1] if given else 0) + 20_000
    tags = (dataclasses.replace(PLAN.tags[0], scale=7.5, spike=None), *PLAN.tags[1:])
    other = dataclasses.replace(PLAN, tags=tags)
    again = features_again(other, rows_of(PLAN, *columns(given), until_ms))
    straight = rows_of(other, *columns(given), until_ms)
    assert again.features.tobytes() == straight.features.tobytes()
    assert again.abstained.tobytes() == straight.abstained.tobytes()


def test_rows_and_row_say_the_same() -> None:
    rows: Rows = rows_of(PLAN, *columns([(0, 1000, 5.0), (1, 1500, 2.0)]), 9000)
    assert [ABSTAINED[a] or None for a in rows.abstained] == [r.abstained for r in rows.rows()]
    assert rows.usable.tolist() == [r.features is not None for r in rows.rows()]
