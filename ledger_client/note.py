"""C2SP signed notes: text, and lines of signatures by named keys. Fail-closed.

Room: ground. `checkpoint` builds on it; the witness and the verifier call it. A signature by a key we do not know is
ignored; a signature by a key we know must hold, or the whole note is refused. Source: C2SP signed-note 1.0.0.

    example.org/log
    5
    base64(root)

    \N{EM DASH} example.org/log base64(key id || signature)
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256

from ledger_client.errors import FormatError
from ledger_client.keys import ALG_ED25519, PublicKey, from_spki, is_low_order, public_key

SIG_ED25519 = 0x01
SIG_ECDSA = 0x02
SIG_COSIGNATURE = 0x04
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
NOTE_SIZE_MAX = 64_000
SIGNATURES_MAX = 64


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A named verifier key: `type` is one of SIG_*, `id` the four bytes that signature lines carry."""

    name: str
    type: int
    id: bytes
    key: PublicKey

    @property
    def vkey(self) -> str:
        """The text form `name+hex id+base64(type || key)`."""
        body = bytes([self.type]) + (self.key.raw if self.key.alg == ALG_ED25519 else self.key.spki())
        return f"{self.name}+{self.id.hex()}+{b64(body)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the name, the key id and the bytes after it."""

    name: str
    id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. `text` ends with a newline; signatures stand in their order."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> str:
        """Return the note as text."""
        return self.text + "\n" + "".join(signature_line(s) for s in self.signatures)


def note_key(name: str, kind: int, key: PublicKey) -> NoteKey:
    """Make a named key. Raises FormatError for a name that the format does not allow."""
    check_name(name)
    if kind == SIG_ECDSA:
        return NoteKey(name, kind, sha256(key.spki()).digest()[:4], key)
    return NoteKey(name, kind, sha256(name.encode() + b"\n" + bytes([kind]) + key.raw).digest()[:4], key)


def device_note_key(origin: str, key: PublicKey) -> NoteKey:
    """Return the key under which a gateway signs its checkpoints: named as its origin, typed by its algorithm."""
    return note_key(origin, SIG_ED25519 if key.alg == ALG_ED25519 else SIG_ECDSA, key)


def parse_vkey(text: str) -> NoteKey:
    """Read `name+hash+key`: a log key (Ed25519 or P-256) or a witness's Ed25519 cosignature key. Raises FormatError."""
    parts = text.split("+", 2)
    if len(parts) != 3 or len(parts[1]) != 8:
        raise FormatError("vkey_invalid", vkey=text[:80])
    body = unb64(parts[2], "vkey")
    if body[:1] == bytes([SIG_ECDSA]):
        key = from_spki(body[1:])
    elif len(body) == 33 and body[0] in (SIG_ED25519, SIG_COSIGNATURE):
        key = public_key(ALG_ED25519, body[1:])
    else:
        raise FormatError("vkey_invalid", vkey=text[:80])
    found = note_key(parts[0], body[0], key)
    if found.id.hex() != parts[1]:
        raise FormatError("vkey_invalid", vkey=text[:80])
    return found


def parse_note(text: str) -> Note:
    """Split a note into text and signature lines. Raises FormatError; nothing is verified yet."""
    if len(text.encode()) > NOTE_SIZE_MAX or _CONTROL.search(text):
        raise FormatError("note_invalid", reason="size or control characters")
    body, gap, tail = text.rpartition("\n\n")
    if not gap or not body or not tail.endswith("\n"):
        raise FormatError("note_invalid", reason="no signature block")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise FormatError("note_invalid", reason="too many signatures")
    return Note(body + "\n", tuple(parse_signature_line(line) for line in lines))


