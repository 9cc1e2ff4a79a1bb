"""Ledgers for the verdict vectors: what an honest device, a lying one and one of a later version would have signed.

Room: tests. The makers of cases take these; nothing here judges.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec

from ledger_client import cbor
from ledger_client.body import BatchBuilder
from ledger_client.deflate import deflate
from ledger_client.entry import ZERO_HASH, assemble, parse, to_be_signed
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.schema import Descriptor, GroupRow, SchemaState
from tests.rigs.evidence import EvidenceLog

P256 = FileKey(ec.derive_private_key(12345, ec.SECP256R1()))
Wrong = Literal[
    "good",
    "altered",
    "dropped",
    "reordered",
    "back-dated",
    "withheld",
    "unanchored",
    "equivocated",
    "wrong key",
    "unreadable",
    "later version",
    "content",
    "policy",
    "cannot tell",
]


@dataclass(frozen=True)
class Case:
    """One vector: a file, a policy, and what sort of thing it shows.

    `later`: the page says "cannot check here" where Python fails closed. `own_reason`: the page finds the same for another reason.
    """

    name: str
    data: bytes
    policy: bytes
    sort: Wrong
    later: bool = False
    own_reason: bool = False


class Cases(list[Case]):
    """Cases as they are written down, each with a name of its own."""

    def __init__(self, policy: bytes) -> None:
        super().__init__()
        self.policy = policy

    def put(self, name: str, data: Any, sort: Wrong, *, policy: bytes | None = None, **how: bool) -> None:
        raw = data if isinstance(data, bytes) else data.encode()
        self.append(Case(name, raw, self.policy if policy is None else policy, sort, **how))


def resealed(data: bytes) -> bytes:
    """Return a file's bytes with the checksum made to fit."""
    return data[:-32] + sha256(data[:-32]).digest()


def repacked(data: bytes, change: Callable[[list[Any]], Any]) -> bytes:
    """Return a `.wmproof` whose bundle was changed as plain data."""
    row = cbor.decode(zlib.decompress(data[8:-32], -15), size_max=1 << 20, what="proof")
    value = change(row)
    return resealed(data[:8] + deflate(value if isinstance(value, bytes) else cbor.encode(value)) + bytes(32))


def append_signed(log: EvidenceLog, change: Callable[[list[Any]], Any], body: bytes = b"", *, alg: int | None = None) -> int:
    """Append an entry whose payload, a row or its bytes, is not checked; the key signs it all the same."""
    log.mono_ms += log.step_ms
    seq = len(log.entries)
    prev = sha256(log.entries[-1]).digest() if log.entries else ZERO_HASH
    seen = log.seen.hash if log.seen else None
    value = change([1, int(Kind.CLOSE), seq, prev, log.boot, log.mono_ms, log.wall_ms, log.clock, seen, ["x"]])
    payload = value if isinstance(value, bytes) else cbor.encode(value)
    raw = assemble(log.key.public, payload, log.key.sign(to_be_signed(log.key.public, payload)))
    if alg is not None:
        outer = cbor.decode(raw, size_max=1 << 16, what="entry")
        raw = cbor.encode(type(outer)(18, [cbor.encode({1: alg, 4: log.key.public.kid}), *outer.value[1:]]))
    log.entries.append(raw)
    log.bodies.append(body)
    return seq


def append_body(log: EvidenceLog, change: Callable[[list[Any]], Any], detail: Callable[[list[Any]], None] = lambda _: None) -> int:
    """Append a batch whose body's inner array was changed before it was packed and signed: a lie of the device, or a later version."""
    made = EvidenceLog(**{name: getattr(log, name) for name in ("origin", "step_ms", "span", "key")})
    made.entries, made.bodies, made.schema = list(log.entries), list(log.bodies), log.schema
    made.boot, made.mono_ms, made.offset_ms = log.boot, log.mono_ms, log.offset_ms
    made.batch()
    row = list(parse(made.entries[-1]).payload.detail)
    packed = made.bodies[-1] or b""
    inner = cbor.decode(zlib.decompress(packed[32:], -15), size_max=1 << 20, what="body")
    value = change(inner)
    body = value if isinstance(value, bytes) else packed[:32] + deflate(cbor.encode(value))
    row[5], row[6] = len(body), sha256(body).digest()
    detail(row)
    return log.append(Kind.BATCH, tuple(row), body)


