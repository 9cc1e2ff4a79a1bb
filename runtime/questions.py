"""What a face can ask of the core besides acts: one table of methods, each with the action that whoever asks must be allowed.

Room: hall. The feed server calls `answer`; `app` fills the table. It holds no answer of its own. A handler that fails in a way that nobody
foresaw costs its own answer (`answer_failed`), never the connection that all pages share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from ledger_client.errors import LedgerError
from runtime.door import refuse_unless_may
from runtime.faces.feed import RequestRefusedError, Session
from runtime.permissions import Actor

UNFORESEEN: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LedgerError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the process that asks, what, with which parameters; `actor()` finds out the person or program behind it.

    It raises RequestRefusedError for a session that is gone, and counts as use of one that is not, unless the param `quiet` is true.
    """

    session: Session
    method: str
    params: Mapping[str, Any]
    actor: Callable[[], Actor]


Handler = Callable[[Asked], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """`action` None: the handler judges by itself who may, or it tells no more than the feed pushes to whoever may open its socket."""

    action: str | None
    handler: Handler


class Questions:
    """The table, by method."""

    def __init__(self, actor: Callable[..., Actor], table: Mapping[str, Question]) -> None:
        """`actor(session, token, quiet=)` is accounts' own: see Asked."""
        self._actor, self._table = actor, dict(table)

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        """Answer a request of the feed. Raises RequestRefusedError."""
        question = self._table.get(method)
        if question is None:
            raise RequestRefusedError("method_unknown", method=method[:80])
        quiet = {"quiet": True} if params.get("quiet") is True else {}  # a page asks by itself: its session is no less idle
        asked = Asked(session, method, params, partial(self._actor, session, params.get("token"), **quiet))
        if question.action is not None:
            refuse_unless_may(asked.actor(), question.action)
        try:
            return await question.handler(asked)
        except UNFORESEEN as error:
            structlog.get_logger("core").error("answer_failed", method=method, detail=type(error).__name__, exc_info=error)
            raise RequestRefusedError("answer_failed", method=method) from error
