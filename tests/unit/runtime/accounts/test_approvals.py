"""Approvals signed by a person's key: checked before the act, told by the verifier, and not to be made by whoever has the gateway's key."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from ledger_client import cbor
from ledger_client.approval import act_hash_of, read_approvals
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.verify_ledger import verify_ledger
from runtime.acts import command_detail, read_command
from tests.rigs.core import STATE, payloads, verified
from tests.rigs.evidence import EvidenceLog, policy_of
from tests.rigs.field import after
from tests.rigs.people import WEB, People, played
from tests.rigs.person_key import Tablet
from tests.simulation.loop import VirtualClock

ID = b"i" * 16
DAYS = {"gateway.calibration_warn_days": 31}


async def enrolled(people: People, *, edwards: bool = False) -> tuple[Tablet, str, str]:
    """Return the tablet of Bo, an engineer, with the admin's and Bo's token."""
    admin = await people.claim()
    token = await people.add(admin, "Bo", "engineer")
    origin = (await people.ask("account.state"))["origin"]
    tablet = Tablet(origin, ed25519.Ed25519PrivateKey.generate()) if edwards else Tablet(origin)
    assert (await people.act(token, "account.key", "Bo", **tablet.enrolment("Bo")))["code"] == "done"
    return tablet, admin, token


async def edit(people: People, token: str, approval: Any, act_id: bytes = ID) -> dict[str, Any]:
    return await people.now.act("config.edit", act_id=act_id, session=WEB, params=DAYS, expected_revision=1, token=token, approval=approval)


@pytest.mark.parametrize("edwards", [False, True])
def test_an_approval_is_checked_recorded_and_verified(edwards: bool) -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        tablet, _, token = await enrolled(people, edwards=edwards)
        signed = tablet.approval(ID, "config.edit", "", DAYS, revision=1, name="Bo", meaning="authored", time_ms=clock.wall_ms())
        done = await edit(people, token, signed)
        assert done.get("code") == "done", done

    disk = played(program)
    report = verified(disk)
    assert report.facts["approvals"]["holds"] == 1
    row = report.facts["approvals"]["rows"][0]
    assert (row["name"], row["meaning"], row["self_approved"], row["status"]) == ("Bo", "authored", False, "holds")
    assert report.claims["content"].status == "holds"
    reader = LedgerReader(disk, STATE, 1)
    told = [read_command(0, reader.body(p.seq) or b"") for p in payloads(disk) if p.kind == Kind.COMMAND and p.detail[1] == 0]
    assert [each["approvals"][0]["name"] for each in told if "approvals" in each] == ["Bo"]


def test_what_is_signed_otherwise_is_refused_before_anything_is_recorded() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        tablet, _, token = await enrolled(people)
        now_ms = clock.wall_ms()

        def signed(by: Tablet = tablet, **other: Any) -> Any:
            said: dict[str, Any] = {
                "act_id": ID, "action": "config.edit", "target": "", "params": DAYS, "revision": 1, "name": "Bo", "meaning": "authored",
                "time_ms": now_ms, **other,
            }  # fmt: skip
            return by.approval(**said)

        cases: list[tuple[Any, str]] = [
            (signed(params={"gateway.calibration_warn_days": 32}), "approval_signature_wrong"),
            (signed(revision=2), "approval_signature_wrong"),
            (signed(act_id=b"j" * 16), "approval_signature_wrong"),
            (signed(target="b"), "approval_signature_wrong"),
            (signed(name="Ada"), "approval_signature_wrong"),
            (signed() | {"meaning": "reviewed"}, "approval_signature_wrong"),
            (signed() | {"time_ms": now_ms + 1}, "approval_signature_wrong"),
            (signed(by=Tablet(tablet.origin)), "approval_signature_wrong"),
            (signed(by=Tablet("another.example/log", tablet.key)), "approval_signature_wrong"),
            (signed(time_ms=now_ms - 700_000), "approval_time"),
            (signed(meaning="approved"), "approval_own"),
            (signed() | {"meaning": "blessed"}, "approval_shape"),
            (signed() | {"signature": "zz"}, "approval_shape"),
            (signed() | {"signature": 5}, "approval_shape"),
            (signed() | {"time_ms": True}, "approval_shape"),
            (signed() | {"more": 1}, "approval_shape"),
            ("yes", "approval_shape"),
        ]
        before = len(payloads(people.disk))
        for approval, code in cases:
            assert (await edit(people, token, approval)).get("refused") == code, (approval, code)
        await after(clock, 1)
        assert not [p for p in payloads(people.disk)[before:] if p.kind == Kind.COMMAND]
        assert (await edit(people, token, signed()))["code"] == "done"

    played(program)


def test_a_key_that_was_taken_back_while_the_act_waited_signs_it_no_more() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        tablet, _, token = await enrolled(people)
        signed = tablet.approval(ID, "config.edit", "", DAYS, revision=1, name="Bo", meaning="authored", time_ms=clock.wall_ms())
        taken_back, late = await asyncio.gather(people.act(token, "account.key", "Bo", key=""), edit(people, token, signed))
        assert taken_back["code"] == "done"
        assert late == {"refused": "approval_no_key"}

    played(program)


def test_self_approval_needs_the_policy_and_is_marked() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        tablet, admin, token = await enrolled(people)
        signed = tablet.approval(ID, "config.edit", "", DAYS, revision=1, name="Bo", meaning="approved", time_ms=clock.wall_ms())
        assert (await edit(people, token, signed))["refused"] == "approval_own"
        assert (await people.act(admin, "policy.set", "self_approval", value=True))["code"] == "done"
        done = await edit(people, token, signed)
        assert done.get("code") == "done", done

    report = verified(played(program))
    assert [row["self_approved"] for row in report.facts["approvals"]["rows"]] == [True]


def test_a_key_is_enrolled_by_its_owner_who_has_it_and_taken_back() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        tablet, admin, token = await enrolled(people)
        other = Tablet(tablet.origin)
        assert (await people.act(admin, "account.key", "Bo", **other.enrolment("Bo")))["refused"] == "permission_denied"
        assert (await people.act(admin, "account.key", "Ada", **tablet.enrolment("Ada")))["refused"] == "approval_key_taken"
        assert (await people.act(admin, "account.key", "Ada", **other.enrolment("Bo")))["refused"] == "approval_key_unproven"
        stolen = other.enrolment("Ada") | {"key": tablet.raw.hex()}
        assert (await people.act(admin, "account.key", "Ada", **stolen))["refused"] == "approval_key_unproven"
        assert (await people.act(admin, "account.key", "Ada", key="00" * 32, proof="00" * 64))["refused"] == "approval_key_invalid"
        assert (await people.act(token, "account.key", "Bo", key=""))["code"] == "done"
        signed = tablet.approval(ID, "config.edit", "", DAYS, revision=1, name="Bo", meaning="authored", time_ms=clock.wall_ms())
        assert (await edit(people, token, signed))["refused"] == "approval_no_key"

    played(program)


def _log(tablet: Tablet, *, signer: Tablet | None = None, name: str = "Bo", enrol: bool = True, value: int = 5) -> Any:
    """A ledger as whoever has the gateway's key may write it; return its report."""
    log = EvidenceLog().typical(2)

    def command(act_id: bytes, phase: int, code: str, row: list[Any]) -> None:
        body = cbor.encode(row)
        log.append(Kind.COMMAND, command_detail(act_id, phase, code, body), body)

    if enrol:
        rows = [[key, said] for key, said in sorted(tablet.enrolment("Bo").items())]
        command(b"k" * 16, 0, "account.key", [1, "web", "Bo (session 01020304)", "account.key", "Bo", rows, None, "new tablet"])
        command(b"k" * 16, 1, "done", [1, []])
    by = signer or tablet
    said = by.approval(ID, "device.write", "b/slow0", {"value": 5}, name=name, meaning="approved", time_ms=1_790_000_000_000)
    cose = read_key(by)
    approval = ["approved", name, 1_790_000_000_000, cose, bytes.fromhex(said["signature"]), 0]
    row = [2, "web", f"{name} (session 01020304)", "device.write", "b/slow0", [["value", value]], None, "test", [approval]]
    command(ID, 0, "device.write", row)
    command(ID, 1, "done", [1, []])
    return verify_ledger(log, policy_of())


