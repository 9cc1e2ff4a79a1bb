"""Slow drift: found where it is, named right, never made of noise; the same bits wherever the stream began."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.slow_residuals import BLOCK_CELLS, BLOCKS, LIMIT_MIN, Slow, SlowMeans, SlowResiduals, slow_limits

FEATURES = 6
MEAN_CELLS = BLOCK_CELLS * BLOCKS
FIRST = 1_750_000_021
"""No multiple of a block."""


def noise(seed: int, rows: int) -> np.ndarray:
    """Residuals of normal operation: each lasts some 15 cells, as a window's do."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(rows + 15, FEATURES))
    return np.lib.stride_tricks.sliding_window_view(raw, 15, axis=0).mean(axis=2)[:rows] * np.sqrt(15)


def cells(rows: int, first: int = FIRST) -> np.ndarray:
    return np.arange(first, first + rows, dtype=np.int64)


def watched(limits: tuple[float, ...], first: int, residuals: np.ndarray) -> list[Slow]:
    watch = SlowResiduals(limits)
    found = [watch.take(first + n, row) for n, row in enumerate(residuals)]
    return [each for each in found if each is not None]


def test_normal_operation_is_no_drift(seed: int) -> None:
    limits = slow_limits(cells(4 * 3600), noise(seed, 4 * 3600))
    assert len(limits) == FEATURES
    assert min(limits) >= LIMIT_MIN
    assert watched(limits, FIRST + 4 * 3600, noise(seed + 1, 4 * 3600)) == [], f"seed {seed}"


def test_a_drift_far_below_the_noise_of_a_row_is_found_and_named(seed: int) -> None:
    limits = slow_limits(cells(4 * 3600), noise(seed, 4 * 3600))
    rows = noise(seed + 1, 2 * 3600)
    rows[:, 3] += np.linspace(0, 2.4, len(rows))  # 0.02 spreads a minute
    rows[:, 4] -= np.linspace(0, 1.9, len(rows))  # a neighbour that it explains
    found = watched(limits, FIRST + 4 * 3600, rows)
    assert [each.feature for each in found] == [3], f"seed {seed}"
    assert found[0].cell < FIRST + 4 * 3600 + 2 * 3600
    assert found[0].mean > 0


def test_one_burst_is_no_drift(seed: int) -> None:
    limits = slow_limits(cells(4 * 3600), noise(seed, 4 * 3600))
    rows = noise(seed + 1, 3600)
    rows[1800:1830, 2] = 1e6
    assert watched(limits, FIRST + 4 * 3600, rows) == [], f"seed {seed}"


def test_too_little_commissioning_gives_no_limits() -> None:
    assert slow_limits(cells(3600), noise(1, 3600)) == ()


@given(st.integers(0, 60), st.integers(0, 2**32 - 1), st.floats(0, 0.08))
def test_the_same_bits_wherever_the_stream_began(late: int, seed: int, left_out: float) -> None:
    rows, kept = noise(seed, 150), np.random.default_rng(seed).random(150) >= left_out
    early, later = SlowMeans(FEATURES, 5, 4), SlowMeans(FEATURES, 5, 4)
    compared = 0
    for n, row in enumerate(rows):
        given = row if kept[n] else None
        one = early.take(FIRST + n, given)
        other = later.take(FIRST + n, given) if n >= late else None
        if n >= late + 5 * 4 + 5 and one is not None:
            assert other is not None
            assert one[0] == other[0]
            assert one[1].tobytes() == other[1].tobytes()
            compared += 1
    assert compared or left_out > 0.02


def test_what_abstained_for_long_is_forgotten() -> None:
    means = SlowMeans(FEATURES)
    for n in range(2 * MEAN_CELLS):
        means.take(n, np.ones(FEATURES))
    assert means.take(9 * MEAN_CELLS, np.ones(FEATURES)) is not None, "the block that ended was full"
    for n in range(9 * MEAN_CELLS + 1, 9 * MEAN_CELLS + 3 * BLOCK_CELLS):
        assert means.take(n, np.ones(FEATURES)) is None
