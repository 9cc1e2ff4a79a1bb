"""Scaling: decimal shifts are exact, everything else is linear, and a write inverts a read."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.scaling import Scaling, decimal_places


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-6, 12))
def test_decimal_scaling_is_the_correctly_rounded_quotient(raw: int, places: int) -> None:
    value = Scaling(float(f"1e{-places}")).apply(raw)
    exact = Decimal(raw).scaleb(-places)
    assert value == (float(exact) if places > 0 else int(exact))
    assert isinstance(value, float if places > 0 else int)


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_inverting_a_decimal_scaling_gives_the_raw_number_back(raw: int, places: int) -> None:
    scaling = Scaling(float(f"1e{-places}"))
    assert scaling.invert(scaling.apply(raw)) == raw


@pytest.mark.parametrize(
    ("scale", "offset", "places"),
    [
        (0.1, 0.0, 1),
        (1.0, 0.0, 0),
        (100.0, 0.0, -2),
        (1e-6, 0.0, 6),
        (0.1, 1.0, None),
        (0.3, 0.0, None),
        (-0.1, 0.0, None),
        (1e30, 0.0, None),
    ],
)
def test_what_counts_as_decimal(scale: float, offset: float, places: int | None) -> None:
    assert decimal_places(scale, offset) == places


@given(
    st.integers(-(2**63), 2**64 - 1),
    st.decimals(-1000, 1000, places=4).filter(bool),
    st.decimals(-1000, 1000, places=3),
)
def test_every_decimal_scale_and_offset_is_exact_for_whole_numbers(raw: int, scale: Decimal, offset: Decimal) -> None:
    value = Scaling(float(scale), float(offset)).apply(raw)
    assert value == float(Fraction(raw) * Fraction(scale) + Fraction(offset))
    if abs(raw) < 2**40:
        assert Scaling(float(scale), float(offset)).invert(value) == pytest.approx(raw, rel=1e-9, abs=1e-6)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 63))
def test_fixed_point_is_exact(raw: int, bits: int) -> None:
    assert Scaling(2.0**-bits).apply(raw) == raw / 2**bits


def test_linear_scaling_with_offset() -> None:
    assert Scaling(0.5, -10.0).apply(44) == 12.0
    assert Scaling(0.5, -10.0).invert(12.0) == 44


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_useless_scales_are_refused(scale: float, offset: float) -> None:
    with pytest.raises(ValueError):
        Scaling(scale, offset)
