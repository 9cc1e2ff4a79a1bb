"""Verdict vectors about acts: approvals under keys that are enrolled, taken back, never shown; alarms and logins as events.

Room: tests. Each is the range of all entries of a small log, or of its end where what came before matters.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ledger_client import cbor
from ledger_client.access_events import ACCESS, LOGIN_FAILED, AccessBody
from ledger_client.alarm_bodies import ALARMS, AlarmRow, AlarmsBody
from ledger_client.approval import act_hash_of, approval_message, person_key
from ledger_client.kinds import Kind
from tests.rigs.evidence import ORIGIN, EvidenceLog
from tests.rigs.person_key import Tablet
from tests.rigs.verdict_logs import Cases, event, with_body
from tests.rigs.verdict_stories import whole

EDWARDS = Tablet(ORIGIN, ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Tablet(ORIGIN, ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
P256 = Tablet(ORIGIN, ec.derive_private_key(4711, ec.SECP256R1()))
PARAMS = {"limit": 31, "note": "n" * 1_200, "ratio": 0.5}


def act_cases(policy: bytes) -> Cases:
    cases = Cases(policy)
    _approvals(cases)
    _events(cases)
    return cases


def command(log: EvidenceLog, number: int, phase: int, code: str, row: list[Any]) -> int:
    """Append an intent (phase 0) or an outcome."""
    body = cbor.encode(row)
    return log.append(Kind.COMMAND, (number.to_bytes(16, "big"), phase, code, len(body), sha256(body).digest()), body)


def enrol(
    log: EvidenceLog, tablet: Tablet | None, *, number: int = 1, name: str = "Bo", code: str = "done", who: str | None = None
) -> None:
    """Enrol a person's key, or take it back; `who` is for whom the key itself says that it is."""
    params = tablet.enrolment(who or name) if tablet else {"key": "", "proof": ""}
    rows = [[key, params[key]] for key in sorted(params)]
    command(log, number, 0, "account.key", [1, "web", f"{name} (session a1)", "account.key", name, rows, None, ""])
    command(log, number, 1, code, [1, []])


def approve(
    log: EvidenceLog, tablet: Tablet, *, name: str = "Bo", session: str = "Bo (session a1)", meaning: str = "approved", **bent: Any
) -> int:
    """Record an act with one approval, signed as it stands but for what is bent afterwards."""
    number, name, meaning = 9, "Bo", "approved"
    digest = act_hash_of(number.to_bytes(16, "big"), "config.edit", "line", PARAMS, 3, "test")
    signature = bytes.fromhex(tablet.sign(approval_message(ORIGIN, meaning, name, log.wall_ms, digest)))
    row: list[Any] = [meaning, name, log.wall_ms, person_key(tablet.raw).cose, bent.get("signature", signature), bent.get("own", 0)]
    row = bent["row"](row) if "row" in bent else row
    long = "sha256:" + sha256(PARAMS["note"].encode()).hexdigest()  # type: ignore[attr-defined]
    rows = [["limit", bent.get("limit", 31)], ["note", long], ["ratio", 0.5]]
    intent = [2, "web", session, "config.edit", "line", rows, 3, "test", bent.get("rows", [row])]
    return command(log, number, 0, "config.edit", intent)


