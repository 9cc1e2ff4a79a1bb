"""Make the frozen vectors of format 1: `python -m tests.vectors.make_v1 FOLDER` (from the repository's root).

Run once per format version, into `tests/vectors/v1`; from a release on those files never change, and every later verifier
opens them. Keys, secrets and times are fixed, so a run gives the same entries, roots and notes; only the deflated bytes may
differ with another zlib. `index.json` says what each file holds, in plain JSON: what another implementation tests itself on.
"""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ledger_client import cbor
from ledger_client.body import read_body
from ledger_client.entry import Payload, assemble, parse, to_be_signed
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.leaves import disclose
from ledger_client.note import device_note_key
from ledger_client.schema import SchemaState
from tests.rigs.batches import T0_MS, BatchOf, every_codec, schema_of
from tests.rigs.evidence import WITNESS_KEYS, EvidenceLog, policy_text
from tests.rigs.small_log import key_of

ROTATED = key_of(2)
OFFSET_MS = T0_MS - 27_000
"""Wall minus boottime: puts the first batch just before its entry."""
SHOWN_TAG, SHOWN_SCAN = 2, 7


def make(folder: Path) -> None:
    """Write every vector into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    log = EvidenceLog(offset_ms=OFFSET_MS)
    batches = grow(log)
    rows = [entry_row(folder, log, seq, batches.get(seq)) for seq in range(log.size())]
    note = log.note_now(log.size())
    files = {"checkpoint.note": note.encode(), "policy.txt": policy_text(), "es256.entry": es256_entry()}
    seq = min(batches)
    detail = parse(log.entries[seq]).payload.detail
    shown = disclose(log.bodies[seq] or b"", detail, batches[seq].schema, SHOWN_TAG, shown_time(batches[seq]))
    files["reading.disclosure"] = cbor.encode(shown.row())
    for name, data in files.items():
        (folder / name).write_bytes(data)
    index = {
        "format": 1,
        "origin": log.origin,
        "device_keys": [{"since": 0, "cose": key_of(1).public.cose.hex()}, {"since": log.size() - 1, "cose": ROTATED.public.cose.hex()}],
        "checkpoint": {
            "file": "checkpoint.note", "size": log.size(), "root": log.root(log.size()).hex(),
            "device": device_note_key(log.origin, log.key.public).vkey, "witnesses": {n: k.vkey for n, k in WITNESS_KEYS.items()},
        },
        "disclosure": {
            "file": "reading.disclosure", "entry": seq, "tag_uid": SHOWN_TAG, "time_ms": shown_time(batches[seq]),
            "value": plain(shown.reading.value), "root": detail[7].hex(),
        },
        "es256": {"file": "es256.entry", "cose": ES256.public.cose.hex()},
        "entries": rows,
    }  # fmt: skip
    (folder / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")


def grow(log: EvidenceLog) -> dict[int, BatchOf]:
    """Write a life of a gateway that has every kind of entry; return the batches by seq."""

    def sha(text: str) -> bytes:
        return sha256(text.encode()).digest()

    batches: dict[int, BatchOf] = {}
    policy_hash, next_key = sha256(policy_text()).digest(), sha256(ROTATED.public.cose).digest()
    log.append(Kind.GENESIS, (log.origin, 1, key_of(1).public.cose, (next_key,), None, policy_hash))
    log.mono_ms = 15_000
    log.append(Kind.BOOT, ("0.1.0", "sim", 0, 0))
    for batch in (every_codec(1), every_codec(16), BatchOf(schema_of(11, 1, 2), [], 1)):
        full = not log.schema.groups
        body = batch.schema.full_body() if full else log.schema.delta_to(batch.schema)
        if body is not None:
            log.append(Kind.SCHEMA, (len(body), sha256(body).digest(), batch.schema.state_hash, int(full)), body)
            log.schema = batch.schema
        sealed = replace(batch, offset_ms=log.offset_ms).seal(dropped=2)
        batches[log.append(Kind.BATCH, sealed.detail, sealed.body)] = batch
    stepped_ms = log.wall_ms + log.step_ms
    log.offset_ms += 60_000
    log.append(Kind.CLOCK, (stepped_ms, stepped_ms + 60_000, 1, 2))
    log.append(Kind.GAP, ((1, T0_MS, T0_MS + 5_000, "timeout", 49), (None, T0_MS, T0_MS + 90_000, "stopped", 0)))
    for phase, code, body in ((0, "config_apply", cbor.encode(["operator", 3])), (1, "done", b"")):
        log.append(Kind.COMMAND, (sha("act")[:16], phase, code, len(body), sha256(body).digest()), body)
    body = cbor.encode(["over temperature", 81.5])
    log.append(Kind.EVENT, ("tag:witnessmark.example,2026:finding", 1, sha256(body).digest(), len(body)), body)
    log.append(Kind.PLAN, ("tag:witnessmark.example,2026:plan", 1, sha256(body).digest(), len(body)), body)
    log.append(Kind.CONFIG, (3, 2, sha("config"), "operator", "faster group"))
    log.receipts()
    log.append(200, ("a later kind", [1, [2, None]]))
    log.append(Kind.CLOSE, ("moved to another line",))
    log.rotate(ROTATED)
    log.offset_ms += log.mono_ms
    log.reboot()
    return batches


def entry_row(folder: Path, log: EvidenceLog, seq: int, batch: BatchOf | None) -> dict[str, Any]:
    entry = parse(log.entries[seq])
    payload = entry.payload
    kind = Kind(payload.kind).name.lower() if payload.kind in set(Kind) else f"kind{payload.kind}"
    name = f"{seq:02}-{kind}"
    (folder / f"{name}.entry").write_bytes(entry.raw)
    row: dict[str, Any] = {
        "file": f"{name}.entry", "seq": seq, "kind": payload.kind, "hash": entry.hash.hex(), "leaf": entry.leaf.hex(),
        "prev": payload.prev.hex(),
        "boot": payload.boot, "mono_ms": payload.mono_ms, "wall_ms": payload.wall_ms, "clock": payload.clock, "seen": plain(payload.seen),
        "detail": plain(payload.detail),
    }  # fmt: skip
    body = log.bodies[seq]
    if body:
        (folder / f"{name}.body").write_bytes(body)
        row["body"] = f"{name}.body"
    if batch is not None:
        read = read_body(body or b"", payload.detail, batch.schema, check_root=True)
        row["schema"] = state_rows(batch.schema)
        row["offset_ms"] = read.offset_ms
        row["readings"] = [[r.descriptor.uid, r.time_ms, r.source_ms, r.status, plain(r.value)] for r in read.readings()]
    return row


def state_rows(state: SchemaState) -> dict[str, Any]:
    tables: dict[str, Any] = {"groups": state.groups, "descriptors": state.descriptors}
    return {name: [plain(table[uid].row()) for uid in sorted(table)] for name, table in tables.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON that keeps its kind: floats as the hex of their binary64, large ints as text, bytes as hex."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, float):
        return {"float": struct.pack(">d", value).hex(), "about": repr(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        return {"int": str(value)}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def shown_time(batch: BatchOf) -> int:
    return batch.scans[SHOWN_SCAN].time_ms


class _FixedP256:
    """A P-256 key that signs by RFC 6979, so that the vector is the same in every run."""

    def __init__(self) -> None:
        self._key = ec.derive_private_key(7, ec.SECP256R1())
        self.public = FileKey(self._key).public

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


ES256 = _FixedP256()


def es256_entry() -> bytes:
    raw = Payload(Kind.CLOSE, 5, sha256(b"prev").digest(), 1, 2, T0_MS, 0, None, ("es256",)).encode()
    return assemble(ES256.public, raw, ES256.sign(to_be_signed(ES256.public, raw)))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
