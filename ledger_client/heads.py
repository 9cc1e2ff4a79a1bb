"""What a ledger must remember to go on: carried in every segment's header and moved on by every entry. Pure.

Room: ground. The chain keeps one, recovery rebuilds it from a header and the entries after it, readers ask it what was in
force at a seq. It judges nothing. Source: docs/ledger-format.md section 8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ledger_client.details import is_hash, is_int, is_text, is_uint
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind


@dataclass(slots=True)
class Heads:
    """The heads of a log after some entry: what is in force for the next one.

    `schema` = (full_seq, last_seq, state_hash), `config` = (revision, seq, hash), `key` = (COSE_Key, since_seq), `receipt` = (hash, size),
    `coming` = keys that were announced and are not in force yet, with their effective_seq, in order.
    """

    origin: str
    epoch: int
    boot: int
    last_mono_ms: int
    last_wall_ms: int
    schema: tuple[int, int, bytes] | None
    config: tuple[int, int, bytes] | None
    key: tuple[bytes, int]
    policy_hash: bytes
    receipt: tuple[bytes, int] | None
    coming: tuple[tuple[bytes, int], ...] = ()

    def row(self) -> list[Any]:
        """Return the array that stands in a header."""
        keys = tuple(part for known in (self.key, *self.coming) for part in known)
        return [
            self.origin, self.epoch, self.boot, self.last_mono_ms, self.last_wall_ms, self.schema, self.config, keys,
            self.policy_hash, self.receipt,
        ]  # fmt: skip

    def copy(self) -> Heads:
        """Return one that moves on by itself."""
        return replace(self)

    def apply(self, kind: int, seq: int, boot: int, mono_ms: int, wall_ms: int, detail: Any) -> None:
        """Move past one entry whose shape has been checked before."""
        self.boot, self.last_mono_ms, self.last_wall_ms = boot, mono_ms, wall_ms
        match kind:
            case Kind.SCHEMA:
                full = seq if detail[3] or self.schema is None else self.schema[0]
                self.schema = (full, seq, detail[2])
            case Kind.CONFIG:
                self.config = (detail[0], seq, detail[2])
            case Kind.ROTATE:
                self.coming = (*self.coming, (detail[0], detail[1]))
            case Kind.RECEIPTS:
                for _anchor, size, _root, receipt_hash in detail[2]:
                    if self.receipt is None or size >= self.receipt[1]:
                        self.receipt = (receipt_hash, size)
        while self.coming and self.coming[0][1] <= seq + 1:
            self.key, self.coming = self.coming[0], self.coming[1:]


def parse_heads(row: Any) -> Heads:
    """Read the array of a header strictly. Raises FormatError."""
    if not isinstance(row, list | tuple) or len(row) != 10:
        raise FormatError("header_invalid", reason="heads")
    origin, epoch, boot, mono_ms, wall_ms, schema, config, key, policy_hash, receipt = row
    good = is_text(origin) and all(is_uint(n) for n in (epoch, boot, mono_ms)) and is_int(wall_ms) and is_hash(policy_hash)
    good = good and (schema is None or _is_row(schema, is_uint, is_uint, is_hash))
    good = good and (config is None or _is_row(config, is_uint, is_uint, is_hash))
    good = good and (receipt is None or _is_row(receipt, is_hash, is_uint))
    if not good or not _is_keys(key):
        raise FormatError("header_invalid", reason="heads")
    keys = tuple(zip(key[::2], key[1::2], strict=True))
    return Heads(
        origin, epoch, boot, mono_ms, wall_ms, schema and tuple(schema), config and tuple(config), keys[0],
        policy_hash, receipt and tuple(receipt), keys[1:],
    )  # fmt: skip


def _is_keys(value: Any) -> bool:
    """One key with its seq, then those to come, each with a later seq."""
    if not isinstance(value, list | tuple) or len(value) < 2 or len(value) % 2:
        return False
    seqs = value[1::2]
    return all(map(_is_key, value[::2])) and all(map(is_uint, seqs)) and all(a < b for a, b in pairwise(seqs))


def _is_key(value: Any) -> bool:
    return isinstance(value, bytes) and 1 <= len(value) <= 128


def _is_row(value: Any, *checks: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == len(checks) and all(c(v) for c, v in zip(checks, value, strict=True))
