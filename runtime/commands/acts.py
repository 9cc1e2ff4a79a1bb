"""The door's tenants for commands: a person confirms what was shown, and for a high risk a second person approves it.

Room: hall, commands. The door records the intent before `perform` and the outcome after it. Everything that was looked at when the command
was prepared is looked at again. A refusal of a nonce is entered once for each kind, so that a hammering client cannot fill the ledger.
"""

from __future__ import annotations

from typing import Any, Final

from runtime.acts import Act, Outcome, Plain
from runtime.commands.desk import ARGUMENTS_BETWEEN, CommandDesk, Look
from runtime.commands.listed import Point
from runtime.commands.proposals import Proposal
from runtime.commands.tickets import CHANGED, Ticket, same
from runtime.device_write import runs_by_itself, write_and_look
from runtime.door import Tenant
from runtime.door_calls import MethodCaller, call_once
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor
from runtime.setpoint import HIGH, is_as_shown

WAITS: Final = "command_waits"
UNSURE: Final = frozenset({"unknown", "write_unknown", "write_not_verified"})
LASTING: Final = frozenset({"command_value_changed", "command_config_changed"})
"""Refusals that a proposal cannot outlive."""
OWN: Final = "command_own_proposal"
NOT_NAMED: Final = "command_approver_not_named"
UNSIGNED: Final = "command_approval_unsigned"


class Carrying:
    """What confirming and approving have in common: look again, write or call, and say what came of it."""

    def __init__(self, desk: CommandDesk, caller: MethodCaller) -> None:
        self.desk, self._caller = desk, caller

    async def look_again(self, kept: Ticket | Proposal) -> tuple[Point, Look]:
        """Return how a command stands that was seen some time ago. Raises RequestRefusedError where it may not be done any more."""
        if kept.revision != self.desk.revision:
            raise RequestRefusedError("command_config_changed", revision=self.desk.revision)
        point = self.desk.point(kept.target)
        look = await self.desk.look(point, kept.value)
        look.require()
        if kept.revision != self.desk.revision:
            raise RequestRefusedError("command_config_changed", revision=self.desk.revision)
        tag = point.tag
        if tag is None or is_as_shown(kept.old, look.old, tag, point.rules.tolerance) or runs_by_itself(self.desk.writer, tag):
            return point, look
        raise RequestRefusedError("command_value_changed", seen=_shown(kept.old), now=_shown(look.old))

    async def carry_out(self, point: Point, kept: Ticket | Proposal, look: Look, who: dict[str, Plain]) -> Outcome:
        """Write or call, once. Nothing is awaited between `look` and this but the keeping of a move, after which it is looked at again."""
        told: dict[str, Plain] = {**who, "old": look.old, "conditions": "; ".join(each.text() for each in look.conditions)}
        await self.desk.keep_move(point, kept.value, look.old)
        self.desk.unsure.add(point.target)  # until it is known: also when this is interrupted
        if point.tag is not None:
            outcome = await write_and_look(self.desk.writer, self.desk.clock, point.tag, kept.value, point.rules)
        else:
            assert point.method is not None
            arguments = str(kept.value).split(ARGUMENTS_BETWEEN) if kept.value else []
            outcome = await call_once(self._caller, point.device, point.method.owner, point.method.method, arguments)
        if outcome.code not in UNSURE:
            self.desk.unsure.discard(point.target)
        return Outcome(outcome.code, {**told, **outcome.params})


