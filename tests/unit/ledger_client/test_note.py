"""Signed notes: what a known key signed, exactly that, or nothing. See test_vkey.py for keys as text."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ledger_client.errors import FormatError
from ledger_client.keys import FileKey
from ledger_client.note import (
    NOTE_SIZE_MAX,
    SIG_COSIGNATURE,
    Note,
    NoteKey,
    NoteSignature,
    b64,
    check_name,
    cosign,
    device_note_key,
    note_key,
    parse_note,
    parse_vkey,
    sign_note,
    unb64,
    verified_by,
)  # fmt: skip
from tests.rigs.small_log import key_of

ORIGIN = "witnessmark.example/line-4/1"
DEVICE, WITNESS, P256 = key_of(1), key_of(2), FileKey(ec.derive_private_key(7, ec.SECP256R1()))
DEVICE_KEY = device_note_key(ORIGIN, DEVICE.public)
WITNESS_KEY = note_key("witness.example/w1", SIG_COSIGNATURE, WITNESS.public)
TEXT = f"{ORIGIN}\n42\n{b64(bytes(32))}\n"
TIME_S = 1_700_000_000


def note_text() -> str:
    lines = (sign_note(TEXT, DEVICE_KEY, DEVICE.sign), cosign(TEXT, WITNESS_KEY, TIME_S, WITNESS.sign))
    return Note(TEXT, lines).encode()


def claims_of(text: str, keys: tuple[NoteKey, ...] = (DEVICE_KEY, WITNESS_KEY)) -> tuple[str, list[tuple[NoteKey, int | None]]] | None:
    """Return what a note makes us believe: its text and who signed it when."""
    try:
        note = parse_note(text)
        return note.text, verified_by(note, keys)
    except FormatError:
        return None


def test_a_note_says_who_signed_and_when() -> None:
    assert claims_of(note_text()) == (TEXT, [(DEVICE_KEY, None), (WITNESS_KEY, TIME_S)])
    assert claims_of(note_text(), (WITNESS_KEY,)) == (TEXT, [(WITNESS_KEY, TIME_S)])
    assert claims_of(note_text(), ()) == (TEXT, [])
    assert parse_note(note_text()).encode() == note_text()


def test_the_example_of_the_go_module_checksum_database_verifies() -> None:
    key = parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert verified_by(parse_note(text), [key]) == [(key, None)]


def strengthened(text: str) -> bool:
    """Whether a changed note makes us believe another text, another time or another signer."""
    found = claims_of(text)
    return found is not None and bool(found[1]) and (found[0] != TEXT or not set(found[1]) <= {(DEVICE_KEY, None), (WITNESS_KEY, TIME_S)})


def test_no_bit_flip_strengthens_a_note() -> None:
    raw = note_text().encode()
    for bit in range(8 * len(raw)):
        bent = bytearray(raw)
        bent[bit >> 3] ^= 1 << (bit & 7)
        try:
            text = bent.decode()
        except UnicodeDecodeError:
            continue
        assert not strengthened(text), text


def test_no_mutation_strengthens_a_note(count: Callable[[int, int, int], int], seed: int) -> None:
    rng = random.Random(seed)
    text = note_text()
    lines = text.splitlines(keepends=True)
    for _ in range(count(300, 20_000, 200_000)):
        if rng.random() < 0.3:
            bent = "".join(rng.choices(lines, k=rng.randint(1, 9)))
        else:
            at, end = sorted((rng.randrange(len(text)), rng.randrange(len(text))))
            bent = (
                text[:at]
                + rng.choice(("", "\n", "\n\n", "—", " ", "0", text[at:end] * 2, text[: at // 2]))
                + text[end if rng.random() < 0.3 else at :]
            )
        assert not strengthened(bent), bent


def test_a_cosignature_is_no_log_signature_and_the_other_way_round() -> None:
    as_log = note_key(WITNESS_KEY.name, 1, WITNESS.public)
    swapped = NoteSignature(as_log.name, as_log.id, cosign(TEXT, WITNESS_KEY, TIME_S, WITNESS.sign).signature)
    with pytest.raises(FormatError):
        verified_by(Note(TEXT, (swapped,)), [as_log])
    plain = NoteSignature(WITNESS_KEY.name, WITNESS_KEY.id, bytes(8) + WITNESS.sign(TEXT.encode()))
    with pytest.raises(FormatError):
        verified_by(Note(TEXT, (plain,)), [WITNESS_KEY])


def test_a_known_key_must_hold_once_and_an_unknown_one_is_passed_over() -> None:
    good, cosignature = parse_note(note_text()).signatures
    with pytest.raises(FormatError, match="note_signed_twice"):
        verified_by(Note(TEXT, (good, good)), [DEVICE_KEY])
    wrong = NoteSignature(good.name, good.id, bytes(64))
    with pytest.raises(FormatError, match="note_signature_invalid"):
        verified_by(Note(TEXT, (wrong, cosignature)), [DEVICE_KEY, WITNESS_KEY])
    stranger = NoteSignature(good.name, b"abcd", b"whatever")
    assert verified_by(Note(TEXT, (stranger, cosignature)), [DEVICE_KEY, WITNESS_KEY]) == [(WITNESS_KEY, TIME_S)]
    for time_s in (0, 1 << 62):
        late = cosign(TEXT, WITNESS_KEY, time_s, WITNESS.sign)
        with pytest.raises(FormatError):
            verified_by(Note(TEXT, (late,)), [WITNESS_KEY])


def test_a_p256_device_signs_too() -> None:
    key = device_note_key(ORIGIN, P256.public)
    line = sign_note(TEXT, key, P256.sign)
    assert verified_by(Note(TEXT, (line,)), [key]) == [(key, None)]
    for bit in range(8 * len(line.signature)):
        bent = bytearray(line.signature)
        bent[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(FormatError):
            verified_by(Note(TEXT, (NoteSignature(line.name, line.id, bytes(bent)),)), [key])


SIGNED = "\N{EM DASH} a " + b64(bytes(68)) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x\n",
        "x\n\n",
        "\n\n" + SIGNED,
        "\n" + SIGNED,
        "x\n\n" + SIGNED[:-1],
        "x\n\n" + SIGNED + "\n",
        "x\n\n- a AAAA\n",
        "x\n\n— a\n",
        "x\n\n— a b AAAAAAA=\n",
        "x\n\n— a AAAAAA==\n",
        "x\n\n— a+b AAAAAAAA\n",
        "x\n\n—  AAAAAAAA\n",
        "x\n\n— a AAAAAAA\n",
        "x\n\n— a AAAAAAB=\n",
        "x\r\n\n" + SIGNED,
        "x\0\n\n" + SIGNED,
        "x\n\n" + SIGNED * 65,
        "x" * NOTE_SIZE_MAX + "\n\n" + SIGNED,
    ],
)
def test_other_texts_are_no_notes(text: str) -> None:
    with pytest.raises(FormatError):
        parse_note(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u00a0b", "x" * 256])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(FormatError):
        check_name(name)


@pytest.mark.parametrize("text", ["A", "AB", "AA=", "AB==", "A===", "AA==\n", " AA==", "AA==AA==", "AA-_", "AÄ=="])
def test_base64_has_one_form(text: str) -> None:
    with pytest.raises(FormatError):
        unb64(text, "x")
