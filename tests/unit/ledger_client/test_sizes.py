"""How small batches are, all in: the bars of docs/verification.md, on generated sets that repeat to the byte."""

from __future__ import annotations

import pytest

from benchmarks.ledger_sets import bytes_per_reading, sets

SETS = {one.name: one for one in sets(None)}


BARS = {"decimal_generated": (2.4, 1.8), "float32": (3.3, 2.7), "tags1000": (4.0, 1.7)}


@pytest.mark.parametrize("name", BARS)
def test_a_reading_takes_few_bytes(name: str) -> None:
    assert bytes_per_reading(SETS[name], 600) <= BARS[name][0]
    assert bytes_per_reading(SETS[name], 6000) <= BARS[name][1]
