"""Verdict vectors that are proofs of one reading: good ones, and every way of bending one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from ledger_client import cbor
from ledger_client.checkpoint import Checkpoint
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.note import Note, NoteSignature, device_note_key, note_key, parse_note, sign_note
from ledger_client.proof import Proof
from ledger_client.receipt import Receipt, receipts_entry
from tests.rigs.evidence import ORIGIN, START_MS, EvidenceLog, policy_text
from tests.rigs.small_log import key_of
from tests.rigs.verdict_logs import P256, Cases, append_signed, flipped, mixed_log, repacked, resealed

SEQ = 8


def proof_cases() -> Cases:
    cases = Cases(policy_text())
    log = EvidenceLog().typical()
    proof = log.proof(SEQ)
    _good(cases, log, proof)
    _values(cases)
    _of_one_time(cases)
    _altered(cases, log, proof)
    _notes(cases, log, proof)
    _keys(cases, log, proof)
    _times(cases, log, proof)
    _files(cases, proof.encode())
    _entries(cases, log, proof)
    return cases


def _good(cases: Cases, log: EvidenceLog, proof: Proof) -> None:
    cases.put("proof-good", proof, "good")
    cases.put("proof-good-first-of-leaf", log.proof(SEQ, place=0), "good")
    cases.put("proof-good-other-tag", log.proof(SEQ, tag_uid=3, place=4), "good")
    cases.put("proof-good-names-no-receipt", log.proof(3), "good")
    cases.put("proof-good-tree-ends-with-it", log.proof(SEQ, size=SEQ + 1), "good")
    cases.put("proof-good-span-1", EvidenceLog(span=1).typical(3).proof(4), "good")
    cases.put("proof-good-one-tag-one-reading", _tiny(), "good")
    p256 = policy_text(logs=[device_note_key(ORIGIN, P256.public).vkey])
    cases.put("proof-good-p256", EvidenceLog(key=P256).typical(3).proof(4), "good", policy=p256)
    own = policy_text(operators="operator self w1 w2 w3\n")
    cases.put("proof-good-own-witnesses", proof, "good", policy=own)
    cases.put("proof-good-operators-unsaid", proof, "good", policy=policy_text(operators=""))
    for name, quorum in (("any", "any"), ("all", "all"), ("one", "w3")):
        text = policy_text(quorum="g" if name != "one" else quorum)
        if name != "one":
            text = text.replace(b"group 2of3 2 w1 w2 w3", b"group g %s w1 w2 w3" % quorum.encode())
        cases.put(f"proof-good-quorum-{name}", proof, "good", policy=text)
    nested = policy_text(quorum="both").replace(b"group 2of3 2 w1 w2 w3", b"group two any w2 w3\ngroup both all w1 two")
    cases.put("proof-good-quorum-nested", proof, "good", policy=nested)
    stranger = note_key("stranger.example", 4, key_of(77).public)
    note = parse_note(proof.note)
    line = NoteSignature(stranger.name, stranger.id, bytes(8) + key_of(77).sign(b"anything"))
    cases.put("proof-good-stranger-beside", replace(proof, note=Note(note.text, (*note.signatures, line)).encode()), "good")


def _tiny() -> Proof:
    log = EvidenceLog(span=1).begin(tags=1)
    return log.proof(log.batch(scans=1), tag_uid=1, place=0)


def _values(cases: Cases) -> None:
    """A reading of each sort, out of a log that has them all."""
    log = mixed_log()
    seq = log.size() - 2
    for uid, place in ((10, 7), (10, 3), (11, 33), (12, 5), (13, 3), (13, 13), (13, 23), (13, 33), (14, 5), (15, 1), (16, 2), (17, 6)):
        cases.put(f"proof-value-{uid}-{place}", log.proof(seq, tag_uid=uid, place=place), "good")
    for uid, place in ((18, 2), (18, 3), (19, 0), (20, 39), (21, 5), (21, 6), (21, 7)):
        cases.put(f"proof-value-{uid}-{place}", log.proof(seq, tag_uid=uid, place=place), "good")


def _of_one_time(cases: Cases) -> None:
    """Several readings of one millisecond: the last is meant, the first was by the first provers, none between."""
    log = EvidenceLog().begin()
    time_ms = log.wall_ms + log.step_ms - 900
    seq = log.batch_of([(time_ms, 1.0), (time_ms, 2.0), (time_ms, 3.0), (time_ms + 1, 4.0)])
    log.batch()
    proof = log.proof(seq, place=0)
    for name, place, sort in (("good-last", 2, "good"), ("good-first", 0, "good"), ("altered-between", 1, "altered")):
        changed = replace(proof, disclosure=replace(proof.disclosure, chosen=place))
        cases.put(f"proof-{name}-of-one-time", changed, sort)  # type: ignore[arg-type]
    log = EvidenceLog(span=1).begin()
    time_ms = log.wall_ms + log.step_ms - 900
    seq = log.batch_of([(time_ms, 1.0), (time_ms, 2.0)])
    cases.put("proof-good-last-of-one-time-span-1", log.proof(seq, place=0), "good")


def _altered(cases: Cases, log: EvidenceLog, proof: Proof) -> None:
    shown = proof.disclosure

    def put(name: str, **changes: Any) -> None:
        cases.put(f"proof-altered-{name}", replace(proof, disclosure=replace(shown, **changes)), "altered")

    def reading(name: str, **changes: Any) -> None:
        put(name, readings=(shown.readings[0], replace(shown.readings[1], **changes), *shown.readings[2:]))

    for name, value in (("value", 801.5), ("value-int", 801), ("value-text", "801.25"), ("value-bool", True), ("value-null", None)):
        reading(name, value=value)
    reading("value-nan", value=float("nan"))
    reading("status", status=0x80000000)
    reading("source-time", source_ms=None)
    for name, change in (("unit", {"unit": "psi"}), ("tag-name", {"name": "filler/tag3"}), ("asset", {"asset": "plant/line-5"})):
        put(name, descriptor=replace(shown.descriptor, **change))
    put("exponent", descriptor=replace(shown.descriptor, exponent=None))
    put("calibration", descriptor=replace(shown.descriptor, calibration="2026-01"))
    put("salt", salt=flipped(shown.salt, 3))
    put("leaf-index", leaf_index=shown.leaf_index ^ 1)
    put("leaf-count", leaf_count=shown.leaf_count + 40)
    put("leaf-path", path=(*shown.path[::-1], bytes(32)))
    put("section-index", section_count=2, section_index=1, section_path=(bytes(32),))
    put("readings-fewer", readings=shown.readings[:-1])
    put("readings-turned", readings=shown.readings[::-1])
    put("chosen", chosen=0)
    cases.put("proof-altered-time-meant", replace(proof, time_ms=shown.readings[0].time_ms), "altered")
    other = log.proof(SEQ + 3)
    for name, changed in (
        ("entry-of-another", replace(proof, entry=other.entry)),
        ("entry-and-path-of-another", replace(proof, entry=other.entry, path=other.path)),
        ("reading-of-another", replace(proof, disclosure=other.disclosure, time_ms=other.time_ms)),
        ("path-of-another", replace(proof, path=other.path)),
        ("path-short", replace(proof, path=proof.path[:-1])),
        ("path-long", replace(proof, path=(*proof.path, bytes(32)))),
        ("path-none", replace(proof, path=())),
        ("path-turned", replace(proof, path=proof.path[::-1])),
        ("receipt-of-another", replace(proof, seen=log.seen_of(log.size() - 1))),
        ("receipt-not-named", replace(log.proof(3), seen=proof.seen)),
        ("entry-signature", replace(proof, entry=flipped(proof.entry, len(proof.entry) - 5))),
        ("entry-time", replace(proof, entry=flipped(proof.entry, 80))),
    ):
        cases.put(f"proof-altered-{name}", changed, "altered")


def _notes(cases: Cases, log: EvidenceLog, proof: Proof) -> None:
    note = parse_note(proof.note)
    device, w1, w2, w3 = note.signatures

    def put(name: str, lines: Any, sort: Any, text: str | None = None) -> None:
        cases.put(f"proof-note-{name}", replace(proof, note=Note(text or note.text, tuple(lines)).encode()), sort)

    put("not-signed-by-device", (w1, w2, w3), "wrong key")
    put(
        "signed-by-another-device",
        (sign_note(note.text, device_note_key(ORIGIN, key_of(9).public), key_of(9).sign), w1, w2, w3),
        "wrong key",
    )
    put("device-signature-bent", (replace(device, signature=flipped(device.signature, 9)), w1, w2, w3), "altered")
    put("one-witness", (device, w1), "unanchored")
    put("no-witness", (device,), "unanchored")
    put("cosignature-bent", (device, replace(w1, signature=flipped(w1.signature, 30)), w2, w3), "altered")
    put("cosignature-time-bent", (device, replace(w1, signature=flipped(w1.signature, 7)), w2, w3), "altered")
    put("cosignatures-swapped", (device, replace(w1, signature=w2.signature), w2, w3), "altered")
    put("cosigned-twice", (device, w1, w2, w2), "altered")
    put("of-another-size", note.signatures, "altered", note.text.replace(f"\n{log.size()}\n", f"\n{log.size() - 1}\n"))
    put("text-with-extension", note.signatures, "unreadable", note.text + "extension\n")
    put("size-with-zero-in-front", note.signatures, "unreadable", note.text.replace("\n" + str(log.size()), "\n0" + str(log.size())))
    cases.put("proof-note-smaller-tree", replace(proof, note=log.note_now(SEQ + 1)), "altered")
    elsewhere = EvidenceLog(origin="witnessmark.example/line-5/1").typical()
    cases.put("proof-note-of-another-log", replace(proof, note=elsewhere.proof(SEQ).note), "wrong key")
    cases.put("proof-of-another-log", elsewhere.proof(SEQ), "wrong key")
    for name, text in (
        ("crlf", proof.note.replace("\n", "\r\n")),
        ("no-signatures", note.text),
        ("nothing", ""),
        ("two-blank-lines", proof.note.replace("\n\n", "\n\n\n")),
        ("base64-loose", proof.note.replace("=\n", "\n", 1)),
        ("dash", proof.note.replace("\N{EM DASH}", "-")),
        ("no-end", proof.note[:-1]),
    ):
        cases.put(f"proof-note-{name}", replace(proof, note=text), "unreadable")
    for name, quorum in (("none", "none"), ("all-and-one-missing", "all3")):
        text = policy_text(quorum=quorum).replace(b"group 2of3 2 w1", b"group all3 all w1")
        two = replace(proof, note=Note(note.text, (device, w1, w2)).encode())
        cases.put(f"proof-quorum-{name}", two, "cannot tell" if name == "none" else "unanchored", policy=text)


def _keys(cases: Cases, log: EvidenceLog, proof: Proof) -> None:
    for name, lines in (
        ("other-device", [device_note_key(ORIGIN, key_of(9).public).vkey]),
        ("other-log", [device_note_key("other.example", key_of(1).public).vkey]),
        ("no-log", []),
        ("other-algorithm", [device_note_key(ORIGIN, P256.public).vkey]),
        ("two-keys", [device_note_key(ORIGIN, key_of(n).public).vkey for n in (9, 1)]),
    ):
        cases.put(f"proof-policy-{name}", proof, "good" if name == "two-keys" else "wrong key", policy=policy_text(logs=lines))
    turned = EvidenceLog().begin()
    turned.batch()
    turned.rotate(key_of(2))
    middle = turned.batch()
    turned.rotate(P256, effective_after=2)
    turned.batch()
    last = turned.batch()
    for name, seq in (("before", 3), ("between", middle), ("after", last)):
        cases.put(f"proof-rotation-{name}", turned.proof(seq), "good")
    whole = turned.proof(last)
    first, second = whole.key_chain
    for name, chain in (
        ("left-out", ()),
        ("half", (first,)),
        ("turned", (second, first)),
        ("twice", (first, first)),
        ("path-bent", (replace(first, path=()), second)),
        ("signature-bent", (replace(first, entry=flipped(first.entry, len(first.entry) - 3)), second)),
    ):
        cases.put(f"proof-rotation-{name}", replace(whole, key_chain=chain), "wrong key")
    later = policy_text(logs=[device_note_key(ORIGIN, P256.public).vkey])
    cases.put("proof-rotation-later-key-enrolled", whole, "good", policy=later)
    cases.put("proof-rotation-only-later-key-enrolled", turned.proof(3), "wrong key", policy=later)
    for name, row in _rotations():
        lie = EvidenceLog().begin()
        lie.batch()
        lie.links.append(lie.append(Kind.ROTATE, row))
        lie.coming = (lie.size(), key_of(2))
        cases.put(f"proof-rotation-{name}", lie.proof(lie.batch()), "wrong key", later=name == "later-algorithm")


def _rotations() -> Iterator[tuple[str, tuple[Any, ...]]]:
    new = key_of(2)
    yield "not-agreed", (new.public.cose, 5, "yearly", bytes(64))
    yield "in-force-before-said", (new.public.cose, 4, "yearly", _agreed(new, 4))
    yield "to-no-key", (b"\xa0", 5, "yearly", _agreed(new, 5))
    low = cbor.encode({1: 1, 3: -19, -1: 6, -2: bytes([1]) + bytes(31)})
    yield "to-low-order-key", (low, 5, "yearly", _agreed(new, 5))
    yield "later-algorithm", (cbor.encode({1: 7, 3: -48, -1: bytes(60)}), 5, "yearly", _agreed(new, 5))


def _agreed(new: FileKey, effective: int) -> bytes:
    from ledger_client.key_chain import rotation_message

    return new.sign(rotation_message(key_of(1).public, new.public.cose, effective))


def _times(cases: Cases, log: EvidenceLog, proof: Proof) -> None:
    cases.put("proof-receipt-left-out", replace(proof, seen=None), "cannot tell")
    now_s = log.wall_ms // 1000
    for name, by_s, sort in (
        ("confirmed-before-made", -86_400, "back-dated"),
        ("confirmed-late", 86_400, "cannot tell"),
        ("confirmed-in-time", 500, "good"),
    ):
        note = log.note(log.size(), {"w1": now_s + by_s, "w2": now_s + by_s + 1})
        cases.put(f"proof-{name}", log.proof(SEQ, note=note), sort)
    for name, back_ms, clock, sort in (
        ("day", 86_400_000, 2, "back-dated"),
        ("battery-clock-minutes", 600_000, 1, "cannot tell"),
        ("battery-clock-day", 86_400_000, 1, "back-dated"),
        ("clock-unset", 86_400_000, 0, "cannot tell"),
        ("stepped-minutes", 600_000, 4, "cannot tell"),
        ("within-tolerance", 11_000, 2, "good"),
    ):
        lying = EvidenceLog().begin()
        lying.batch()
        lying.receipts()
        lying.offset_ms -= back_ms
        lying.clock = clock
        seq = lying.batch()
        note = lying.note(lying.size(), {"w1": START_MS // 1000 + 60, "w2": START_MS // 1000 + 61})
        cases.put(f"proof-back-dated-{name}", lying.proof(seq, note=note), sort)
    aged = EvidenceLog().begin()
    aged.step_ms = 300_000
    old = aged.batch()
    aged.append(Kind.CLOSE, ("x",))
    cases.put("proof-reading-near-entry", aged.proof(old), "good")
    fork, other = EvidenceLog().typical(3), EvidenceLog(step_ms=5_001).typical(3)
    size, seq = fork.size() - 1, fork.batch()
    mixed = other.note(size, {"w1": fork.wall_ms // 1000 + 9, "w2": fork.wall_ms // 1000 + 9})
    cases.put("proof-two-roots-of-one-size", replace(fork.proof(seq), note=mixed), "equivocated")
    _receipts(cases)


def _receipts(cases: Cases) -> None:
    """Receipts that entries name: of a later kind, bent, of another tree."""
    for name, change, sort in (
        ("later-kind", {"akind": 9, "evidence": b"\xff"}, "good"),
        ("no-text", {"evidence": b"\xff"}, "unreadable"),
        ("of-another-tree", {"size": 2}, "unreadable"),
        ("bent", None, "altered"),
    ):
        log = EvidenceLog().begin()
        log.batch()
        log.receipts()
        assert log.seen is not None
        bent = replace(log.seen, evidence=log.seen.evidence[:-9] + b"AAAAAAA=\n") if change is None else replace(log.seen, **change)  # type: ignore[arg-type]
        log.seen = bent
        cases.put(f"proof-receipt-{name}", replace(log.proof(log.batch()), seen=bent.encode()), sort)
    ahead = EvidenceLog().begin()
    ahead.batch()
    future = EvidenceLog().typical(6)
    text = future.note(future.size(), {"w1": ahead.wall_ms // 1000})
    ahead.seen = Receipt(1, "w1", future.size(), future.root(future.size()), text.encode(), ahead.wall_ms)
    detail, body = receipts_entry([ahead.seen])
    ahead.append(Kind.RECEIPTS, detail, body)
    cases.put("proof-receipt-of-a-later-tree", replace(ahead.proof(ahead.batch()), seen=ahead.seen.encode()), "back-dated")


def _files(cases: Cases, data: bytes) -> None:
    """Files that are damaged, cut, doubled, or not in the one form that the format allows."""
    put = cases.put
    put("file-empty", b"", "unreadable")
    put("file-of-others", b"PK\x03\x04" + data[4:], "unreadable")
    put("file-magic-only", data[:8], "unreadable")
    put("file-cut", data[:-1], "unreadable")
    put("file-half", data[: len(data) // 2], "unreadable")
    put("file-half-resealed", resealed(data[: len(data) // 2]), "unreadable")
    put("file-bit", flipped(data, 100), "unreadable")
    put("file-bit-resealed", resealed(flipped(data, 20)), "unreadable")
    put("file-byte-more", data + b"\0", "unreadable")
    put("file-byte-more-resealed", resealed(data[:-32] + b"\0" + bytes(32)), "unreadable")
    put("file-no-deflate", resealed(data[:8] + b"\xff\xff\xff" + bytes(32)), "unreadable")
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    put("file-bomb", resealed(data[:8] + bomb.compress(bytes(1 << 22)) + bomb.flush() + bytes(32)), "unreadable")
    put("file-version-2", repacked(data, lambda row: [2, *row[1:]]), "later version", later=True)
    put("file-version-true", repacked(data, lambda row: [True, *row[1:]]), "unreadable")
    put("file-field-more", repacked(data, lambda row: [*row, None]), "unreadable")
    put("file-field-fewer", repacked(data, lambda row: row[:-1]), "unreadable")
    put("file-path-of-31-bytes", repacked(data, lambda row: [*row[:3], [row[3][0][:31]], *row[4:]]), "unreadable")
    put("file-time-a-float", repacked(data, lambda row: [*row[:7], float(row[7])]), "unreadable")
    put("file-cbor-byte-more", repacked(data, lambda row: cbor.encode(row) + b"\0"), "unreadable")
    put("file-cbor-cut", repacked(data, lambda row: cbor.encode(row)[:-1]), "unreadable")
    put("file-cbor-long-head", repacked(data, lambda row: b"\x98\x08" + cbor.encode(row)[1:]), "unreadable")
    put("file-cbor-indefinite", repacked(data, lambda row: b"\x9f" + cbor.encode(row)[1:] + b"\xff"), "unreadable")
    put("file-cbor-tag", repacked(data, lambda row: b"\xd9\xd9\xf7" + cbor.encode(row)), "unreadable")
    put("file-cbor-deep", repacked(data, lambda _: b"\x81" * 40 + b"\x00"), "unreadable")


def _entries(cases: Cases, log: EvidenceLog, proof: Proof) -> None:
    """Entries that a key signed and that are no batch, not strict, or of a later version."""
    cases.put("proof-entry-no-batch", replace(proof, entry=log.entries[1], path=log.path(1, log.size()), seen=None), "altered")

    def swap(name: str, change: Any, sort: Any, *, alg: int | None = None, later: bool = False) -> None:
        other = EvidenceLog().typical(2)
        seq = append_signed(other, change, alg=alg)
        size = other.size()
        cases.put(
            f"proof-entry-{name}",
            replace(proof, entry=other.entries[seq], path=other.path(seq, size), note=other.note_now(size), seen=None),
            sort,
            later=later,
        )

    swap("kind-60", lambda row: [row[0], 60, *row[2:]], "later version", later=True)
    swap("version-2", lambda row: [2, *row[1:]], "later version", later=True)
    swap("algorithm-48", lambda row: row, "later version", alg=-48, later=True)
    swap("kind-200", lambda row: [row[0], 200, *row[2:]], "altered")
    swap("clock-5", lambda row: [*row[:7], 5, *row[8:]], "unreadable")
    swap("detail-other", lambda row: [*row[:9], [7]], "unreadable")
    swap("seq-a-float", lambda row: [*row[:2], float(row[2]), *row[3:]], "unreadable")
    swap("long-integer", lambda row: cbor.encode(row).replace(b"\x8a\x01\x09", b"\x8a\x01\x18\x09", 1), "unreadable")
    swap("indefinite", lambda row: b"\x9f" + cbor.encode(row)[1:] + b"\xff", "unreadable")
    swap("undefined-for-null", lambda row: cbor.encode(row).replace(b"\xf6\x81", b"\xf7\x81", 1), "unreadable")
    swap("cut", lambda row: cbor.encode(row)[:-1], "unreadable")
    low = bytes([1]) + bytes(31)
    forged = proof.entry[:-64] + low + bytes(32)
    cases.put("proof-entry-low-order-signature", replace(proof, entry=forged), "wrong key")
    text = Checkpoint(ORIGIN, log.size(), sha256(b"another").digest()).text
    lines = (sign_note(text, device_note_key(ORIGIN, log.key.public), log.key.sign), *parse_note(proof.note).signatures[1:])
    cases.put("proof-note-root-of-another", replace(proof, note=Note(text, lines).encode()), "altered")
