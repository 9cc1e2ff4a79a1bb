"""Cleaning and derived values: what each step changes, that it is counted, and that the readings stay as they were."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clean import Cleaning
from models.derived import Rates, ratios
from models.input_plan import InputPlan, Ratio, TagInput
from models.input_stream import InputStream
from models.runs import Runs

NAN = float("nan")


def cleaned(tag: TagInput, column: list[float], grid_ms: int = 1000) -> tuple[list[float], Cleaning]:
    cleaning = Cleaning(InputPlan(tags=(tag,), grid_ms=grid_ms, window=2))
    raw = np.array(column)[:, None]
    kept = raw.copy()
    values = cleaning.take(raw)[:, 0]
    assert np.array_equal(raw, kept, equal_nan=True)  # a view, never a replacement
    return [float(v) for v in values], cleaning


def same(a: list[float], b: list[float]) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def test_beyond_engineering_limits_is_missing() -> None:
    values, cleaning = cleaned(TagInput(1, "a", low=0.0, high=10.0), [0.0, -0.1, 10.0, 10.1, NAN, 5.0])
    assert same(values, [0.0, NAN, 10.0, NAN, NAN, 5.0])
    assert cleaning.changed.out_of_range.tolist() == [2]


def test_a_spike_becomes_the_middle_and_a_step_comes_through() -> None:
    values, cleaning = cleaned(TagInput(1, "a", spike=3.0), [1.0, 1.1, 9.0, 1.2, 1.0, 9.0, 9.1, 9.0, NAN, 1.0, 1.0])
    assert same(values, [1.0, 1.1, 1.1, 1.2, 1.0, 1.2, 9.1, 9.0, NAN, 1.0, 1.0])
    assert cleaning.changed.spikes.tolist() == [2]


def test_small_changes_are_no_spikes() -> None:
    column = [1.0, 3.9, 1.0, 2.0, 4.9]
    values, cleaning = cleaned(TagInput(1, "a", spike=3.0), column)
    assert values == column
    assert cleaning.changed.spikes.tolist() == [0]


@pytest.mark.parametrize("grid_ms", [500, 1000])
def test_what_stands_too_long_is_missing_until_it_moves(grid_ms: int) -> None:
    cells = 3000 // grid_ms
    values, cleaning = cleaned(TagInput(1, "a", stuck_ms=3000), [1.0] * (cells + 2) + [2.0, 2.0], grid_ms)
    assert same(values, [1.0] * cells + [NAN, NAN, 2.0, 2.0])
    assert cleaning.changed.stuck.tolist() == [2]


def test_without_limits_nothing_changes() -> None:
    column = [1.0, 1e99, -1e99, NAN, 1.0, 1.0]
    assert same(cleaned(TagInput(1, "a"), column)[0], column)


def test_rates_of_a_counter_across_roll_over_and_reset() -> None:
    counter = TagInput(1, "made", role="counter", counter_max=65_535.0)
    values, cleaning = cleaned(counter, [65_530.0, 65_534.0, 2.0, 2.0, NAN, 9.0, 11.0, 5.0, 6.0])
    assert same(values, [NAN, 4.0, 4.0, 0.0, NAN, NAN, 2.0, NAN, 1.0])
    assert cleaning.changed.resets.tolist() == [1]


def test_a_counter_without_a_known_range_never_rolls_over() -> None:
    values, cleaning = cleaned(TagInput(1, "kWh", role="counter"), [10.0, 11.5, 0.5, 1.0], grid_ms=500)
    assert same(values, [NAN, 3.0, NAN, 1.0])
    assert cleaning.changed.resets.tolist() == [1]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(0, 255))
@settings(max_examples=settings.default.max_examples // 6)
def test_a_counter_that_rolls_over_gives_back_its_growth(growth: list[int], start: int) -> None:
    total = np.cumsum([start, *growth])
    rates = Rates([TagInput(1, "n", role="counter", counter_max=255.0)], 1000)
    found = rates.take((total % 256).astype(float)[:, None])[1:, 0]
    assert found.tolist() == growth
    assert rates.resets.tolist() == [0]


def test_energy_per_unit_is_not_known_while_none_is_made() -> None:
    assert same(list(ratios(np.array([4.0, 4.0, 0.0]), np.array([2.0, 0.0, 0.0]))), [2.0, NAN, NAN])
    plan = InputPlan(
        tags=(TagInput(1, "kWh", role="counter"), TagInput(2, "made", role="counter")),
        window=4,
        ratios=(Ratio("energy_per_unit", "kWh", 1, 2),),
    )
    stream = InputStream(plan)
    for cell in range(12):
        stream.take(0, cell * 1000, 0.5 * cell)
        stream.take(1, cell * 1000, float(min(cell, 6) * 2))
    found = [None if r.features is None else float(r.features[-1]) for r in stream.close(11_000)]
    assert found[4:7] == [0.25, 0.25, 0.25]  # half a kWh for two
    assert found[7] == pytest.approx(1 / 3)
    assert found[9] == pytest.approx(1.0)
    assert found[10] is not None
    assert np.isnan(found[10])


def test_running_share_and_time_in_state() -> None:
    tag = TagInput(1, "mode", role="state", hold_ms=1000, running=(6.0, 11.0))
    stream = InputStream(InputPlan(tags=(tag,), window=4, features=("running_share", "time_in_state"), grid_ms=500))
    for cell, mode in enumerate([6, 6, 6, 6, 6, 2, 2, 11, 11, 11]):
        stream.take(0, cell * 500, float(mode))
    rows = [r.features.tolist() for r in stream.close(4500) if r.features is not None]
    assert rows == [[1.0, 2.0], [1.0, 2.0], [0.75, 0.5], [0.5, 1.0], [0.5, 0.5], [0.5, 1.0], [0.75, 1.5]]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9), st.integers(1, 12))
def test_runs_are_counted_across_pieces(holds: list[bool], piece: int, most: int) -> None:
    runs, found, now = Runs(1, most), [], 0
    for at in range(0, len(holds), piece):
        found += runs.take(np.array(holds[at : at + piece])[:, None])[:, 0].tolist()
    for hold, length in zip(holds, found, strict=True):
        now = now + 1 if hold else 0
        assert length == min(now, most)


def test_cleaning_in_pieces_is_cleaning_at_once() -> None:
    tags = (TagInput(1, "a", low=-2.0, spike=1.0, stuck_ms=4000), TagInput(2, "n", role="counter", counter_max=9.0))
    plan = InputPlan(tags=tags, window=2)
    rng = np.random.default_rng(8)
    raw = np.column_stack((rng.integers(-3, 4, 400) * (rng.random(400) < 0.7), rng.integers(0, 3, 400).cumsum() % 10)).astype(float)
    raw[rng.random(raw.shape) < 0.1] = np.nan
    whole, pieces = Cleaning(plan), Cleaning(plan)
    at_once = whole.take(raw)
    cuts = [0, *sorted(rng.integers(1, 400, 150).tolist()), 400]
    parts = [pieces.take(raw[a:b]) for a, b in itertools.pairwise(cuts) if a < b]
    assert np.concatenate(parts).tobytes() == at_once.tobytes()
    for name in ("out_of_range", "spikes", "stuck", "resets"):
        assert getattr(whole.changed, name).tolist() == getattr(pieces.changed, name).tolist()
        assert sum(getattr(whole.changed, name)) > 0 or name == "resets"
    assert dataclasses.fields(whole.changed)
