"""How small batches are, all in: the bars of docs/verification.md, on generated sets that repeat to the byte."""

from __future__ import annotations

import pytest

from benchmarks.ledger_sets import bytes_per_reading, sets

SETS = {one.name: one for one in sets(None)}


@pytest.mark.parametrize(
    ("name", "readings", "most"),
    [("decimal_generated", 600, 2.4), ("decimal_generated", 6000, 1.8), ("float32", 600, 3.3), ("float32", 6000, 2.7), ("tags1000", 600, 4.0),
     ("tags1000", 6000, 1.7)],
)  # fmt: skip
def test_a_reading_takes_few_bytes(name: str, readings: int, most: float) -> None:
    assert bytes_per_reading(SETS[name], readings) <= most
