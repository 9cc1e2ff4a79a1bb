"""Sliding moments: exact sums as the oracle, exactly no spread where nothing moves, a cost that does not know the window's length."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import logarithm, window
from models.logarithm import natural_log
from models.window import SlidingMoments

VALUES = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6, allow_subnormal=False), st.sampled_from((0.0, 1.0, 1e6)))


def moments(width: int, first: int, values: np.ndarray, cuts: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feed in pieces; return count, mean, variance over all cells."""
    sliding, found, at = SlidingMoments(width, values.shape[1]), [], 0
    for end in [*sorted({c for c in cuts if 0 < c < len(values)}), len(values)]:
        made = sliding.take(first + at, values[at:end])
        found.append([np.broadcast_to(part, made.mean.shape) for part in (made.number, made.mean, made.variance)])
        at = end
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def exact(values: list[float]) -> tuple[int, float, float]:
    present = [Fraction(v) for v in values if not math.isnan(v)]
    if not present:
        return 0, 0.0, 0.0
    mean = sum(present) / len(present)
    return len(present), float(mean), float(sum((v - mean) ** 2 for v in present) / len(present))


@given(st.integers(1, 7), st.integers(0, 50), st.lists(VALUES, min_size=1, max_size=40), st.lists(st.integers(1, 39), max_size=12))
@settings(max_examples=settings.default.max_examples // 3)
def test_moments_are_those_of_exact_sums(width: int, first: int, column: list[float], cuts: list[int]) -> None:
    values = np.array(column)[:, None]
    number, mean, variance = moments(width, first, values, cuts)
    for i in range(len(column)):
        expected = exact(column[max(0, i - width + 1) : i + 1])
        assert number[i, 0] == expected[0]
        spread = max(abs(v) for v in column if not math.isnan(v)) if expected[0] else 0
        assert mean[i, 0] == pytest.approx(expected[1], rel=1e-12, abs=1e-12 * spread + 1e-300)
        assert variance[i, 0] == pytest.approx(expected[2], rel=1e-9, abs=1e-12 * spread**2 + 1e-300)


@given(st.integers(1, 9), st.integers(0, 50), st.integers(2, 60), st.lists(st.integers(1, 59), max_size=30), st.integers(0, 2**32))
@settings(max_examples=settings.default.max_examples // 3)
def test_pieces_give_the_same_bits(width: int, first: int, cells: int, cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(20, 5, size=(cells, 3))
    values[rng.random(values.shape) < rng.choice((0.0, 0.05, 0.5))] = np.nan
    whole, pieces, single = (moments(width, first, values, c) for c in ([], cuts, list(range(cells))))
    for a, b, c in zip(whole, pieces, single, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


@given(st.integers(2, 9), st.integers(0, 40), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.sets(st.integers(0, 59)), st.integers(0, 29))
@settings(max_examples=settings.default.max_examples // 3)
def test_a_constant_window_has_exactly_no_spread(
    width: int, first: int, before: float, level: float, missing: set[int], step_at: int
) -> None:
    """Also after a step from any other level, and with cells missing."""
    column = np.array([before] * step_at + [level] * (60 - step_at))
    column[sorted(missing)] = np.nan
    number, mean, variance = moments(width, first, column[:, None], list(range(60)))
    for i in range(step_at + width - 1, 60):
        assert variance[i, 0] == 0.0
        assert mean[i, 0] == (level if number[i, 0] else 0.0)


def test_a_small_spread_at_a_high_level_loses_nothing() -> None:
    """Squares summed up from zero would leave no correct digit here."""
    rng = np.random.default_rng(3)
    column = 1e9 + np.round(rng.normal(size=4000) * 64) / 64  # exact in a double
    _, _, variance = moments(60, 12345, column[:, None], [])
    expected = [exact(list(column[i - 59 : i + 1]))[2] for i in range(59, 4000, 97)]
    np.testing.assert_allclose(variance[59::97, 0], expected, rtol=1e-12)


def test_what_left_the_window_leaves_no_trace() -> None:
    column = np.full(200, 3.0)
    column[40:43] = (1e99, -1e99, 1e50)
    _, mean, variance = moments(10, 7, column[:, None], list(range(200)))
    assert (mean[60:] == 3.0).all()
    assert (variance[60:] == 0.0).all()


# ------------------------------------------------------------------------------------------------------------------------- cost
class Counting:
    """numpy with a tally of the elements that its functions give: what a stream costs, without a clock."""

    def __init__(self, real: Any) -> None:
        self.real, self.elements = real, [0]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if not callable(found) or isinstance(found, type):
            return found
        return Counted(found, self.elements)


class Counted:
    def __init__(self, function: Any, elements: list[int]) -> None:
        self.function, self.elements = function, elements

    def __call__(self, *args: Any, **more: Any) -> Any:
        result = self.function(*args, **more)
        self.elements[0] += sum(np.size(part) for part in (result if isinstance(result, tuple) else (result,)))
        return result

    def __getattr__(self, name: str) -> Any:  # ufunc methods
        return Counted(getattr(self.function, name), self.elements)


@pytest.mark.parametrize("share_missing", [0.0, 0.1])
def test_the_cost_of_a_sample_does_not_grow_with_the_window(monkeypatch: pytest.MonkeyPatch, share_missing: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1200, 4))
    values[rng.random(values.shape) < share_missing] = np.nan
    cost = {}
    for width in (10, 400):
        sliding, numpy = SlidingMoments(width, 4), Counting(np)
        monkeypatch.setattr(window, "np", numpy)
        for cell in range(1200):
            sliding.take(cell, values[cell : cell + 1])
        monkeypatch.setattr(window, "np", np)
        cost[width] = numpy.elements[0] / 1200
    assert cost[10] > 20  # it did count
    assert cost[400] < 1.2 * cost[10]


# -------------------------------------------------------------------------------------------------------------------- logarithm
def test_the_logarithm_is_right() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([np.exp(rng.uniform(-200, 200, 4000)), 1 + rng.uniform(-1e-3, 1e-3, 999), [5e-324, 1e-3, 1.0, 1.7e308]])
    found = natural_log(x[None])[0]
    np.testing.assert_allclose(found, [math.log(v) for v in x], rtol=0, atol=3e-11)


def test_the_logarithm_is_the_same_everywhere() -> None:
    """Python's floats round each operation as IEEE 754 says; the same steps on them give the same bits as numpy's vectors."""
    rng = np.random.default_rng(4)
    x = np.exp(rng.uniform(-50, 50, (37, 11)))
    numerator, denominator = ([float(c) for c in p] for p in (logarithm.NUMERATOR, logarithm.DENOMINATOR))
    for value, found in zip(x.ravel(), natural_log(x).ravel(), strict=True):
        mantissa, exponent = math.frexp(value)
        s = (mantissa - float(logarithm.CENTRE)) / (mantissa + float(logarithm.CENTRE))
        z = s * s
        over, under = ((z * p[0] + p[1]) * z + p[2] for p in (numerator, denominator))
        assert float(found) == s * (over / under) + (exponent - 0.5) * float(logarithm.LN2)
