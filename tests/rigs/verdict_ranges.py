"""Verdict vectors that are ranges of entries: whole ones, stories of honest and lying devices, and every way of bending one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from ledger_client import cbor
from ledger_client.entry import assemble, parse
from ledger_client.event_bodies import FINDING, LABEL, MODEL, SCORES, FindingBody, LabelBody, ModelBody, ScoreReceipt
from ledger_client.kinds import Kind
from ledger_client.note import Note, device_note_key, parse_note
from ledger_client.receipt import receipts_entry
from ledger_client.segment_file import Range
from tests.rigs.evidence import ORIGIN, EvidenceLog, policy_text, schema_of
from tests.rigs.small_log import key_of
from tests.rigs.verdict_acts import act_cases
from tests.rigs.verdict_logs import (
    P256,
    Cases,
    append_body,
    append_signed,
    event,
    flipped,
    mixed_log,
    resealed,
    with_body,
    with_entry,
    without,
)
from tests.rigs.verdict_stories import Story, story_cases, whole

POLICY = policy_text(gap_s=3600)


def range_cases() -> Cases:
    cases = Cases(POLICY)
    log = EvidenceLog().typical(9)
    log.append(Kind.GAP, ((7, log.wall_ms - 60_000, log.wall_ms, "device_down", 60),))
    for number in range(7):
        log.batch()
        if number == 2:
            log.rotate(key_of(2))
    log.receipts()
    shown = log.range(7, 21)
    _good(cases, log, shown)
    _bent(cases, shown)
    _bent_around(cases, log, shown)
    _withheld(cases, log)
    cases += story_cases(cases.policy)
    cases += act_cases(cases.policy)
    _contents(cases)
    _later(cases)
    return cases


def _good(cases: Cases, log: EvidenceLog, shown: Range) -> None:
    cases.put("range-good", shown, "good")
    cases.put("range-good-from-genesis", log.range(0, 9), "good")
    cases.put("range-good-genesis-only", log.range(0, 1), "good")
    cases.put("range-good-last-only", log.range(log.size() - 1, log.size()), "good")
    cases.put("range-good-smaller-tree", EvidenceLog().typical(9).range(4, 9, size=12), "good")
    for span in (1, 16):
        mixed = mixed_log(span)
        cases.put(f"range-good-every-codec-span-{span}", mixed.range(0, mixed.size()), "good")
    mixed = mixed_log()
    cases.put("range-good-every-codec-from-the-middle", mixed.range(6, mixed.size()), "good")
    own = policy_text(gap_s=3600, logs=[device_note_key(ORIGIN, P256.public).vkey])
    cases.put("range-good-p256", EvidenceLog(key=P256).typical(3).range(0, 7), "good", policy=own)
    cases.put("range-good-own-witnesses", shown, "good", policy=policy_text(gap_s=3600, operators="operator self w1 w2 w3\n"))


def _bent(cases: Cases, shown: Range) -> None:
    put = cases.put
    last = len(shown.entries) - 1
    for name, place in (("first", 0), ("second", 1), ("middle", 6), ("last", last)):
        put(f"range-dropped-{name}", without(shown, place), "dropped" if 0 < place < last else "altered")
    put("range-dropped-two", without(without(shown, 3), 7), "dropped")
    for name, one, two in (("neighbours", 4, 5), ("far", 2, 9), ("ends", 0, last)):
        swapped = with_entry(with_entry(shown, one, shown.entries[two]), two, shown.entries[one])
        swapped = with_body(with_body(swapped, one, shown.bodies[two]), two, shown.bodies[one])
        put(f"range-swapped-{name}", swapped, "reordered")
    put(
        "range-repeated",
        replace(shown, entries=(*shown.entries[:5], *shown.entries[4:]), bodies=(*shown.bodies[:5], *shown.bodies[4:])),
        "reordered",
    )
    put(
        "range-repeated-at-the-end",
        replace(shown, entries=(*shown.entries, shown.entries[5]), bodies=(*shown.bodies, shown.bodies[5])),
        "reordered",
    )
    for at in (0, 2, 12, 30, 60, 100, -30):
        put(f"range-entry-bit-{at}", with_entry(shown, 3, flipped(shown.entries[3], at, 1)), "altered")
    put("range-entry-of-another-log", with_entry(shown, 3, EvidenceLog(step_ms=5_001).typical(9).entries[10]), "altered")
    put("range-entry-by-another-key", with_entry(shown, 3, EvidenceLog(key=key_of(9)).typical(9).entries[10]), "wrong key")
    put("range-entry-empty", with_entry(shown, 3, b""), "altered")
    entry = parse(shown.entries[last - 1])
    moved = assemble(key_of(2).public, replace(entry.payload, seq=8).encode(), entry.signature)
    put("range-entry-renumbered", with_entry(shown, last - 1, moved), "altered")
    for name, place, body in (
        ("bit", 3, flipped(shown.bodies[3] or b"", 40)),
        ("of-another", 3, shown.bodies[2]),
        ("empty", 3, b""),
        ("where-there-is-none", next(i for i, raw in enumerate(shown.entries) if parse(raw).payload.kind == Kind.GAP), b"x"),
    ):
        put(f"range-body-{name}", with_body(shown, place, body), "altered")


def _bent_around(cases: Cases, log: EvidenceLog, shown: Range) -> None:
    """What stands around the entries: paths, numbers, schema, note, policy, the file itself."""
    put = cases.put
    for name, changes, sort in (
        ("first-path-of-last", {"first_path": shown.last_path}, "altered"),
        ("last-path-of-first", {"last_path": shown.first_path}, "altered"),
        ("last-path-none", {"last_path": ()}, "altered"),
        ("number-one-more", {"first_seq": shown.first_seq + 1}, "altered"),
        ("number-one-less", {"first_seq": shown.first_seq - 1}, "altered"),
        ("note-of-a-smaller-tree", {"note": log.note_now(20)}, "altered"),
        ("key-chain-left-out", {"key_chain": ()}, "wrong key"),
        ("receipt-left-out", {"seen": None}, "cannot tell"),
        ("receipt-of-another", {"seen": log.seen_of(log.size() - 1)}, "altered"),
        ("schema-left-out", {"schema_body": b""}, "content"),
        ("schema-no-deflate", {"schema_body": b"\xff\xff"}, "content"),
    ):
        put(f"range-{name}", replace(shown, **changes), sort)  # type: ignore[arg-type]
    state = schema_of(3)
    state.descriptors[1] = replace(state.descriptors[1], unit="psi")  # type: ignore[index]
    put("range-schema-with-another-unit", replace(shown, schema_body=state.full_body()), "content")
    note = parse_note(shown.note)
    put("range-one-witness", replace(shown, note=Note(note.text, note.signatures[:2]).encode()), "unanchored")
    bent = replace(note.signatures[2], signature=flipped(note.signatures[2].signature, 20))
    put("range-cosignature-bent", replace(shown, note=Note(note.text, (*note.signatures[:2], bent)).encode()), "altered")
    put("range-policy-no-log", shown, "wrong key", policy=policy_text(logs=[], gap_s=3600))
    put("range-policy-later-key", shown, "wrong key", policy=policy_text(logs=[device_note_key(ORIGIN, key_of(2).public).vkey], gap_s=3600))
    put("range-policy-quorum-none", shown, "cannot tell", policy=policy_text(quorum="none", gap_s=3600))
    put("range-policy-gap-of-10-s", shown, "cannot tell", policy=policy_text(gap_s=10))
    data = shown.encode()
    put("range-file-cut", data[:-40], "unreadable")
    put("range-file-bit", flipped(data, 200), "unreadable")
    put("range-file-half-resealed", resealed(data[:400]), "unreadable")
    put("range-bodies-fewer", replace(shown, bodies=shown.bodies[:-1]), "unreadable")
    put("range-nothing", replace(shown, entries=(), bodies=()), "unreadable")


def _withheld(cases: Cases, log: EvidenceLog) -> None:
    cases.put("range-withheld-readings", log.range(0, 12, bodies=False), "withheld")
    cases.put("range-withheld-all", replace(log.range(0, 12), bodies=(None,) * 12), "withheld")
    cases.put("range-withheld-one-batch", with_body(log.range(0, 12), 4, None), "withheld")
    cases.put("range-withheld-schema", with_body(log.range(0, 12), 2, None), "withheld")
    cases.put("range-withheld-receipts", with_body(log.range(0, 12), 6, None), "withheld")
    late = replace(log.range(3, 12), bodies=(None,) * 9)
    cases.put("range-withheld-receipts-from-the-middle", late, "withheld")


def _contents(cases: Cases) -> None:
    for name, change in (
        ("no-array", lambda _: 7),
        ("cut", lambda inner: cbor.encode(inner)[:9]),
        ("section-shape", lambda inner: [1, inner[1], [[7, 5]]]),
        ("group-unknown", lambda inner: [1, inner[1], [[99, *inner[2][0][1:]]]]),
        ("scans-fewer", lambda inner: _section(inner, 1, inner[2][0][1] - 1)),
        ("times-bytes-over", lambda inner: _section(inner, 2, inner[2][0][2] + b"\0")),
        ("times-long-varint", lambda inner: _section(inner, 2, b"\x80" * 9 + b"\x00")),
        ("source-none-at-all", lambda inner: _section(inner, 3, b"\x01" * 5)),
        ("data-cut", lambda inner: _section(inner, 5, inner[2][0][5][:-1])),
        ("data-over", lambda inner: _section(inner, 5, inner[2][0][5] + b"\0")),
        ("codec-none", lambda inner: _section(inner, 4, b"\0\0\0")),
        ("codec-fewer", lambda inner: _section(inner, 4, inner[2][0][4][:-1])),
        ("section-twice", lambda inner: [1, inner[1], inner[2] * 2]),
        ("other-value", lambda inner: _section(inner, 5, bytes([inner[2][0][5][0]]) + _next(inner[2][0][5]))),
    ):
        whole(cases, f"body-{name}", lambda log, change=change: append_body(log, change), "content")
    for name, detail, sort in (
        ("counts", lambda row: row.__setitem__(2, row[2] + 1), "content"),
        ("bad-for-good", lambda row: row.__setitem__(slice(2, 4), [row[2] - 1, 1]), "content"),
        ("root", lambda row: row.__setitem__(7, bytes(32)), "content"),
        ("span", lambda row: row.__setitem__(8, 1), "content"),
        ("first-time", lambda row: row.__setitem__(0, row[0] - 1), "content"),
        ("times-turned", lambda row: row.__setitem__(slice(0, 2), [row[1], row[0]]), "back-dated"),
    ):
        whole(cases, f"batch-says-other-{name}", lambda log, detail=detail: append_body(log, lambda inner: inner, detail), sort)
    ahead = lambda log: append_body(log, lambda inner: [1, inner[1] - 60_000, inner[2]])  # noqa: E731 - one of many stories
    whole(cases, "batch-ahead-of-its-entry", ahead, "back-dated")

    def state(log: EvidenceLog, *, digest: bytes = bytes(32), body: bytes | None = None) -> None:
        raw = log.schema.full_body() if body is None else body
        log.append(Kind.SCHEMA, (len(raw), sha256(raw).digest(), digest, 1), raw)
        log.batch()

    whole(cases, "schema-of-another-state", state, "content")
    whole(cases, "schema-no-deflate", lambda log: state(log, body=b"\xff"), "content")
    label = LabelBody("line", None, None, 1, 2, "normal", "anna").encode()
    scores = ScoreReceipt(
        "line", bytes(32), bytes(32), 3, 4, 1000, ((5, 2),), (0.5, None), b"\x00\x02", bytes(32), (0, -1, 0), ((9, 1, "x"),)
    ).encode()
    found = FindingBody(
        "line", bytes(32), "model", "filler/tag1", 5, 0, True, 1.5, 1.0, (("filler/tag1", 1.0, None, 0.5, 2.5),), {"a": 1, "b": "x"}
    ).encode()
    model = ModelBody("line", "armed", "learned", bytes(32), None, {"n": 3}, bytes(16)).encode()
    for name, uri, body in (("label", LABEL, label), ("scores", SCORES, scores), ("finding", FINDING, found), ("model", MODEL, model)):
        whole(cases, f"event-{name}", lambda log, uri=uri, body=body: event(log, uri, body), "good")
        whole(cases, f"event-{name}-cut", lambda log, uri=uri, body=body: event(log, uri, body[:-1]), "content")
        bent = cbor.encode([*cbor.decode(body, size_max=9999, what="x")[:-1], 7.5])
        whole(cases, f"event-{name}-of-another-shape", lambda log, uri=uri, body=bent: event(log, uri, body), "content")
    _receipts(cases)


def _section(inner: list[Any], field: int, value: Any) -> list[Any]:
    row = list(inner[2][0])
    row[field] = value
    return [1, inner[1], [row]]


def _next(data: bytes) -> bytes:
    """Another first value of the same form: of a decimal column of varints, one step up."""
    return bytes([data[1], data[2] ^ 2]) + data[3:]


def _receipts(cases: Cases) -> None:
    def kept(change: Callable[[Any], Any], *, rows: bool = True) -> Story:
        def story(log: EvidenceLog) -> None:
            assert log.seen is not None
            detail, body = receipts_entry([change(log.seen)])
            if not rows:
                detail = (detail[0], detail[1], (("w9", *detail[2][0][1:]),))
            log.append(Kind.RECEIPTS, detail, body)
            log.batch()

        return story

    whole(cases, "receipts-again", kept(lambda r: r), "good")
    whole(cases, "receipts-of-a-later-kind", kept(lambda r: replace(r, akind=3, evidence=b"\x00")), "good")
    whole(cases, "receipts-rows-differ", kept(lambda r: r, rows=False), "content")
    whole(cases, "receipts-bent", kept(lambda r: replace(r, evidence=r.evidence[:-6] + b"AAA=\n")), "content")
    whole(cases, "receipts-of-a-tree-to-come", kept(lambda r: _of_size(r, 99)), "back-dated")


def _of_size(receipt: Any, size: int) -> Any:
    """A receipt of our log at a size that it does not have yet."""
    longer = EvidenceLog().typical(40)
    return replace(receipt, size=size, root=longer.root(size), evidence=longer.note(size, {"w3": receipt.got_wall_ms // 1000}).encode())


def _later(cases: Cases) -> None:
    """What a later version writes: passed over where the format says so, refused or left open where not."""
    whole(cases, "kind-200", lambda log: log.append(200, ("a later kind", [1, [2, None], -0.5, {1: 2}])), "good")
    whole(cases, "event-type-unknown", lambda log: event(log, "urn:example:later", b"x"), "good")
    whole(cases, "event-version-2", lambda log: event(log, LABEL, b"x", 2), "good")
    whole(cases, "plan", lambda log: event(log, "urn:example:plan", b"x", kind=Kind.PLAN), "good")
    whole(cases, "kind-60", lambda log: [append_signed(log, lambda row: [1, 60, *row[2:]]), log.batch()], "later version", later=True)
    whole(
        cases,
        "kind-60-not-signed",
        lambda log: [append_signed(log, lambda row: [1, 60, *row[2:]]), _bend_last(log), log.batch()],
        "altered",
        own_reason=True,
    )
    whole(cases, "kind-60-at-the-end", lambda log: append_signed(log, lambda row: [1, 60, *row[2:]]), "later version", later=True)
    whole(cases, "entry-version-2", lambda log: [append_signed(log, lambda row: [2, *row[1:]]), log.batch()], "later version", later=True)
    whole(cases, "entry-algorithm-48", lambda log: [append_signed(log, lambda row: row, alg=-48), log.batch()], "later version", later=True)
    whole(cases, "body-version-2", lambda log: append_body(log, lambda inner: [2, *inner[1:]]), "later version", later=True)
    whole(cases, "codec-77", lambda log: append_body(log, lambda inner: _section(inner, 4, b"\x4d" * 3)), "later version", later=True)
    whole(cases, "entry-not-deterministic", lambda log: [append_signed(log, _long), log.batch()], "altered")
    whole(cases, "entry-map-inside", lambda log: [append_signed(log, lambda row: [*row[:9], {1: 2}]), log.batch()], "altered")


def _bend_last(log: EvidenceLog) -> None:
    log.entries[-1] = flipped(log.entries[-1], -9)


def _long(row: list[Any]) -> bytes:
    return cbor.encode(row).replace(b"\x8a\x01\x09", b"\x8a\x01\x18\x09", 1)
