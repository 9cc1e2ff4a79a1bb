"""Verifier keys as text: every kind reads back, and nothing but the one form is accepted."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.errors import FormatError
from ledger_client.keys import FileKey, from_spki
from ledger_client.note import SIG_COSIGNATURE, SIG_ECDSA, device_note_key, note_key, parse_vkey
from tests.rigs.small_log import key_of

ES256 = FileKey(ec.derive_private_key(7, ec.SECP256R1()))
KEYS = [
    device_note_key("witnessmark.example/line-4/1", key_of(1).public),
    device_note_key("witnessmark.example/line-5/1", ES256.public),
    note_key("witness.example/w1", SIG_COSIGNATURE, key_of(2).public),
]


def spki(key, form: serialization.Encoding = serialization.Encoding.DER) -> bytes:
    return key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("key", KEYS)
def test_every_kind_reads_back(key):
    assert parse_vkey(key.vkey) == key


@given(st.sampled_from(KEYS), st.data())
def test_no_other_text_reads_as_a_key(key, data):
    text = list(key.vkey)
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    changed = "".join(text)
    try:
        found = parse_vkey(changed)
    except FormatError:
        return
    assert found.vkey == changed
    # The id of a P-256 key does not bind the name, by the format; the key itself it does.
    assert found == key or (key.type == SIG_ECDSA and found.key == key.key)


def test_other_keys_are_refused():
    compressed = (
        ec.derive_private_key(7, ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    )
    good = ES256.public.spki()
    for raw in (
        b"",
        good[:-1],
        good + b"\x00",
        spki(ec.derive_private_key(7, ec.SECP384R1())),
        spki(rsa.generate_private_key(65537, 2048)),
        good[:25] + b"\x22\x00" + compressed,
    ):
        with pytest.raises(FormatError):
            from_spki(raw)
    assert from_spki(good) == ES256.public
    assert KEYS[1].type == SIG_ECDSA
