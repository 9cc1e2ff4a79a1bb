"""The shape of each kind's detail array, checked on the way in and on the way out. Pure.

Room: ground. `entry` calls `check_detail` for every payload it reads; the chain calls it for every payload it makes.
`body_commitment` tells which body an entry commits to. Source: the table in docs/ledger-format.md section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from ledger_client.errors import FormatError
from ledger_client.kinds import FOREIGN_KIND_MIN, ClockState, Kind

EMPTY_BODY_HASH = sha256(b"").digest()
BODY_SIZE_MAX = 16 << 20

Check = Callable[[Any], bool]


def is_int(value: object) -> bool:
    """An int64, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63


def is_uint(value: object) -> bool:
    """An int64 that is not negative."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def is_hash(value: object) -> bool:
    """32 bytes."""
    return isinstance(value, bytes) and len(value) == 32


def is_text(value: object) -> bool:
    """Text of at most 4,096 characters."""
    return isinstance(value, str) and len(value) <= 4096


def check_detail(kind: int, detail: Any) -> tuple[Any, ...]:
    """Return the detail as nested tuples. Raises FormatError for a wrong shape or an unknown kind below 128."""
    if not isinstance(detail, list | tuple):
        raise FormatError("detail_shape", kind=kind)
    if kind >= FOREIGN_KIND_MIN:
        return _freeze(detail)
    shape = _SHAPES.get(kind)
    if shape is None:
        raise FormatError("kind_unknown", kind=kind)
    if not shape(detail):
        raise FormatError("detail_shape", kind=kind)
    return _freeze(detail)


def body_commitment(kind: int, detail: tuple[Any, ...]) -> tuple[int, bytes] | None:
    """Return (length, SHA-256) of the body that an entry commits to, None for kinds without one."""
    match kind:
        case Kind.BATCH:
            return detail[5], detail[6]
        case Kind.SCHEMA | Kind.RECEIPTS:
            return detail[0], detail[1]
        case Kind.COMMAND:
            return detail[3], detail[4]
        case Kind.EVENT | Kind.PLAN:
            return detail[3], detail[2]
    return None


def _freeze(values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_freeze(v) if isinstance(v, list | tuple) else v for v in values)


def _row(*checks: Check) -> Check:
    def check(value: Any) -> bool:
        return isinstance(value, list | tuple) and len(value) == len(checks) and all(c(v) for c, v in zip(checks, value, strict=True))

    return check


def _rows(check_one: Check, *, least: int) -> Check:
    def check(value: Any) -> bool:
        return isinstance(value, list | tuple) and len(value) >= least and all(check_one(v) for v in value)

    return check


def _or_none(check_one: Check) -> Check:
    return lambda value: value is None or check_one(value)


def _bytes(least: int, most: int) -> Check:
    return lambda value: isinstance(value, bytes) and least <= len(value) <= most


def _among(*values: int) -> Check:
    return lambda value: is_uint(value) and value in values


def _body_len(value: object) -> bool:
    return isinstance(value, int) and is_uint(value) and value <= BODY_SIZE_MAX


_clock = _among(*ClockState)
_event = _row(is_text, is_uint, is_hash, _body_len)
_SHAPES: dict[int, Check] = {
    Kind.GENESIS: _row(is_text, is_uint, _bytes(1, 128), _rows(is_hash, least=0), _or_none(_row(is_text, is_uint, is_hash)), is_hash),
    Kind.BATCH: _row(is_int, is_int, is_uint, is_uint, is_uint, _body_len, is_hash, is_hash, _among(1, 16)),
    Kind.BOOT: _row(is_text, is_text, _among(0, 1), is_uint),
    Kind.CLOCK: _row(is_int, is_int, _clock, _clock),
    Kind.ROTATE: _row(_bytes(1, 128), is_uint, is_text, _bytes(64, 64)),
    Kind.SCHEMA: _row(_body_len, is_hash, is_hash, _among(0, 1)),
    Kind.GAP: _rows(_row(_or_none(is_uint), is_int, is_int, is_text, is_uint), least=1),
    Kind.RECEIPTS: _row(_body_len, is_hash, _rows(_row(is_text, is_uint, is_hash, is_hash), least=1)),
    Kind.COMMAND: _row(_bytes(16, 16), _among(0, 1), is_text, _body_len, is_hash),
    Kind.CLOSE: _row(is_text),
    Kind.EVENT: _event,
    Kind.PLAN: _event,
    Kind.CONFIG: _row(is_uint, is_uint, is_hash, is_text, is_text),
}
