"""Entries: one encoding, one key, and no other bytes that pass for the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ledger_client import cbor
from ledger_client.entry import ENTRY_SIZE_MAX, Entry, Payload, assemble, parse, parse_payload, to_be_signed
from ledger_client.errors import FormatError
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.merkle import leaf_hash
from tests.rigs.mutations import mutated
from tests.rigs.small_log import key_of

ED, P256 = key_of(1), FileKey(ec.derive_private_key(7, ec.SECP256R1()))
H = bytes(range(32))
PAYLOAD = Payload(Kind.BATCH, 41, H, 2, 123_456, 1_700_000_000_000, 2, H, (1, 2, 3, 4, 0, 99, H, H, 1))


def entry_of(key: FileKey, payload: Payload = PAYLOAD) -> bytes:
    raw = payload.encode()
    return assemble(key.public, raw, key.sign(to_be_signed(key.public, raw)))


@pytest.mark.parametrize("key", [ED, P256])
def test_an_entry_reads_back_and_only_its_key_signed_it(key: FileKey) -> None:
    raw = entry_of(key)
    entry = parse(raw)
    assert entry.payload == PAYLOAD
    assert (entry.seq, entry.hash, entry.leaf) == (41, sha256(raw).digest(), leaf_hash(raw))
    assert entry.verify_signature(key.public)
    for other in (ED, P256, key_of(2)):
        assert entry.verify_signature(other.public) == (other is key)


def test_an_entry_is_the_published_cose_sign1() -> None:
    raw = entry_of(ED)
    outer = cbor2.loads(raw)
    protected, unprotected, payload, signature = outer.value
    assert outer.tag == 18
    assert unprotected == {}
    assert cbor2.loads(protected) == {1: -19, 4: sha256(ED.public.cose).digest()[:8]}
    assert ED.public.verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    assert cbor2.loads(payload)[:9] == [1, 1, 41, H, 2, 123_456, 1_700_000_000_000, 2, H]
    assert len(raw) <= 300


def test_every_bit_flip_is_refused_or_unsigned() -> None:
    raw = entry_of(ED)
    for bit in range(8 * len(raw)):
        bent = bytearray(raw)
        bent[bit >> 3] ^= 1 << (bit & 7)
        assert not passes(bytes(bent))


def test_mutated_entries_are_refused_or_unsigned(count: Callable[[int, int, int], int], seed: int) -> None:
    rng = random.Random(seed)
    raws = [entry_of(ED), entry_of(ED, replace(PAYLOAD, kind=200, detail=(1, (2, ("x",))))), entry_of(ED, replace(PAYLOAD, seen=None))]
    for _ in range(count(300, 20_000, 200_000)):
        raw = rng.choice(raws)
        bent = mutated(rng, raw)
        assert bent in raws or not passes(bent), bent.hex()


def passes(raw: bytes) -> bool:
    try:
        return parse(raw).verify_signature(ED.public)
    except FormatError:
        return False


def outer(protected: object, unprotected: object, payload: object, signature: object, tag: int = 18) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(tag, [protected, unprotected, payload, signature]), canonical=True)


HEADER = cbor.encode({1: -19, 4: ED.public.kid})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        entry_of(ED) + b"\0",
        entry_of(ED)[1:],
        outer(HEADER, {}, PAYLOAD.encode(), bytes(64), tag=98),
        outer(HEADER, {4: b"x"}, PAYLOAD.encode(), bytes(64)),
        outer(HEADER, [], PAYLOAD.encode(), bytes(64)),
        outer(HEADER, {}, None, bytes(64)),
        outer(HEADER, {}, PAYLOAD.encode(), bytes(63)),
        outer(cbor.encode({1: -8, 4: ED.public.kid}), {}, PAYLOAD.encode(), bytes(64)),
        outer(cbor.encode({1: -19}), {}, PAYLOAD.encode(), bytes(64)),
        outer(cbor.encode({1: -19, 4: bytes(9)}), {}, PAYLOAD.encode(), bytes(64)),
        outer(cbor.encode({1: -19, 4: ED.public.kid, 5: b""}), {}, PAYLOAD.encode(), bytes(64)),
        outer(b"", {}, PAYLOAD.encode(), bytes(64)),
        outer(HEADER, {}, PAYLOAD.encode(), bytes(ENTRY_SIZE_MAX)),
    ],
)
def test_other_envelopes_are_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        parse(raw)


def test_the_algorithm_in_the_header_must_be_the_keys() -> None:
    raw = PAYLOAD.encode()
    header = cbor.encode({1: -9, 4: ED.public.kid})
    signature = ED.sign(cbor.encode(["Signature1", header, b"", raw]))
    entry = parse(outer(header, {}, raw, signature))
    assert not entry.verify_signature(ED.public)
    assert not Entry(entry.raw, -19, P256.public.kid, PAYLOAD, raw, signature).verify_signature(ED.public)


ROW = [1, 9, 41, H, 2, 5, 6, 2, None, ["bye"]]


def test_every_place_of_a_payload_is_checked() -> None:
    assert parse_payload(cbor.encode(ROW)).detail == ("bye",)
    spoilt = {
        0: (0, 2, True),
        1: (-1, 13, True),
        2: (-1, 1 << 63),
        3: (bytes(31), None),
        4: (-1,),
        5: (-1, 1.5),
        6: (1 << 63, None),
        7: (5, -1),
    }
    spoilt |= {8: (b"", 0, bytes(33)), 9: (None, [], {}, [5])}
    for place, values in spoilt.items():
        for value in values:
            with pytest.raises(FormatError):
                parse_payload(cbor.encode([*ROW[:place], value, *ROW[place + 1 :]]))
    for row in (ROW[:-1], [*ROW, 1], {}, 5):
        with pytest.raises(FormatError):
            parse_payload(cbor.encode(row))


def test_an_entry_too_long_for_a_leaf_is_not_made() -> None:
    payload = replace(PAYLOAD, kind=Kind.GAP, detail=tuple((1, 0, 9, "x" * 4000, 1) for _ in range(17)))
    with pytest.raises(FormatError, match="entry_too_long"):
        entry_of(ED, payload)
