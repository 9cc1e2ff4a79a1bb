"""Tickets: what a person was shown, kept until it is confirmed, and bound to the person, the session, the tag and the value. Pure.

Room: hall, commands. The desk makes one for each command that may be done and looks for it when it is confirmed. Times are given. A ticket
lasts as long as the process: after a restart a person prepares anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drivers.reading import Value
from runtime.permissions import Actor

KEPT_MAX: Final = 256
"""Tickets remembered, spent ones too, so that a second use is called a second use."""
OPEN_MAX_EACH: Final = 8
"""Open tickets of one session; the oldest gives way."""
FOREIGN: Final = "command_ticket_foreign"
SPENT: Final = "command_ticket_spent"
EXPIRED: Final = "command_ticket_expired"
CHANGED: Final = "command_ticket_changed"


@dataclass(slots=True)
class Ticket:
    """One. `until_ms` is mono time; `old` the value that the person saw; `told` the refusals that stand in the ledger already."""

    nonce: str
    actor: Actor
    target: str
    value: Value
    old: Value
    revision: int
    until_ms: int
    spent: bool = False
    told: set[str] = field(default_factory=set)

    def fault(self, actor: Actor, target: str, value: Value, old: Value, now_ms: int) -> str | None:
        """Return why it does not stand for what is confirmed, None when it does."""
        if (self.actor.name, self.actor.session_id, self.actor.kind) != (actor.name, actor.session_id, actor.kind):
            return FOREIGN  # first: whose it is not learns nothing of it
        if self.spent:
            return SPENT
        if now_ms >= self.until_ms:
            return EXPIRED
        if target != self.target or not same(value, self.value) or not same(old, self.old):
            return CHANGED
        return None


class Tickets:
    """Those of a process, oldest first."""

    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}

    def issue(self, ticket: Ticket) -> None:
        """Remember a ticket."""
        mine = [each for each in self._tickets.values() if not each.spent and each.actor.session_id == ticket.actor.session_id]
        for each in mine[: max(0, len(mine) - OPEN_MAX_EACH + 1)]:
            del self._tickets[each.nonce]
        while len(self._tickets) >= KEPT_MAX:
            del self._tickets[next(iter(self._tickets))]
        self._tickets[ticket.nonce] = ticket

    def find(self, nonce: str) -> Ticket | None:
        """Return a ticket, None for one that was never issued or is forgotten."""
        return self._tickets.get(nonce)


def same(one: Value, other: Value) -> bool:
    """Tell whether two values are the same for a person: 21 is 21.0, for a browser writes them alike; 1 is not true."""
    if isinstance(one, bool) or isinstance(other, bool) or not isinstance(one, int | float) or not isinstance(other, int | float):
        return type(one) is type(other) and one == other
    return one == other
