"""The strict gate: one value has one encoding, and everything else stays outside, in bounded time."""

from __future__ import annotations

import time

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.errors import FormatError

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=20)
    | st.text(max_size=10)
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)


def depth(value: object) -> int:
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(values)
def test_values_come_back(value: object) -> None:
    data = cbor.encode(value)
    if depth(value) <= cbor.DEPTH_MAX:
        assert cbor.encode(cbor.decode(data, size_max=1 << 16, what="x")) == data
    else:
        with pytest.raises(FormatError, match="too_deep"):
            cbor.decode(data, size_max=1 << 16, what="x")


@given(st.binary(max_size=60))
def test_what_is_accepted_is_its_own_encoding(data: bytes) -> None:
    try:
        value = cbor.decode(data, size_max=60, what="x")
    except FormatError:
        return
    assert cbor2.dumps(value, canonical=True) == data


@pytest.mark.parametrize(
    "data",
    [
        "", "1800", "1900ff", "1a0000ffff", "1b00000000ffffffff", "5f4101ff", "9f01ff", "bf0101ff", "0000", "810100", "a201010102",
        "c249ffffffffffffffffff01", "fb3ff0000000000000", "fa3fc00000", "62c328", "1c", "ff", "9bffffffffffffffff", "5bffffffffffffffff00",
        "a1", "d8", "f818", "d9d9f700", "c074323031332d30332d32315432303a30343a30305a", "c482201901", "c5821b7fffffffffffffff01",
        "d81c80", "d81d00", "d8236161", "d9010280",
    ],
)  # fmt: skip
def test_other_encodings_and_other_tags_are_refused(data: str) -> None:
    with pytest.raises(FormatError):
        cbor.decode(bytes.fromhex(data), size_max=100, what="x")


def test_size_is_checked_first_and_nesting_bombs_cost_nothing() -> None:
    with pytest.raises(FormatError, match="too_long"):
        cbor.decode(bytes(11), size_max=10, what="x")
    start = time.process_time()
    for bomb in (b"\x81" * 60_000 + b"\x00", b"\xd2" * 60_000 + b"\x00", b"\x9a\x00\xff\xff\xff" * 12_000, b"\xa1\x00" * 30_000):
        with pytest.raises(FormatError):
            cbor.decode(bomb, size_max=1 << 17, what="x")
    assert time.process_time() - start < 1


def test_many_values_and_large_maps_are_refused_before_anything_is_built() -> None:
    assert cbor.decode(cbor.encode([1, [2, 3]]), size_max=99, what="x", values_max=5) == [1, [2, 3]]
    with pytest.raises(FormatError, match="too many values"):
        cbor.decode(cbor.encode([1, [2, 3]]), size_max=99, what="x", values_max=4)
    assert cbor.decode(cbor.encode(dict.fromkeys(range(8), 0)), size_max=99, what="x") == dict.fromkeys(range(8), 0)
    with pytest.raises(FormatError, match="map"):
        cbor.decode(cbor.encode(dict.fromkeys(range(9), 0)), size_max=99, what="x")
