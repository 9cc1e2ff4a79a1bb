"""Judge a `.wmproof`: was this reading really recorded, unchanged, then, and under whose eyes. Pure.

Room: ground. The command line, the web page and the history process call `verify_proof`. It discloses a reading only when the
claim `altered` holds; a file that is not a proof raises FormatError and discloses nothing. Source: docs/ledger-format.md
sections 9 and 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger_client.checkpoint import Checkpoint
from ledger_client.claims import Judge, Report
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError
from ledger_client.key_chain import KeyChain
from ledger_client.kinds import Kind
from ledger_client.leaves import Disclosure, root_of_disclosure
from ledger_client.merkle import root_from_inclusion
from ledger_client.policy import Policy
from ledger_client.proof import Link, Path, Proof, parse_proof
from ledger_client.receipt import AKIND_TLOG, Receipt, parse_receipt
from ledger_client.witnessing import (
    READING_AGE_MS,
    Witnessed,
    depend_on_altered,
    judge_not_after,
    judge_not_before,
    judge_quorum,
    not_before_s,
    signed_by_log,
    witnessed,
)

HOLDS: Final = {
    "altered": "proof_unaltered",
    "dropped": "proof_in_the_log",
    "reordered": "proof_in_its_place",
    "back_dated": "proof_time_bounded",
    "withheld": "proof_reading_shown",
    "unanchored": "proof_quorum_met",
    "equivocated": "proof_one_history",
    "content": "content_known",
}


def verify_proof(data: bytes, policy: Policy) -> Report:
    """Judge a proof's bytes under a policy. Raises FormatError when they are no proof at all."""
    proof = parse_proof(data)
    entry = parse(proof.entry)
    found = witnessed(proof.note, policy)
    judge = Judge()
    origin_known = judge_origin(judge, policy, found, proof.key_chain, [(entry, proof.path)])
    judge_disclosure(judge, entry, proof)
    upper_s = judge_quorum(judge, policy, found)
    lower = judge_seen(judge, policy, entry, proof.seen, found.checkpoint)
    judge_times(judge, policy, entry, proof, lower[0] if lower else None, upper_s)
    depend_on_altered(judge, ("dropped", "reordered", "back_dated", "withheld", "unanchored", "equivocated", "content"))
    facts: dict[str, Any] = {}
    if origin_known:
        facts |= note_facts(found, policy)
    if judge.status("altered") == "holds":
        facts |= _facts(entry, proof.disclosure, lower, upper_s)
    late_s = 0 if upper_s is None else max(0, upper_s - entry.payload.wall_ms // 1000)
    params: dict[str, dict[str, str | int | float]] = {"back_dated": {"late_s": late_s}, "unanchored": {"have": len(found.cosigned)}}
    claims = judge.claims({name: (code, params.get(name, {})) for name, code in HOLDS.items()})
    return Report("proof", claims, policy.independence(found.cosigned), facts)


def judge_origin(
    judge: Judge, policy: Policy, found: Witnessed, links: Sequence[Link], entries: Sequence[tuple[Entry, Path]]
) -> KeyChain | None:
    """Judge who signed and whether the entries stand in the tree; return the device's keys, None when the policy has none for it."""
    checkpoint = found.checkpoint
    log_keys = policy.log_keys(checkpoint.origin)
    for entry, path in entries:
        judge_inclusion(judge, checkpoint, entry, path)
    if not log_keys:
        judge.unknown("altered", "log_not_in_policy", origin=checkpoint.origin)
        return None
    keys = KeyChain([key.key for key in log_keys])
    _follow(judge, keys, checkpoint, links)
    for entry, _ in entries:
        judge_signer(judge, keys, entry)
    try:
        if not signed_by_log(found.note, checkpoint, keys):
            judge.fails("altered", "note_not_signed_by_log")
    except FormatError as error:
        judge.breaks("altered", error)
    return keys


def judge_signer(judge: Judge, keys: KeyChain, entry: Entry) -> bool:
    """Judge an entry's signature; tell whether a key in force made it."""
    if keys.signer_of(entry) is not None:
        return True
    if keys.knows(entry):
        judge.fails("altered", "entry_signature_invalid", entry.seq)
    else:
        judge.unknown("altered", "entry_key_unknown", entry.seq, kid=entry.kid.hex())
    return False


def judge_seen(judge: Judge, policy: Policy, entry: Entry, seen: bytes | None, checkpoint: Checkpoint) -> tuple[int, str] | None:
    """Judge the receipt that an entry names; return its (time in s, witness name), a lower bound of when the entry was made."""
    if entry.payload.seen is None:
        if seen is not None:
            judge.fails("altered", "seen_is_another", entry.seq)
        return None
    if seen is None:
        judge.unknown("back_dated", "seen_not_shown", entry.seq)
        return None
    receipt = parse_receipt(seen)
    if receipt.hash != entry.payload.seen:
        judge.fails("altered", "seen_is_another", entry.seq)
        return None
    return judge_receipt(judge, policy, entry.seq, receipt, checkpoint)


def judge_receipt(judge: Judge, policy: Policy, seq: int, receipt: Receipt, checkpoint: Checkpoint) -> tuple[int, str] | None:
    """Judge a receipt that entry `seq` names or keeps; return its (time in s, witness name). Raises FormatError for false evidence."""
    if receipt.akind != AKIND_TLOG:
        return None  # evidence of a later version: it bounds nothing here
    _, tree = receipt.note()
    lower = not_before_s(receipt, policy)
    if tree.origin != checkpoint.origin or tree.size > seq:
        judge.fails("back_dated", "seen_is_of_another_tree", seq)
        return None
    if tree.size == checkpoint.size and tree.root != checkpoint.root and lower is not None:
        judge.fails("equivocated", "two_roots_of_one_size", size=tree.size)
    return lower


def judge_disclosure(judge: Judge, entry: Entry, proof: Proof) -> None:
    """Judge whether the shown readings are those that the entry commits to, and whether the chosen one is the one that was meant."""
    shown = proof.disclosure
    if entry.payload.kind != Kind.BATCH:
        judge.fails("altered", "entry_is_no_batch", entry.seq)
        return
    try:
        root = root_of_disclosure(shown)
    except FormatError as error:
        judge.breaks("altered", error, entry.seq)
        return
    if root != entry.payload.detail[7]:
        judge.fails("altered", "reading_differs", entry.seq)
    # Should a leaf hold several readings of one time, the last is meant, and the first was by the first provers: nothing else binds it.
    of_time = [place for place, reading in enumerate(shown.readings) if reading.time_ms == proof.time_ms]
    if len(shown.readings) > entry.payload.detail[8] or shown.chosen not in (*of_time[:1], *of_time[-1:]):
        judge.fails("altered", "chosen_differs", entry.seq)


def judge_times(judge: Judge, policy: Policy, entry: Entry, proof: Proof, lower_s: int | None, upper_s: int | None) -> None:
    """Judge the reading's and the entry's own times against the bounds that witnesses give."""
    payload = entry.payload
    judge_not_before(judge, payload, lower_s)
    if upper_s is None:
        judge.unknown("back_dated", "no_upper_bound", entry.seq)
    else:
        judge_not_after(judge, policy, entry.seq, payload.wall_ms, clock=payload.clock, late_is_fine=False, upper_s=upper_s)
    if payload.kind != Kind.BATCH:
        return
    if not payload.detail[0] <= proof.time_ms <= payload.detail[1]:
        judge.fails("back_dated", "reading_outside_batch", entry.seq)
    elif not -READING_AGE_MS <= payload.wall_ms - proof.time_ms <= READING_AGE_MS:
        judge.unknown("back_dated", "reading_far_from_entry", entry.seq, by_s=abs(payload.wall_ms - proof.time_ms) // 1000)


def note_facts(found: Witnessed, policy: Policy) -> dict[str, Any]:
    """Return the checkpoint and its witnesses as plain data."""
    tree = found.checkpoint
    return {"origin": tree.origin, "checkpoint": {"size": tree.size, "root": tree.root.hex()}, "witnesses": found.facts(policy)}


def judge_inclusion(judge: Judge, checkpoint: Checkpoint, entry: Entry, path: Path) -> None:
    """Judge whether a path proves an entry at its own seq in a checkpoint's tree."""
    try:
        root = root_from_inclusion(entry.seq, checkpoint.size, entry.leaf, path)
    except FormatError as error:
        judge.breaks("altered", error, entry.seq)
        return
    if root != checkpoint.root:
        judge.fails("altered", "inclusion_differs", entry.seq)


def _follow(judge: Judge, keys: KeyChain, checkpoint: Checkpoint, links: Sequence[Link]) -> None:
    for link in links:
        rotation = parse(link.entry)
        judge_inclusion(judge, checkpoint, rotation, link.path)
        if not keys.knows(rotation):
            continue  # a rotation before the key that the policy names
        if judge_signer(judge, keys, rotation):
            try:
                keys.rotate(rotation)
            except FormatError as error:
                judge.breaks("altered", error, rotation.seq)


def _facts(entry: Entry, shown: Disclosure, lower: tuple[int, str] | None, upper_s: int | None) -> dict[str, Any]:
    """Return what is shown as plain data; `superseded_by`, a reading, only of one that was superseded within its millisecond."""
    payload, tag = entry.payload, shown.descriptor
    readings = [
        {"time_ms": r.time_ms, "source_ms": r.source_ms, "status": r.status, "quality": quality(r.status), "value": r.value}
        for r in shown.readings
    ]
    return {
        "seq": entry.seq,
        "entry": {"wall_ms": payload.wall_ms, "clock": payload.clock, "boot": payload.boot, "mono_ms": payload.mono_ms},
        "tag": {
            "uid": tag.uid,
            "name": tag.name,
            "asset": tag.asset,
            "unit": tag.unit,
            "type": tag.type,
            "exponent": tag.exponent,
            "source": tag.source,
            "calibration": tag.calibration,
        },
        "reading": readings[shown.chosen],
        "shown_beside": readings[: shown.chosen] + readings[shown.chosen + 1 :],
        "time": {
            "not_before_s": lower[0] if lower else None,
            "not_before_by": lower[1] if lower else None,
            "not_after_s": upper_s,
        },
        **({"superseded_by": readings[shown.newest]} if shown.newest != shown.chosen else {}),
    }


def quality(status: int) -> str:
    """Return the quality word of an OPC UA status code: its two highest bits."""
    return ("good", "uncertain", "bad", "bad")[(status >> 30) & 3]
