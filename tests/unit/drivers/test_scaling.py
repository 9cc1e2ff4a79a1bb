"""Scaling: decimal shifts are exact, everything else is linear, and a write inverts a read."""

from __future__ import annotations

from decimal import Decimal

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


def test_linear_scaling_with_offset() -> None:
    assert Scaling(0.5, -10.0).apply(44) == 12.0
    assert Scaling(0.5, -10.0).invert(12.0) == 44


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_useless_scales_are_refused(scale: float, offset: float) -> None:
    with pytest.raises(ValueError):
        Scaling(scale, offset)