class ConfirmCommand:
    """`command.confirm`: target, and params `nonce`, `value` and `old` as `command.prepare` gave them."""

    def __init__(self, carrying: Carrying) -> None:
        self._carrying, self._desk = carrying, carrying.desk

    async def check(self, act: Act) -> None:
        """See Tenant."""
        actor, ticket = act.actor, self._ticket(act)
        fault = self._fault(act, actor, ticket)
        if fault is not None and fault in ticket.told:
            raise RequestRefusedError(fault)
        if fault is None:
            self._desk.require_rank(actor, self._desk.point(ticket.target))

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        actor, ticket = act.actor, self._ticket(act)
        fault = self._fault(act, actor, ticket)
        if fault is not None:
            ticket.told.add(fault)
            return Outcome(fault)
        ticket.spent = True
        point, look = await self._carrying.look_again(ticket)
        if point.rules.risk == HIGH:
            return self._propose(act, actor, ticket)
        return await self._carrying.carry_out(point, ticket, look, {})

    def _propose(self, act: Act, actor: Actor, ticket: Ticket) -> Outcome:
        clock, within_s = self._desk.clock, self._desk.config.commands.approve_within_s
        if self._desk.proposals.is_full(clock.mono_ms()):
            raise RequestRefusedError("command_too_many_wait")
        key, within_ms = self._desk.new_id(), round(within_s * 1000)
        proposal = Proposal(
            key, actor, ticket.target, ticket.value, ticket.old, ticket.revision, act.reason, clock.wall_ms(), clock.mono_ms() + within_ms
        )
        self._desk.proposals.add(proposal)
        return Outcome(WAITS, {"proposal": key, "until_ms": clock.wall_ms() + within_ms, "old": ticket.old})

    def _ticket(self, act: Act) -> Ticket:
        nonce = act.params.get("nonce")
        if set(act.params) != {"nonce", "value", "old"} or not isinstance(nonce, str):
            raise RequestRefusedError("command_shape")
        ticket = self._desk.tickets.find(nonce)
        if ticket is None:
            raise RequestRefusedError("command_ticket_unknown")
        return ticket

    def _fault(self, act: Act, actor: Actor, ticket: Ticket) -> str | None:
        value, old = _value(act.params["value"]), _value(act.params["old"])
        return ticket.fault(actor, act.target, value, old, self._desk.clock.mono_ms())


class ApproveCommand:
    """`command.approve`: target, and params `proposal`, `value` and `old` of a command that waits."""

    def __init__(self, carrying: Carrying) -> None:
        self._carrying, self._desk = carrying, carrying.desk

    async def check(self, act: Act) -> None:
        """See Tenant."""
        proposal = self._proposal(act)
        fault = self._fault(act, act.actor, proposal)
        if fault is not None and fault in proposal.told:
            raise RequestRefusedError(fault)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant. What the plant forbids now may be approved later; what was changed since never."""
        actor, proposal = act.actor, self._proposal(act)
        fault = self._fault(act, actor, proposal)
        if fault is not None:
            proposal.told.add(fault)
            return Outcome(fault)
        try:
            point, look = await self._carrying.look_again(proposal)
        except RequestRefusedError as refused:
            if refused.code in LASTING:
                self._desk.proposals.drop(proposal.id)
            raise
        self._proposal(act)  # who asked may have left while the device was read
        self._desk.proposals.drop(proposal.id)
        who: dict[str, Plain] = {"requested_by": proposal.actor.text, "confirmed_by": actor.text, "requested_why": proposal.reason}
        if not _is_second(actor, proposal):
            who["self_approved"] = True
        return await self._carrying.carry_out(point, proposal, look, who)

    def approves_own(self, act: Act) -> bool:
        """See door.ApprovesOthers. Raises RequestRefusedError where nothing waits."""
        return not _is_second(act.actor, self._proposal(act))

    def _proposal(self, act: Act) -> Proposal:
        key = act.params.get("proposal")
        if set(act.params) != {"proposal", "value", "old"} or not isinstance(key, str):
            raise RequestRefusedError("command_shape")
        proposal = self._desk.proposals.find(key, self._desk.clock.mono_ms())
        if proposal is None:
            raise RequestRefusedError("command_proposal_gone")
        return proposal

    def _fault(self, act: Act, actor: Actor, proposal: Proposal) -> str | None:
        value, old = _value(act.params["value"]), _value(act.params["old"])
        if act.target != proposal.target or not same(value, proposal.value) or not same(old, proposal.old):
            return CHANGED
        if not _is_second(actor, proposal) and not (self._desk.self_approval() and actor.fresh):
            return OWN
        named = self._desk.point(proposal.target).rules.approvers
        if named and actor.name not in named:
            return NOT_NAMED
        wanted = actor.key is not None or self._desk.config.commands.signed_approvals
        return UNSIGNED if wanted and not any(each.meaning == "approved" for each in act.approvals) else None


def tenants(desk: CommandDesk, caller: MethodCaller) -> dict[str, Tenant]:
    """Return the door's tenants by action."""
    carrying = Carrying(desk, caller)
    return {"command.confirm": ConfirmCommand(carrying), "command.approve": ApproveCommand(carrying)}


def _is_second(actor: Actor, proposal: Proposal) -> bool:
    """Tell whether who approves is another person than who asked, or who made the program that asked: one with a name.

    Whoever sits at the machine may be anybody.
    """
    return actor.kind == "person" and actor.name not in {proposal.actor.name, proposal.actor.made_by}


def _value(given: Plain) -> Any:
    return None if isinstance(given, bytes) else given


def _shown(value: Plain | None) -> str:
    return str(value)
