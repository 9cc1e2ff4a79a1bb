"""Templates are named for units that answer as they recorded, and SunSpec models are walked, whatever a unit holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.sunspec import marker, models_max, models_of, templates
from drivers.templates.library import Library
from drivers.templates.likeness import like, samples
from drivers.templates.trial import registers_of

METERS = ("em24", "iem3155", "pac2200", "sdm120", "sdm630")


class Holding:
    """A unit that has these registers and counts what it is asked."""

    def __init__(self, held: Mapping[tuple[str, int], int]) -> None:
        self.held, self.asked = held, 0

    async def fetch(self, table: str, start: int, count: int) -> dict[int, int]:
        self.asked += 1
        assert 0 <= start < 0x10000
        return {at: self.held[table, at] for at in range(start, start + count) if (table, at) in self.held}


@pytest.mark.parametrize("name", METERS)
def test_a_meter_is_like_its_own_template(name: str) -> None:
    unit = Holding(registers_of(Library().find(name).template.recorded[0].frames))
    found = asyncio.run(like(unit.fetch))
    assert found[0][0] == name or found[0][1] == len(samples()[name])
    assert name in dict(found)
    assert unit.asked <= 40


def test_zeros_and_counters_are_like_nothing() -> None:
    for word in (lambda at: 0, lambda at: at & 0xFFFF, lambda at: 0xFFFF):
        held = {(table, at): word(at) for table in ("holding", "input") for at in range(0x10000)}
        assert asyncio.run(like(Holding(held).fetch)) == []


@pytest.mark.parametrize("base", [0, 40000, 50000])
def test_sunspec_models_are_found_where_they_stand(base: int) -> None:
    words = [*marker, 1, 4, 0, 0, 0, 0, 203, 2, 0, 0, 0xFFFF, 0]
    unit = Holding({("holding", base + at): word for at, word in enumerate(words)})
    assert asyncio.run(models_of(unit.fetch)) == [(1, base + 2), (203, base + 8)]


@given(st.lists(st.integers(0, 0xFFFF), max_size=60), st.sampled_from([0, 1, 70]))
def test_a_map_that_goes_nowhere_ends(words: list[int], length: int) -> None:
    held = {("holding", at): length for at in range(0x10000)} | {("holding", 40000 + at): word for at, word in enumerate((*marker, *words))}
    unit = Holding(held)
    assert len(asyncio.run(models_of(unit.fetch))) <= models_max
    assert unit.asked <= models_max + 4


def test_models_name_templates_that_there_are() -> None:
    for name in set(templates.values()):
        assert "base" in Library().find(name).template.parameters
