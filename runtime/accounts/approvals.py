"""Approvals of the core: enrolling a person's key, and checking what a person signed before an act starts. Pure.

Room: hall, accounts. `desk` calls it for the door, `tenants` for `account.key`. A face brings what the tablet signed; whose key it must
be, for which log and which act, is decided here. Whoever approves what they do themselves needs the site's policy, and it is marked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ledger_client.approval import MEANINGS, Approval, enrol_message, person_key
from ledger_client.errors import FormatError
from ledger_client.keys import PublicKey, from_cose
from runtime.acts import Act
from runtime.faces.feed import RequestRefusedError

AGE_MS_MAX: Final = 600_000
"""How far the tablet's clock may be from ours."""
SIGNATURE_HEX: Final = 128
KEY_HEX_MAX: Final = 130


def with_approval(act: Act, raw: Any, origin: str, now_ms: int | None, *, own: bool, self_approval: bool) -> Act:
    """Return an act with the approval that came with it. Raises RequestRefusedError.

    `raw` = {meaning, time_ms, signature: 128 hexadecimal digits}; `now_ms` is the wall time, None while the clock is not set;
    `own`: who signs is who asked for it.
    """
    match raw:
        case {"meaning": str(meaning), "time_ms": int(time_ms), "signature": digits} if len(raw) == 3 and type(time_ms) is int:
            signature = _bytes_of(digits, SIGNATURE_HEX)
        case _:
            raise RequestRefusedError("approval_shape")
    if meaning not in MEANINGS:
        raise RequestRefusedError("approval_shape")
    if not act.actor.has_account or act.actor.key is None:
        raise RequestRefusedError("approval_no_key")
    own = own and meaning == "approved"
    if own and not self_approval:
        raise RequestRefusedError("approval_own")
    if own and not act.actor.fresh:
        raise RequestRefusedError("fresh_needed", action=act.action)
    approval = Approval(meaning, act.actor.name, time_ms, from_cose(bytes.fromhex(act.actor.key)), signature, own)
    if not approval.holds(origin, act.approval_hash):
        raise RequestRefusedError("approval_signature_wrong")
    if now_ms is not None and abs(now_ms - time_ms) > AGE_MS_MAX:
        raise RequestRefusedError("approval_time", minutes=AGE_MS_MAX // 60_000)
    return replace(act, approvals=(approval,))


def enrolled_key(name: str, origin: str, key: object, proof: object) -> PublicKey:
    """Return the key that a person enrols. Raises RequestRefusedError.

    `key` is what WebCrypto exports as raw, `proof` its signature over `enrol_message`, both hexadecimal digits.
    """
    try:
        found = person_key(_bytes_of(key, KEY_HEX_MAX))
    except FormatError as error:
        raise RequestRefusedError("approval_key_invalid") from error
    if not found.verify(_bytes_of(proof, SIGNATURE_HEX), enrol_message(origin, name, found)):
        raise RequestRefusedError("approval_key_unproven")
    return found


def _bytes_of(digits: object, most: int) -> bytes:
    if not isinstance(digits, str) or not digits.isascii() or not digits.isalnum() or len(digits) > most:
        raise RequestRefusedError("approval_shape")
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise RequestRefusedError("approval_shape") from error
