"""Equal is not the same: 1, 1.0 and true are one value to Python and three to the format."""

from __future__ import annotations

from typing import Any

import pytest

from ledger_client import cbor
from ledger_client.entry import parse, to_be_signed
from ledger_client.errors import FormatError
from ledger_client.keys import from_cose
from ledger_client.leaf import tail_of, tails_of
from ledger_client.sealed_file import bundle_of
from tests.rigs.small_log import SmallLog, key_of


@pytest.mark.parametrize("version", [1.0, True, 2])
def test_the_version_of_a_bundle_is_an_int(version: Any) -> None:
    with pytest.raises(FormatError):
        bundle_of(cbor.encode([version, 0]), fields=2, version=1, size_max=99, what="proof")


@pytest.mark.parametrize("change", [{1: -19.0}, {True: -19}, {1.0: -19}])
def test_no_other_bytes_of_an_entry_carry_its_signature(change: dict[Any, Any]) -> None:
    """The signature is made over the canonical header: another spelling of it must not pass for the signed entry."""
    key = key_of(1).public
    raw = SmallLog().grow(1).entries[0]
    header = cbor.encode({1: -19, 4: key.kid})
    other = cbor.encode({**change, 4: key.kid})
    with pytest.raises(FormatError, match="entry_header"):
        parse(b"\xd2\x84" + cbor.encode(other) + raw[2 + len(cbor.encode(header)) :])
    assert parse(raw).verify_signature(key)
    assert header in to_be_signed(key, b"")


@pytest.mark.parametrize("change", [{1: 1.0}, {1: True}, {3: -19.0}, {-1: 6.0}])
def test_a_cose_key_has_one_spelling(change: dict[int, Any]) -> None:
    raw = key_of(1).public.raw
    assert from_cose(cbor.encode({1: 1, 3: -19, -1: 6, -2: raw})).raw == raw
    with pytest.raises(FormatError):
        from_cose(cbor.encode({1: 1, 3: -19, -1: 6, -2: raw, **change}))


def test_tails_of_mixed_values_are_those_of_each() -> None:
    values = ["a", 1, True, 1.0, None, "a", "1", -0.0, "b", 2**63]
    assert tails_of(values) == [tail_of(value) for value in values]
