"""Rows of a machine that nobody here has seen: a few causes that move many tags, noise, drift where it is asked for.

Room: tests.
"""

from __future__ import annotations

import numpy as np

from models.input_plan import InputPlan, TagInput
from models.input_stream import Rows, rows_of

WINDOW = 20


def plan(tags: int = 6, window: int = WINDOW) -> InputPlan:
    """Return a plan of levels, one reading a second."""
    return InputPlan(tags=tuple(TagInput(uid=n + 1, name=f"machine/tag{n}") for n in range(tags)), window=window)


def readings(seed: int, seconds: int, tags: int = 6, drift: float = 0.0) -> np.ndarray:
    """Return values (seconds, tags): two slow causes, each tag its own mix of them and its own noise.

    `drift`: how far the first tag goes away from where it was, faster and faster.
    """
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(7).normal(0, 1, (2, tags))
    time = np.arange(seconds)
    phase = rng.uniform(0, 6.28, 2)
    causes = np.column_stack([np.sin(time / 40 + phase[0]), np.sin(time / 17 + phase[1])])
    values = 50 + causes @ mix + rng.normal(0, 0.3, (seconds, tags))
    values[:, 0] += drift * (time / seconds) ** 4
    return values


def rows(asked: InputPlan, values: np.ndarray, first_s: int = 1_700_000_000) -> Rows:
    """Return the rows that the product's stream makes of the values."""
    count = values.shape[1]
    time_ms = (first_s + np.arange(len(values))) * 1000
    return rows_of(asked, np.tile(np.arange(count), len(values)), np.repeat(time_ms, count), values.ravel(), int(time_ms[-1]))
