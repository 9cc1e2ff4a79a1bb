"""Two points make a scaling: exact, with the round scale that a device probably uses, and with what speaks against it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.option_error import OptionError
from drivers.scaling import Scaling
from runtime.commissioning.two_points import scaling_of

RAW = st.integers(-0x8000, 0xFFFF)
DECIMAL = st.decimals(min_value=-10_000, max_value=10_000, places=3).map(float)


@given(RAW, DECIMAL, RAW, DECIMAL)
def test_the_scaling_goes_through_both_points(raw1: int, value1: float, raw2: int, value2: float) -> None:
    assume(raw1 != raw2 and value1 != value2)
    found = scaling_of([(raw1, value1), (raw2, value2)])
    scaling = Scaling(found["scale"], found["offset"])
    for raw, value in ((raw1, value1), (raw2, value2)):
        assert scaling.apply(raw) == pytest.approx(value, rel=1e-9, abs=1e-6)


def test_a_4_to_20_ma_scale() -> None:
    found = scaling_of([(4000, 0.0), (20000, 10.0)])
    assert (found["scale"], found["offset"]) == (0.000625, -2.5)
    assert found["hints"] == []


def test_a_display_that_rounds_still_shows_the_round_scale() -> None:
    found = scaling_of([(2303, 230.0), (1151, 115.0)])
    assert (found["round_scale"], found["round_offset"]) == (0.1, 0.0)
    assert found["scale"] != 0.1


def test_points_that_lie_together_and_a_third_that_misses_are_said() -> None:
    assert scaling_of([(1000, 10.0), (1001, 10.1)])["hints"] == ["near"]
    assert scaling_of([(0, 0.0), (1000, 10.0), (500, 9.0)])["hints"] == ["misses"]
    assert scaling_of([(0, 0.0), (1000, 10.0), (500, 5.0)])["hints"] == []


@pytest.mark.parametrize(
    ("points", "code"),
    [
        ([(1.0, 2.0)], "two_points_number"),
        ([(1.0, 2.0), (1.0, 3.0)], "two_points_same"),
        ([(1.0, 2.0), (2.0, 2.0)], "two_points_flat"),
        ([(1.0, float("nan")), (2.0, 2.0)], "two_points_number"),
        ([(0.0, 0.0), (1e308, 1e-308)], "two_points_number"),
    ],
)
def test_what_makes_no_line_is_refused(points: list[tuple[float, float]], code: str) -> None:
    with pytest.raises(OptionError) as caught:
        scaling_of(points)
    assert caught.value.code == code