def parse_signature_line(line: str) -> NoteSignature:
    """Read one `— name base64` line (without its newline). Raises FormatError."""
    if not line.startswith("\N{EM DASH} "):
        raise FormatError("note_invalid", reason="signature line")
    name, space, encoded = line[2:].partition(" ")
    if not space:
        raise FormatError("note_invalid", reason="signature line")
    check_name(name)
    raw = unb64(encoded, "note signature")
    if len(raw) < 5:
        raise FormatError("note_invalid", reason="signature line")
    return NoteSignature(name, raw[:4], raw[4:])


def signature_line(signature: NoteSignature) -> str:
    """Return the line, newline included."""
    return f"\N{EM DASH} {signature.name} {b64(signature.id + signature.signature)}\n"


def sign_note(text: str, key: NoteKey, sign: Callable[[bytes], bytes]) -> NoteSignature:
    """Sign a note's text as its log. `sign` makes the key's raw signature."""
    signature = sign(text.encode())
    if key.type == SIG_ECDSA:
        signature = _to_der(signature)
    return NoteSignature(key.name, key.id, signature)


def verified_by(note: Note, keys: Iterable[NoteKey]) -> list[tuple[NoteKey, int | None]]:
    """Return the known keys that signed, each with its cosignature time in s (None for a log signature), in note order.

    Raises FormatError when a line carries a known name and id but its signature does not hold, or the same key twice.
    """
    known = {(k.name, k.id): k for k in keys}
    found: list[tuple[NoteKey, int | None]] = []
    for line in note.signatures:
        key = known.get((line.name, line.id))
        if key is None:
            continue
        if any(key is k for k, _ in found):
            raise FormatError("note_signed_twice", name=key.name)
        found.append((key, check_signature(note.text, line, key)))
    return found


def check_signature(text: str, line: NoteSignature, key: NoteKey) -> int | None:
    """Return the cosignature's time in s (None for a log's signature). Raises FormatError when it does not hold."""
    signature, message, time_s = line.signature, text.encode(), None
    if key.type == SIG_COSIGNATURE:
        if len(signature) != 72:
            raise FormatError("note_signature_invalid", name=key.name)
        time_s = int.from_bytes(signature[:8], "big")
        signature, message = signature[8:], cosignature_message(text, time_s)
    elif key.type == SIG_ECDSA:
        signature = _from_der(signature)
    if time_s is not None and not 0 < time_s < 1 << 62:
        raise FormatError("note_signature_invalid", name=key.name)
    if not key.key.verify(signature, message):
        raise FormatError("note_signature_invalid", name=key.name)
    return time_s


def cosignature_message(text: str, time_s: int) -> bytes:
    """Return what a witness signs (C2SP tlog-cosignature 1.0.1, cosignature/v1)."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def cosign(text: str, key: NoteKey, time_s: int, sign: Callable[[bytes], bytes]) -> NoteSignature:
    """Make a witness's timestamped cosignature over a checkpoint's text."""
    return NoteSignature(key.name, key.id, time_s.to_bytes(8, "big") + sign(cosignature_message(text, time_s)))


def check_name(name: str) -> None:
    """Raise FormatError unless the name is non-empty, without white space and without a plus."""
    if not name or "+" in name or any(c.isspace() for c in name) or len(name) > 255:
        raise FormatError("note_name_invalid", name=name[:80])


def b64(raw: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(raw).decode()


def unb64(text: str, what: str) -> bytes:
    """Decode standard base64; only the one canonical form passes. Raises FormatError."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise FormatError("base64_invalid", what=what) from error
    if b64(raw) != text:
        raise FormatError("base64_invalid", what=what)
    return raw


def _to_der(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def _from_der(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError) as error:
        raise FormatError("note_signature_invalid", name="ecdsa") from error


__all__ = [
    "SIG_COSIGNATURE", "SIG_ECDSA", "SIG_ED25519", "Note", "NoteKey", "NoteSignature", "b64", "check_name", "check_signature", "cosign",
    "cosignature_message", "device_note_key", "is_low_order", "note_key", "parse_note", "parse_signature_line", "parse_vkey", "sign_note",
    "signature_line", "unb64", "verified_by",
]  # fmt: skip
