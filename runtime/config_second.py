"""Edits of the configuration that wait for a second person, and the door's tenant that puts one in force.

Room: hall. `door_tenants.ConfigEdit` adds one where `commands.four_eyes` finds that it changes commanding beside something of high risk;
the feed's `config.waiting` shows them. They wait in memory: a restart, an edit that came before, or the session of whoever asked being over
lets one lapse. What whoever sits at the machine edits never waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from drivers.driver import DriverError
from runtime.acts import Act, Outcome, Plain
from runtime.bus_budget import said
from runtime.clock import Clock
from runtime.commands.four_eyes import Changed
from runtime.config_faults import Fault
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor
from runtime.revisions import Revision

WAITS: Final = "config_waits"
GONE: Final = "config_proposal_gone"
DONE: Final = "done"
WAITING_MAX: Final = 8
SHOWN_MAX: Final = 16
KEY_BYTES: Final = 16
Apply = Callable[[Revision, str, str], Awaitable[Mapping[str, Plain]]]


@dataclass(slots=True)
class WaitingEdit:
    """One. `until_ms` is mono time, `made_ms` wall time; `told` the refusals that stand in the ledger already."""

    id: str
    actor: Actor
    face: str
    revision: Revision
    advice: tuple[Fault, ...]
    changed: Changed
    reason: str
    made_ms: int
    until_ms: int
    told: set[str] = field(default_factory=set)

    @property
    def what(self) -> str:
        """What of commanding it changes, in a few words."""
        names, more = self.changed.what[:SHOWN_MAX], len(self.changed.what) - SHOWN_MAX
        return ", ".join(names) + (f" (+{more})" if more > 0 else "")

    def plain(self, now_ms: int) -> dict[str, Any]:
        """Return it for a face; `now_ms` is mono time."""
        return {
            "id": self.id, "by": self.actor.text, "name": self.actor.name, "reason": self.reason, "what": self.what,
            "parent": self.revision.parent, "sha256": self.revision.hash.hex(), "made_ms": self.made_ms,
            "left_ms": max(0, self.until_ms - now_ms),
        }  # fmt: skip


class WaitingEdits:
    """Those that wait, oldest first."""

    def __init__(
        self, current: Callable[[], Revision], clock: Clock, random: Random, is_gone: Callable[[Actor], bool],
        self_approval: Callable[[], bool],
    ) -> None:  # fmt: skip
        """`is_gone`: whether somebody was shut out since; `self_approval`: whether the site lets people approve what they asked for."""
        self.current, self.clock, self.self_approval = current, clock, self_approval
        self._random, self._is_gone = random, is_gone
        self._waiting: dict[str, WaitingEdit] = {}

    def waiting(self) -> list[WaitingEdit]:
        """Return those that have not lapsed."""
        now_ms, number = self.clock.mono_ms(), self.current().number
        self._waiting = {
            key: each
            for key, each in self._waiting.items()
            if now_ms < each.until_ms and each.revision.parent == number and not self._is_gone(each.actor)
        }
        return list(self._waiting.values())

    def add(self, act: Act, revision: Revision, advice: tuple[Fault, ...], changed: Changed) -> Outcome:
        """Let an edit wait. Raises RequestRefusedError where too many do."""
        if len(self.waiting()) >= WAITING_MAX:
            raise RequestRefusedError("command_too_many_wait")
        within_ms = round(self.current().config.commands.approve_within_s * 1_000)
        key, until_ms = self._random.randbytes(KEY_BYTES).hex(), self.clock.mono_ms() + within_ms
        edit = WaitingEdit(key, act.actor, act.face, revision, advice, changed, act.reason, self.clock.wall_ms(), until_ms)
        self._waiting[key] = edit
        return Outcome(WAITS, {"proposal": key, "until_ms": edit.made_ms + within_ms, "what": edit.what, "sha256": revision.hash.hex()})

    def find(self, key: object) -> WaitingEdit:
        """Return one that waits. Raises RequestRefusedError `config_proposal_gone`."""
        found = next((each for each in self.waiting() if each.id == key), None)
        if found is None:
            raise RequestRefusedError(GONE)
        return found

    def drop(self, key: str) -> None:
        """It waits no more."""
        self._waiting.pop(key, None)

    def answer(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the feed's `config.waiting`: all of them, or with `id` one with its text. Raises RequestRefusedError."""
        if "id" in params:
            found = self.find(params["id"])
            return {**found.plain(self.clock.mono_ms()), "text": found.revision.text}
        now_ms = self.clock.mono_ms()
        return {"waiting": [each.plain(now_ms) for each in self.waiting()], "self_approval": self.self_approval()}


class ApproveEdit:
    """`config.approve`: params `proposal`, and `sha256` of the text that was looked at."""

    def __init__(self, edits: WaitingEdits, apply: Apply) -> None:
        """`apply` as that of `door_tenants.ConfigEdit`."""
        self._edits, self._apply = edits, apply

    async def check(self, act: Act) -> None:
        """See Tenant."""
        edit = self._edit(act)
        fault = self._fault(act, edit)
        if fault is not None and fault in edit.told:
            raise RequestRefusedError(fault)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        edit = self._edit(act)
        fault = self._fault(act, edit)
        if fault is not None:
            edit.told.add(fault)
            return Outcome(fault)
        who: dict[str, Plain] = {"requested_by": edit.actor.text, "confirmed_by": act.actor.text, "requested_why": edit.reason}
        by = f"{edit.face} {edit.actor.text}, approved by {act.actor.text}"
        if not _is_second(act.actor, edit):
            who["self_approved"], by = True, f"{by}, SELF-APPROVED"
        try:
            done = await self._apply(edit.revision, by, edit.reason)
        except DriverError as error:
            self._edits.drop(edit.id)
            return Outcome(error.cause, {**who, **error.params})
        self._edits.drop(edit.id)
        return Outcome(DONE, {**who, **done, **said(edit.advice)})

    def approves_own(self, act: Act) -> bool:
        """See door.ApprovesOthers. Raises RequestRefusedError where nothing waits."""
        return not _is_second(act.actor, self._edit(act))

    def _edit(self, act: Act) -> WaitingEdit:
        if set(act.params) != {"proposal", "sha256"}:
            raise RequestRefusedError("act_shape")
        return self._edits.find(act.params["proposal"])

    def _fault(self, act: Act, edit: WaitingEdit) -> str | None:
        if act.params["sha256"] != edit.revision.hash.hex():
            return "config_approve_changed"
        if not _is_second(act.actor, edit) and not (self._edits.self_approval() and act.actor.fresh):
            return "command_own_proposal"
        if any(act.actor.name not in named for named in edit.changed.approvers):
            return "command_approver_not_named"
        wanted = act.actor.key is not None or self._edits.current().config.commands.signed_approvals
        return "command_approval_unsigned" if wanted and not any(each.meaning == "approved" for each in act.approvals) else None


def _is_second(actor: Actor, edit: WaitingEdit) -> bool:
    """Tell whether who approves is another person than who asked: one with a name. Whoever sits at the machine may be anybody."""
    return actor.kind == "person" and actor.name != edit.actor.name