def _approvals(cases: Cases) -> None:
    def told(name: str, sort: Any, *steps: Any, later: bool = False) -> None:
        def story(log: EvidenceLog) -> None:
            for step in steps:
                step(log)

        whole(cases, f"approval-{name}", story, sort, later=later)

    shown = lambda log: enrol(log, EDWARDS)  # noqa: E731 - a step of many stories
    told("holds", "good", shown, lambda log: approve(log, EDWARDS))
    told("holds-p256", "good", lambda log: enrol(log, P256), lambda log: approve(log, P256))
    told("holds-self-approved", "good", shown, lambda log: approve(log, EDWARDS, own=1))
    told("holds-under-the-newer-key", "good", shown, lambda log: enrol(log, OTHER, number=2), lambda log: approve(log, OTHER))
    told("under-the-older-key", "content", shown, lambda log: enrol(log, OTHER, number=2), lambda log: approve(log, EDWARDS))
    told("after-the-key-was-taken-back", "content", shown, lambda log: enrol(log, None, number=2), lambda log: approve(log, EDWARDS))
    told("enrolment-not-shown", "good", lambda log: approve(log, EDWARDS))
    told("enrolment-failed", "good", lambda log: enrol(log, EDWARDS, code="failed"), lambda log: approve(log, EDWARDS))
    told("enrolment-unknown", "good", lambda log: enrol(log, EDWARDS, code="unknown"), lambda log: approve(log, EDWARDS))
    told("enrolment-without-its-key", "content", lambda log: enrol(log, EDWARDS, who="Al"), lambda log: approve(log, EDWARDS))
    told("by-another-key", "content", shown, lambda log: approve(log, OTHER))
    told("of-another-person", "content", shown, lambda log: approve(log, EDWARDS, session="Al (session a1)"))
    told("of-another-meaning", "content", shown, lambda log: approve(log, EDWARDS, row=lambda row: ["reviewed", *row[1:]]))
    told("of-another-time", "content", shown, lambda log: approve(log, EDWARDS, row=lambda row: [*row[:2], row[2] + 1, *row[3:]]))
    told("of-another-parameter", "content", shown, lambda log: approve(log, EDWARDS, limit=32))
    told("signature-bent", "content", shown, lambda log: approve(log, EDWARDS, signature=bytes(64)))
    for name, rows in (("none", []), ("nine", [[1]] * 9), ("shape", [["approved", "Bo"]]), ("no-list", 7)):
        told(f"rows-{name}", "content", shown, lambda log, rows=rows: approve(log, EDWARDS, rows=rows))
    told("own-a-bool", "content", shown, lambda log: approve(log, EDWARDS, own=True))
    later = cbor.encode({1: 7, 3: -48, -1: bytes(60)})
    told(
        "later-algorithm",
        "later version",
        shown,
        lambda log: approve(log, EDWARDS, row=lambda row: [*row[:3], later, *row[4:]]),
        later=True,
    )
    log = EvidenceLog().typical(3)
    shown(log)
    log.batch()
    start = log.size()
    approve(log, EDWARDS)
    log.batch()
    cases.put("range-approval-enrolled-before-the-range", log.range(start, log.size()), "good")
    hidden = with_body(log.range(0, log.size()), start - 3, None)
    cases.put("range-approval-enrolment-withheld", hidden, "withheld")


def _events(cases: Cases) -> None:
    row = AlarmRow("filler/hot", "raised", "normal", "unacked", 5, 0, "high", 81.5, 80, "", "", None, None)
    shelf = AlarmRow("filler/hot", "shelved", "unacked", "shelved", 9, 1, "low", None, True, "Bo", "维修", 99, bytes(16))
    alarms = AlarmsBody((row, shelf), 3).encode()
    access = AccessBody(LOGIN_FAILED, "", "", "10.0.0.7", "web", 4, 5, 9).encode()
    for name, uri, body in (("alarms", ALARMS, alarms), ("access", ACCESS, access)):
        whole(cases, f"event-{name}", lambda log, uri=uri, body=body: event(log, uri, body), "good")
        whole(cases, f"event-{name}-cut", lambda log, uri=uri, body=body: event(log, uri, body[:-1]), "content")
        plain = cbor.decode(body, size_max=9_999, what="x")
        bent = cbor.encode([*plain[:-1], 7.5])
        whole(cases, f"event-{name}-of-another-shape", lambda log, uri=uri, body=bent: event(log, uri, body), "content")
    for name, value in (
        ("nothing", AlarmsBody(()).encode()),
        ("word-unknown", cbor.encode([1, 0, [["a", "exploded", "normal", "unacked", 5, 0, "high", None, None, "", "", None, None]]])),
        ("act-of-15-bytes", cbor.encode([1, 0, [["a", "raised", "normal", "unacked", 5, 0, "high", None, None, "", "", None, bytes(15)]]])),
    ):
        whole(cases, f"event-alarms-{name}", lambda log, body=value: event(log, ALARMS, body), "content")
    large = AccessBody(LOGIN_FAILED, "n" * 4_000, "s" * 200, "", "web", 1, 5, 9).encode()
    whole(cases, "event-access-too-large", lambda log: event(log, ACCESS, large), "content")
