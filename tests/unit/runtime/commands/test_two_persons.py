"""Commands of high risk: a second person, with a session of their own. The tenants are asked as the door asks them, for several people."""

from __future__ import annotations

import dataclasses

import pytest

from ledger_client.approval import Approval, person_key
from runtime.door import ApprovesOthers
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor, local_actor
from tests.rigs.field import after
from tests.rigs.office import HIGH, Office
from tests.rigs.person_key import Tablet
from tests.simulation.loop import VirtualClock, run


def test_a_second_person_lets_it_happen_and_both_are_named() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        assert [each["by"] for each in office.desk.state()["waiting"]] == ["alice (session session of alice)"]
        assert (await office.approve("alice", proposal, seen)).code == "command_own_proposal"
        assert (await office.approve("alice", proposal, seen)).params == {"code": "command_own_proposal"}, "entered once"
        done = await office.approve("bob", proposal, seen)
        assert done.code == "done"
        assert (done.params["requested_by"], done.params["confirmed_by"], done.params["requested_why"]) == (
            "alice (session session of alice)",
            "bob (session session of bob)",
            "because",
        )
        assert "self_approved" not in done.params
        assert office.machine.written == [("slow0", 20)]
        assert (await office.approve("carol", proposal, seen)).params == {"code": "command_proposal_gone"}
        assert office.desk.state()["waiting"] == []

    run(program, seed=1)


def test_who_made_the_program_that_asks_is_no_second_person() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, HIGH.replace("write = {", "write = { programs = true,"))
        may = frozenset({"command.prepare", "command.confirm"})
        program = Actor("plc", frozenset(), "t1", fresh=False, kind="token", scope=may, made_by="alice")
        seen = await office.desk.prepare(program, {"target": "b/slow0", "value": 20})
        asked = office.act("alice", "command.confirm", "b/slow0", {key: seen[key] for key in ("nonce", "value", "old")})
        waits = await office.ask(dataclasses.replace(asked, actor=program))
        assert waits.code == "command_waits"
        assert (await office.approve("alice", waits.params["proposal"], seen)).code == "command_own_proposal"
        assert office.machine.written == []
        assert (await office.approve("bob", waits.params["proposal"], seen)).code == "done"

    run(program, seed=1)


def test_who_approves_must_see_what_is_written() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        assert (await office.approve("bob", proposal, seen | {"value": 30})).code == "command_ticket_changed"
        assert (await office.approve("bob", proposal, seen)).code == "done"

    run(program, seed=1)


def test_what_the_plant_forbids_now_waits_on_and_what_changed_does_not() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        clock.step(0, 0)
        assert (await office.approve("bob", proposal, seen)).code == "command_clock_untrusted"
        clock.step(0, 2)
        office.machine.value = 11
        assert (await office.approve("bob", proposal, seen)).code == "command_value_changed"
        assert (await office.approve("bob", proposal, seen)).params == {"code": "command_proposal_gone"}
        office.machine.value = 10
        seen, proposal = await office.proposed()
        office.number = 2
        assert (await office.approve("bob", proposal, seen)).code == "command_config_changed"
        assert office.desk.state()["waiting"] == []
        assert office.machine.written == []

    run(program, seed=1)


def test_what_waits_too_long_lapses_and_only_so_much_waits() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        await after(clock, 901)
        assert (await office.approve("bob", proposal, seen)).params == {"code": "command_proposal_gone"}
        for _ in range(32):
            await office.proposed()
        assert (await office.confirm("alice", await office.seen("alice"))).code == "command_too_many_wait"

    run(program, seed=1)


def test_only_who_is_named_approves() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, HIGH.replace('risk = "high"', 'risk = "high", approvers = ["carol"]'))
        seen, proposal = await office.proposed()
        assert (await office.approve("bob", proposal, seen)).code == "command_approver_not_named"
        assert (await office.approve("carol", proposal, seen)).code == "done"

    run(program, seed=1)


def test_where_the_site_allows_it_ones_own_is_approved_and_marked() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        office.self_approval = True
        done = await office.approve("alice", proposal, seen)
        assert (done.code, done.params["self_approved"]) == ("done", True)

    run(program, seed=1)


def test_whoever_sits_at_the_machine_is_no_second_person() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        params = {"proposal": proposal, "value": seen["value"], "old": seen["old"]}
        act = office.act("", "command.approve", "b/slow0", params)
        local = dataclasses.replace(act, actor=local_actor("cli", 0, own_uid=0))
        assert (await office.ask(local)).code == "command_own_proposal"
        office.self_approval = True
        assert (await office.ask(local)).params["self_approved"] is True

    run(program, seed=1)


