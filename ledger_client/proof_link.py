"""A proof as a link: the whole proof in the fragment of an address, which no browser sends to a server. Pure.

Room: ground. The web face and `witnessmark prove` make one for a QR code; the verifier page reads it. It judges nothing. Digits, because a
QR code packs digits almost as tightly as bytes, and every address lets them stand. Source: docs/ledger-format.md section 13.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from ledger_client import cbor
from ledger_client.deflate import deflate, inflate
from ledger_client.details import is_uint
from ledger_client.errors import FormatError
from ledger_client.note import Note, parse_note
from ledger_client.policy import Policy, parse_policy
from ledger_client.policy_text import short_policy
from ledger_client.proof import PROOF_SIZE_MAX, Proof, bundle_in, file_of_bundle, parse_proof
from ledger_client.witnessing import witnessed

MARK: Final = "wm1."
VERSION: Final = 1
GROUP_BYTES: Final = 12
_DIGITS_OF: Final = tuple(len(str(256**size - 1)) if size else 0 for size in range(GROUP_BYTES + 1))
"""Digits of so many bytes; no two numbers of bytes have the same."""
GROUP_DIGITS: Final = _DIGITS_OF[GROUP_BYTES]
DIGITS_MAX: Final = 3_000_000


def proof_link(proof: bytes, base_url: str, policy: bytes | None = None) -> str:
    """Return the address at which the verifier page under `base_url` shows this `.wmproof`.

    Args:
        proof: the file's bytes.
        base_url: where the page is, without a fragment.
        policy: the text to send along for readers who bring none. Comments and addresses are left out of it, and cosignatures that its
            quorum does without out of the proof. Keys that come with the evidence prove nothing by themselves; the page says so.

    Raises FormatError: no proof, no policy, or an address that has a fragment or is none for a browser.
    """
    if not re.fullmatch(r"(?:https?|file)://[!-~]+", base_url) or "#" in base_url:
        raise FormatError("link_invalid", reason="address")
    shown = parse_proof(proof)
    text = None
    if policy is not None:
        shown = _lean(shown, parse_policy(policy))
        text = short_policy(policy)
    row = [VERSION, bundle_in(shown.encode()), text]
    return f"{base_url}#{MARK}{_digits(deflate(cbor.encode(row)))}"


def parse_link(link: str) -> tuple[bytes, str | None]:
    """Return (`.wmproof` bytes, policy text or None) of a link. Raises FormatError `link_invalid`, or what reading the parts raises."""
    _, _, fragment = link.partition("#")
    if not fragment.startswith(MARK):
        raise FormatError("link_invalid", reason="mark")
    inner = inflate(_bytes(fragment.removeprefix(MARK)), size_max=PROOF_SIZE_MAX, what="link")
    match cbor.decode(inner, size_max=PROOF_SIZE_MAX, what="link"):
        case [version, bytes(bundle), None | str() as policy] if is_uint(version) and version == VERSION:
            return file_of_bundle(bundle), policy
    raise FormatError("link_invalid", reason="shape")


def _lean(proof: Proof, policy: Policy) -> Proof:
    """Leave out of a note what says nothing under this policy: signatures of strangers, and those after the quorum was complete."""
    found = witnessed(proof.note, policy)
    until_s = found.quorum_s(policy)
    if until_s is None:
        return proof
    kept = {name for name, time_s in found.cosigned.items() if time_s <= until_s}
    if policy.independence(kept) != policy.independence(found.cosigned):
        return proof
    names = {(policy.witnesses[name].name, policy.witnesses[name].id) for name in kept}
    note = parse_note(proof.note)
    lines = tuple(s for s in note.signatures if s.name == found.checkpoint.origin or (s.name, s.id) in names)
    return replace(proof, note=Note(note.text, lines).encode())


def _digits(data: bytes) -> str:
    groups = [data[at : at + GROUP_BYTES] for at in range(0, len(data), GROUP_BYTES)]
    return "".join(str(int.from_bytes(group, "big")).zfill(_DIGITS_OF[len(group)]) for group in groups)


def _bytes(digits: str) -> bytes:
    if not digits.isascii() or not digits.isdigit() or len(digits) > DIGITS_MAX:
        raise FormatError("link_invalid", reason="digits")
    out = bytearray()
    for at in range(0, len(digits), GROUP_DIGITS):
        group = digits[at : at + GROUP_DIGITS]
        if len(group) not in _DIGITS_OF or int(group) >= 256 ** _DIGITS_OF.index(len(group)):
            raise FormatError("link_invalid", reason="digits")
        out += int(group).to_bytes(_DIGITS_OF.index(len(group)), "big")
    return bytes(out)


__all__ = ["parse_link", "proof_link"]
