"""The strict CBOR of this room: what goes in comes out, everything that is not the one encoding stays outside."""

from __future__ import annotations

import random

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import canonical
from tests.rigs.mutations import mutated

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=30)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def depth(value: object) -> int:
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, list | dict) else 0


@given(VALUES)
def test_values_come_back(value: object) -> None:
    data = canonical.encode(value)
    if depth(value) <= canonical.DEPTH_MAX:
        assert canonical.encode(canonical.decode(data, size_max=1 << 16)) == data
    else:
        with pytest.raises(canonical.CanonicalError, match="deep"):
            canonical.decode(data, size_max=1 << 16)


@given(VALUES, st.randoms(use_true_random=False))
def test_what_is_accepted_is_the_one_encoding(value: object, rng: random.Random) -> None:
    bent = mutated(rng, canonical.encode(value))
    try:
        found = canonical.decode(bent, size_max=1 << 16)
    except canonical.CanonicalError:
        return
    assert cbor2.dumps(found, canonical=True) == bent


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytes.fromhex("1817"), id="long form of a small number"),
        pytest.param(bytes.fromhex("fb3ff0000000000000"), id="long form of 1.0"),
        pytest.param(bytes.fromhex("f97e00"), id="not a number"),
        pytest.param(bytes.fromhex("f97c00"), id="infinity"),
        pytest.param(bytes.fromhex("9f01ff"), id="indefinite"),
        pytest.param(bytes.fromhex("c11a00000000"), id="a date"),
        pytest.param(bytes.fromhex("d8236161"), id="a pattern"),
        pytest.param(bytes.fromhex("a10101"), id="a key that is no text"),
        pytest.param(bytes.fromhex("a2616101616102"), id="a key twice"),
        pytest.param(bytes.fromhex("a2616201616101"), id="keys out of order"),
        pytest.param(bytes.fromhex("9bffffffffffffffff"), id="an array larger than memory"),
        pytest.param(bytes.fromhex("bbffffffffffffffff"), id="a map larger than memory"),
        pytest.param(bytes.fromhex("5bffffffffffffffff"), id="bytes larger than memory"),
        pytest.param(bytes.fromhex("61ff"), id="text that is none"),
        pytest.param(bytes.fromhex("0101"), id="something behind"),
        pytest.param(b"\x81" * 5000, id="nested for ever"),
        pytest.param(b"", id="nothing"),
        pytest.param(bytes.fromhex("f7"), id="undefined"),
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(canonical.CanonicalError):
        canonical.decode(data, size_max=1 << 16)
