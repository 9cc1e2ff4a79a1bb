"""What a cosigned checkpoint is worth under a policy, and what its times say about an entry. Pure.

Room: ground. The proof, range and ledger verifiers call it; so does the proof builder, to pick a note that will convince. Witness
times are POSIX seconds, the gateway's own are ms. Source: docs/ledger-format.md sections 7, 9 and 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger_client.checkpoint import Checkpoint, parse_checkpoint
from ledger_client.claims import Judge
from ledger_client.entry import Payload
from ledger_client.errors import FormatError
from ledger_client.key_chain import KeyChain
from ledger_client.kinds import ClockState, Kind
from ledger_client.note import Note, device_note_key, parse_note, verified_by
from ledger_client.policy import Policy
from ledger_client.receipt import Receipt

TOLERANCE_MS: Final = 5_000
"""How far the gateway's clock may be outside the bounds that witnesses give before that counts."""
DRIFT_S: Final = 3_600
"""How far a clock may be outside that its entry calls battery-backed or stepped: then the time is not known, rather than false."""
READING_AGE_MS: Final = 120_000
"""How long before its entry a reading may have been made before that counts: the longest batch and as much again."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A note whose cosignatures by the policy's witnesses hold. `cosigned` is time in s by the policy's witness name."""

    note: Note
    checkpoint: Checkpoint
    cosigned: dict[str, int] = field(default_factory=dict)

    def quorum_s(self, policy: Policy) -> int | None:
        """Return when the quorum was complete, None when it is not."""
        return policy.quorum_time_s(self.cosigned)

    def facts(self, policy: Policy) -> list[dict[str, Any]]:
        """Return who cosigned and when, earliest first, as plain data."""
        return [
            {"name": name, "key": policy.witnesses[name].vkey, "time_s": time_s, "operator": policy.operators.get(name)}
            for name, time_s in sorted(self.cosigned.items(), key=lambda pair: (pair[1], pair[0]))
        ]


def witnessed(text: str, policy: Policy) -> Witnessed:
    """Read a cosigned checkpoint. Raises FormatError: no checkpoint, or a known witness's signature that does not hold."""
    note = parse_note(text)
    found = verified_by(note, policy.witnesses.values())
    cosigned = {policy.name_of(key): time_s for key, time_s in found if time_s is not None}
    return Witnessed(note, parse_checkpoint(note.text), cosigned)


def signed_by_log(note: Note, checkpoint: Checkpoint, keys: KeyChain) -> bool:
    """Tell whether a device key in force at that size signed the note. Raises FormatError for a signature that does not hold."""
    in_force = {key.raw: key for size in (checkpoint.size - 1, checkpoint.size) for key in keys.at(size)}
    return bool(verified_by(note, [device_note_key(checkpoint.origin, key) for key in in_force.values()]))


def not_before_s(receipt: Receipt, policy: Policy) -> tuple[int, str] | None:
    """Return the latest cosignature time in a receipt and its witness's name: nothing that names the receipt is older.

    None when no witness of the policy signed it. Raises FormatError for evidence that does not hold.
    """
    times = [(time_s, policy.name_of(key)) for key, time_s in receipt.cosigned(policy.witnesses.values())]
    return max(times) if times else None


def judge_not_before(judge: Judge, payload: Payload, lower_s: int | None) -> None:
    """Hold an entry's own time against the newest cosignature that it knew."""
    if lower_s is not None and payload.wall_ms < lower_s * 1000 - TOLERANCE_MS:
        _judge_outside(judge, "dated_before_it_was_possible", payload.seq, payload.clock, lower_s - payload.wall_ms // 1000)


def says_nothing_of_its_time(kind: int) -> bool:
    """Whether an entry may be confirmed late: receipts are always confirmed by the next anchoring only, after a stop perhaps days on."""
    return kind in {Kind.RECEIPTS, Kind.CLOSE}


def judge_not_after(judge: Judge, policy: Policy, seq: int, wall_ms: int, *, clock: int, late_is_fine: bool, upper_s: int) -> None:
    """Hold an entry's own time against the moment when a quorum had cosigned it.

    A late confirmation contradicts nothing, but within that time the entry could have been made up: beyond the policy's
    max-anchor-gap the claim becomes unknown, except for entries with `late_is_fine`.
    """
    late_s = upper_s - wall_ms // 1000
    if wall_ms > upper_s * 1000 + 999 + TOLERANCE_MS:
        _judge_outside(judge, "dated_after_it_was_confirmed", seq, clock, -late_s)
    elif late_s > policy.max_anchor_gap_s and not late_is_fine:
        judge.unknown("back_dated", "confirmed_late", seq, late_s=late_s, allowed_s=policy.max_anchor_gap_s)


def _judge_outside(judge: Judge, code: str, seq: int, clock: int, by_s: int) -> None:
    """A time outside its bounds is a lie where the clock was called synchronised, or by more than any battery clock drifts."""
    drifted = clock in {ClockState.RTC, ClockState.STEPPED} and by_s <= DRIFT_S
    if clock == ClockState.UNSET or drifted:
        judge.unknown("back_dated", "clock_not_synchronised", seq, by_s=by_s)
    else:
        judge.breaks("back_dated", FormatError(code, by_s=by_s), seq)


def judge_quorum(judge: Judge, policy: Policy, found: Witnessed) -> int | None:
    """Judge `unanchored` and `equivocated` for one checkpoint; return when its quorum was complete (s)."""
    upper_s = found.quorum_s(policy)
    if policy.quorum is None:
        judge.unknown("unanchored", "no_quorum_asked")
        judge.unknown("equivocated", "no_quorum_asked")
    elif upper_s is None:
        judge.fails("unanchored", "quorum_not_met", have=len(found.cosigned))
        judge.unknown("equivocated", "quorum_not_met", have=len(found.cosigned))
    return upper_s


def depend_on_altered(judge: Judge, claims: Sequence[str]) -> None:
    """Where `altered` does not hold, what would follow from it is not known either."""
    if judge.status("altered") != "holds":
        for claim in claims:
            judge.unknown(claim, "depends_on_altered")