def event(log: EvidenceLog, uri: str, body: bytes, version: int = 1, kind: int = Kind.EVENT) -> int:
    return log.append(kind, (uri, version, sha256(body).digest(), len(body)), body)


def mixed_log(span: int = 16, key: FileKey | None = None) -> EvidenceLog:
    """Two groups and every sort of value: decimals, binary32, binary64 and odd floats; ints; bools; texts; constants; absences."""
    log = EvidenceLog(span=span) if key is None else EvidenceLog(span=span, key=key)
    log.begin()
    kinds = ("float",) * 4 + ("int",) * 3 + ("bool", "text", "float", "int", "text")
    tags = {
        uid: Descriptor(
            uid, "plant/line-4/capper", f"capper/{kind}{uid}", "°C" if kind == "float" else "", kind, None, f"ns=2;s={uid}", "cal 7"
        )
        for uid, kind in enumerate(kinds, 10)
    }
    groups = {**log.schema.groups, 8: GroupRow(8, "capper", "slow", 60_000, "poll", tuple(tags))}
    before = log.schema
    log.schema = SchemaState(groups, {**log.schema.descriptors, **tags})
    body = before.delta_to(log.schema) or b""
    log.append(Kind.SCHEMA, (len(body), sha256(body).digest(), log.schema.state_hash, 0), body)
    for number in range(6):
        log.batch()
        mixed_batch(log, 40, number)
        if number % 2:
            log.receipts()
    return log


def mixed_batch(log: EvidenceLog, scans: int, salt: int = 0) -> int:
    """Append a batch of the group 8 in which each column takes another form."""
    builder = BatchBuilder(sha256(b"mixed%d" % log.size()).digest(), log.offset_ms, log.span, log.schema)
    odd = (math.inf, -math.inf, -0.0, struct.unpack(">d", bytes.fromhex("7ff8000000000abc"))[0])
    texts = ("run", "stop", "故障", "")
    for i in range(scans):
        values: list[Any] = [
            20 + i / 100,
            struct.unpack("<f", struct.pack("<f", 1.1 * i + salt))[0],
            math.sin(i + salt) * 1e-7,
            odd[i // 10] if i % 10 == 3 else i / 4,
            i,
            (1 << 63) + i,
            -(1 << 63) + 7 * i * i,
            i % 3 == 0,
            texts[(i * i + salt) % 4],
            5.5,
            42,
            None if i % 5 == 0 else "ok" if i % 2 else i,
        ]
        statuses = [0x80340000 if (i, place) in {(3, 0), (4, 0)} else 0x40000000 if place == 1 and i > 30 else 0 for place in range(12)]
        present = [not (place == 4 and i % 7 == 0) for place in range(12)] if i % 7 == 0 else None
        time_ms = log.wall_ms + log.step_ms - (scans - i) * 100
        builder.add(8, time_ms, time_ms - 40 if i % 4 else None, values, statuses, present)
    sealed = builder.seal()
    return log.append(Kind.BATCH, sealed.detail, sealed.body)


def without(shown: Any, place: int) -> Any:
    return replace(shown, entries=_cut(shown.entries, place), bodies=_cut(shown.bodies, place))


def with_entry(shown: Any, place: int, raw: bytes) -> Any:
    return replace(shown, entries=(*shown.entries[:place], raw, *shown.entries[place + 1 :]))


def with_body(shown: Any, place: int, body: bytes | None) -> Any:
    return replace(shown, bodies=(*shown.bodies[:place], body, *shown.bodies[place + 1 :]))


def _cut(rows: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    return (*rows[:place], *rows[place + 1 :])


def flipped(raw: bytes, at: int, bit: int = 0) -> bytes:
    out = bytearray(raw)
    out[at] ^= 1 << bit
    return bytes(out)