def test_whoever_has_a_key_of_their_own_signs() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        params = {"proposal": proposal, "value": seen["value"], "old": seen["old"]}
        plain = office.act("bob", "command.approve", "b/slow0", params)
        keyed = dataclasses.replace(plain, actor=dataclasses.replace(plain.actor, key="a5"))
        assert (await office.ask(keyed)).code == "command_approval_unsigned"
        key = person_key(Tablet("o").raw)
        authored, approved = (Approval(meaning, "bob", 0, key, bytes(64)) for meaning in ("authored", "approved"))
        assert (await office.ask(dataclasses.replace(keyed, approvals=(authored,)))).params == {"code": "command_approval_unsigned"}
        assert (await office.ask(dataclasses.replace(keyed, approvals=(approved,)))).code == "done", "the door has checked it"
        strict = Office(clock, more="[commands]\nsigned_approvals = true\n")
        seen, proposal = await strict.proposed()
        assert (await strict.approve("bob", proposal, seen)).code == "command_approval_unsigned"

    run(program, seed=1)


def test_a_ticket_belongs_to_a_person_and_a_session() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, HIGH.replace("high", "normal"))
        seen = await office.seen("alice")
        assert (await office.confirm("bob", seen)).code == "command_ticket_foreign"
        assert (await office.confirm("bob", seen)).params == {"code": "command_ticket_foreign"}, "entered once"
        assert (await office.confirm("alice", seen)).code == "done", "it is still hers"

    run(program, seed=1)


def test_a_technician_writes_what_is_of_low_risk_only() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, HIGH.replace("high", "low"))
        assert (await office.confirm("tina", await office.seen("tina", role="technician"))).code == "done"
        for risk in ("normal", "high"):
            with pytest.raises(RequestRefusedError, match="permission_denied"):
                await Office(clock, HIGH.replace("high", risk)).seen("tina", role="technician")

    run(program, seed=1)


def test_a_technician_turns_read_only_on_and_an_engineer_off() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        on, off = ({"on": True}, {"on": False})
        assert (await office.ask(office.act("tina", "gateway.read_only", "", on, "technician"))).code == "done"
        refused = await office.ask(office.act("tina", "gateway.read_only", "", off, "technician"))
        assert (refused.code, refused.params) == ("refused", {"code": "permission_denied"})
        assert (await office.ask(office.act("eve", "gateway.read_only", "", off))).code == "done"

    run(program, seed=1)


def test_people_and_programs_have_no_shorter_way() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, HIGH.replace("high", "low"))
        act = office.act("eve", "device.write", "b/slow0", {"value": 20})
        assert (await office.ask(act)).params == {"code": "command_needs_confirming"}
        token = dataclasses.replace(office.actor("mes"), kind="token", scope=frozenset({"command.prepare", "device.write"}))
        assert (await office.ask(dataclasses.replace(act, actor=token))).params == {"code": "command_needs_confirming"}
        call = office.act("eve", "device.call", "b", {"object": "o", "method": "m"})
        assert (await office.ask(call)).params == {"code": "command_needs_confirming"}
        with pytest.raises(RequestRefusedError, match="command_not_for_programs"):
            await office.desk.prepare(token, {"target": "b/slow0", "value": 20})
        opened = Office(clock, HIGH.replace('"high"', '"normal", programs = true'))
        seen = await opened.desk.prepare(token, {"target": "b/slow0", "value": 20})
        params = {key: seen[key] for key in ("nonce", "value", "old")}
        assert (await opened.ask(dataclasses.replace(act, actor=token, action="command.confirm", params=params))).code == "done"
        with pytest.raises(RequestRefusedError, match="permission_denied"):
            await office.desk.prepare(dataclasses.replace(token, scope=frozenset()), {"target": "b/slow0", "value": 20})

    run(program, seed=1)


def test_open_tickets_of_a_session_are_few_and_the_oldest_gives_way() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, HIGH.replace("high", "normal"))
        tickets = [await office.seen("alice") for _ in range(9)]
        hers = await office.seen("bob")
        assert (await office.confirm("alice", tickets[0])).params == {"code": "command_ticket_unknown"}
        assert (await office.confirm("bob", hers)).code == "done", "nobody's flood takes another's ticket"

    run(program, seed=1)


def test_the_door_is_told_whether_who_approves_is_who_asked() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock)
        seen, proposal = await office.proposed()
        params = {"proposal": proposal, "value": seen["value"], "old": seen["old"]}
        tenant = office.tenants["command.approve"]
        assert isinstance(tenant, ApprovesOthers)
        assert [tenant.approves_own(office.act(name, "command.approve", "b/slow0", params)) for name in ("alice", "bob")] == [True, False]
        with pytest.raises(RequestRefusedError, match="command_proposal_gone"):
            tenant.approves_own(office.act("bob", "command.approve", "b/slow0", params | {"proposal": "none"}))
        assert not isinstance(office.tenants["command.confirm"], ApprovesOthers)

    run(program, seed=1)
