"""The frozen vectors: what format 1 wrote once, this verifier reads for ever, to the last bit."""

from __future__ import annotations

import json
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger_client import cbor
from ledger_client.body import read_body
from ledger_client.checkpoint import parse_checkpoint
from ledger_client.details import body_commitment
from ledger_client.entry import ZERO_HASH, parse
from ledger_client.keys import from_cose
from ledger_client.kinds import Kind
from ledger_client.leaves import parse_disclosure, root_of_disclosure
from ledger_client.merkle import root_of
from ledger_client.note import parse_note, parse_vkey, verified_by
from ledger_client.policy import parse_policy
from ledger_client.receipt import parse_receipts
from ledger_client.schema import SchemaState
from ledger_client.verify_ledger import verify_ledger
from tests.rigs.evidence import EvidenceLog
from tests.vectors.make_v1 import make, plain, state_rows

FOLDER = Path(__file__).parents[2] / "vectors" / "v1"
INDEX: dict[str, Any] = json.loads((FOLDER / "index.json").read_text())
ROWS: list[dict[str, Any]] = INDEX["entries"]


def raw(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def test_every_file_is_in_the_index_and_every_kind_occurs() -> None:
    named = (
        {INDEX[k]["file"] for k in ("checkpoint", "disclosure", "es256")}
        | {r["file"] for r in ROWS}
        | {r["body"] for r in ROWS if "body" in r}
    )
    assert {p.name for p in FOLDER.iterdir()} == named | {"index.json", "policy.txt"}
    assert {r["kind"] for r in ROWS} == {*Kind, 200}


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["file"])
def test_entries_say_what_the_index_says(row: dict[str, Any]) -> None:
    entry = parse(raw(row["file"]))
    p = entry.payload
    assert (p.kind, p.seq, p.boot, p.mono_ms, p.wall_ms, p.clock) == tuple(
        row[k] for k in ("kind", "seq", "boot", "mono_ms", "wall_ms", "clock")
    )
    assert (entry.hash.hex(), entry.leaf.hex(), p.prev.hex()) == (row["hash"], row["leaf"], row["prev"])
    assert plain(p.seen) == row["seen"]
    assert plain(p.detail) == row["detail"]
    key = [k["cose"] for k in INDEX["device_keys"] if k["since"] <= p.seq][-1]
    assert entry.verify_signature(from_cose(bytes.fromhex(key)))
    commitment = body_commitment(p.kind, p.detail)
    body = raw(row["body"]) if "body" in row else b""
    if commitment is not None:
        assert commitment == (len(body), sha256(body).digest())


def test_the_entries_are_one_chain_under_the_checkpoint() -> None:
    entries = [parse(raw(row["file"])) for row in ROWS]
    assert [e.payload.prev for e in entries] == [ZERO_HASH, *[e.hash for e in entries[:-1]]]
    told = INDEX["checkpoint"]
    note = parse_note(raw(told["file"]).decode())
    keys = [parse_vkey(told["device"]), *map(parse_vkey, told["witnesses"].values())]
    assert [key for key, _ in verified_by(note, keys)] == keys
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (INDEX["origin"], told["size"], told["root"])
    assert root_of([e.leaf for e in entries]) == checkpoint.root
    assert sha256(raw("policy.txt")).digest() == entries[0].payload.detail[5]


def test_the_whole_ledger_verifies() -> None:
    log = EvidenceLog()
    log.entries = [raw(row["file"]) for row in ROWS]
    log.bodies = [raw(row["body"]) if "body" in row else b"" for row in ROWS]
    report = verify_ledger(log, parse_policy(raw("policy.txt")))
    judged = {name: claim.status for name, claim in report.claims.items()}
    assert judged.pop("content") == "unknown"
    assert set(judged.values()) == {"holds"}, report.claims


def test_schemas_and_batches_hold_what_the_index_says() -> None:
    state, codecs = SchemaState(), set()
    for row in ROWS:
        detail = parse(raw(row["file"])).payload.detail
        if row["kind"] == Kind.SCHEMA:
            state = state.apply(raw(row["body"]), full=bool(detail[3]))
            assert state.state_hash == detail[2]
        if row["kind"] == Kind.BATCH:
            assert state_rows(state) == row["schema"]
            read = read_body(raw(row["body"]), detail, state, check_root=True)
            assert read.offset_ms == row["offset_ms"]
            assert [[r.descriptor.uid, r.time_ms, r.source_ms, r.status, plain(r.value)] for r in read.readings()] == row["readings"]
            inner = cbor.decode(zlib.decompress(raw(row["body"])[32:], -15), size_max=1 << 20, what="inner")
            codecs |= {codec for section in inner[2] for codec in section[4]}
        if row["kind"] == Kind.RECEIPTS:
            assert [r.size for r in parse_receipts(raw(row["body"]), detail)] == [row["seq"]] * 3
    assert {codec & 0x7F for codec in codecs} == set(range(1, 10))
    assert {codec & 0x80 for codec in codecs} == {0, 0x80}


def test_the_disclosure_shows_the_reading_under_its_entrys_root() -> None:
    told = INDEX["disclosure"]
    shown = parse_disclosure(cbor.decode(raw(told["file"]), size_max=1 << 16, what="disclosure"))
    root = root_of_disclosure(shown)
    assert root.hex() == told["root"]
    assert root == parse(raw(ROWS[told["entry"]]["file"])).payload.detail[7]
    assert (shown.descriptor.uid, shown.reading.time_ms, plain(shown.reading.value)) == (told["tag_uid"], told["time_ms"], told["value"])


def test_an_es256_entry_verifies() -> None:
    key = from_cose(bytes.fromhex(INDEX["es256"]["cose"]))
    assert parse(raw(INDEX["es256"]["file"])).verify_signature(key)


def test_what_is_written_today_means_the_same(tmp_path: Path) -> None:
    """Entries without a body, notes and the disclosure are byte for byte those of the vectors; bodies may be deflated otherwise."""
    make(tmp_path)
    for name in ("00-genesis.entry", "01-boot.entry", "reading.disclosure", "policy.txt", "es256.entry"):
        assert (tmp_path / name).read_bytes() == raw(name)
    again = json.loads((tmp_path / "index.json").read_text())
    assert [row.get("readings") for row in again["entries"]] == [row.get("readings") for row in ROWS]
    assert [row["detail"][7] for row in again["entries"] if row["kind"] == 1] == [row["detail"][7] for row in ROWS if row["kind"] == 1]