def read_key(tablet: Tablet) -> bytes:
    from ledger_client.approval import person_key

    return person_key(tablet.raw).cose


def test_a_stolen_gateway_key_makes_no_approval_that_holds() -> None:
    tablet = Tablet("t")
    good = _log(Tablet(EvidenceLog.origin, tablet.key))
    assert (good.facts["approvals"]["holds"], good.claims["content"].status) == (1, "holds")
    bo = Tablet(EvidenceLog.origin, tablet.key)
    for report, code in (
        (_log(bo, signer=Tablet(EvidenceLog.origin)), "approval_key_not_theirs"),
        (_log(bo, value=6), "approval_signature_wrong"),
        (_log(bo, enrol=False), "approval_key_never_enrolled"),
        (_log(bo, name="Eve"), "approval_key_never_enrolled"),
    ):
        assert report.facts["approvals"]["fails"] == 1
        assert (report.claims["content"].status, report.claims["content"].code) == ("fails", code)
        assert report.verdict == "fails"


@pytest.mark.parametrize(
    "rows",
    [None, [], [[]], ["x"], [["approved", "Bo", 1, b"", bytes(64), 0]], [["approved", "", 1, b"", bytes(64), 0]], [["approved"] * 6] * 9],
)
def test_an_approval_of_another_shape_is_none(rows: Any) -> None:
    with pytest.raises(FormatError):
        read_approvals(rows)


def test_the_hash_of_an_act_is_of_its_canonical_form() -> None:
    """A second writer of the format, byte by byte, for one act."""
    text = "witnessmark-act/1"
    head = b"\x87" + bytes([0x60 + len(text)]) + text.encode() + b"\x50" + ID
    rest = b"\x6cdevice.write" + b"\x61a" + b"\x82" + b"\x82\x61a\x01" + b"\x82\x61b\xf9\x3e\x00" + b"\xf6" + b"\x63why"
    assert act_hash_of(ID, "device.write", "a", {"b": 1.5, "a": 1}, None, "why") == sha256(head + rest).digest()
