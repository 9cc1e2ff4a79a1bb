"""Proposals: confirmed commands of high risk that wait for a second person. Pure.

Room: hall, commands. The desk adds one when a high-risk command is confirmed, and takes it when somebody approves. They last as long as the
process, as long as whoever asked is let in, and no longer than `until_ms`; the entry of the confirmation says until when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.reading import Value
from runtime.permissions import Actor

WAITING_MAX: Final = 32


@dataclass(slots=True)
class Proposal:
    """One. `until_ms` is mono time; `made_ms` wall time; `told` the refusals that stand in the ledger already."""

    id: str
    actor: Actor
    target: str
    value: Value
    old: Value
    revision: int
    reason: str
    made_ms: int
    until_ms: int
    told: set[str] = field(default_factory=set)

    def plain(self, now_ms: int) -> dict[str, Any]:
        """Return it for a face; `now_ms` is mono time."""
        return {
            "id": self.id, "by": self.actor.text, "target": self.target, "value": self.value, "old": self.old, "reason": self.reason,
            "made_ms": self.made_ms, "left_ms": max(0, self.until_ms - now_ms),
        }  # fmt: skip


class Proposals:
    """Those that wait, oldest first."""

    def __init__(self, is_gone: Callable[[Actor], bool]) -> None:
        """`is_gone` tells whether somebody was shut out since: disabled, the session over, the token revoked."""
        self._is_gone = is_gone
        self._waiting: dict[str, Proposal] = {}

    def waiting(self, now_ms: int) -> list[Proposal]:
        """Return those that have not lapsed."""
        self._waiting = {key: each for key, each in self._waiting.items() if now_ms < each.until_ms and not self._is_gone(each.actor)}
        return list(self._waiting.values())

    def is_full(self, now_ms: int) -> bool:
        """Tell whether no more can wait."""
        return len(self.waiting(now_ms)) >= WAITING_MAX

    def add(self, proposal: Proposal) -> None:
        """Let one wait."""
        self._waiting[proposal.id] = proposal

    def find(self, key: str, now_ms: int) -> Proposal | None:
        """Return one that waits."""
        return next((each for each in self.waiting(now_ms) if each.id == key), None)

    def drop(self, key: str) -> None:
        """It waits no more: carried out, or it can never be."""
        self._waiting.pop(key, None)
