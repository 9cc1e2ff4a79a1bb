"""The table of a core's questions: who may ask, what nobody asks, and a handler that fails."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.faces.feed import RequestRefusedError, Session
from runtime.permissions import Actor, Role
from runtime.questions import Asked, Question, Questions
from tests.simulation.loop import VirtualClock, run

SESSION = Session("web", 1)


def actor_of(_: Session, token: Any) -> Actor:
    if token == "gone":
        raise RequestRefusedError("session_gone")
    return Actor("ann", frozenset({Role(token)}), "s1", fresh=True, kind="person")


def answer(method: str, token: str) -> Any:
    async def program(_: VirtualClock) -> Any:
        async def echo(asked: Asked) -> Any:
            return [asked.method, asked.actor().name]

        async def broken(_: Asked) -> Any:
            return {}["nothing"]

        async def open_to_all(_: Asked) -> Any:
            return "seen"

        table = {"echo": Question("view.config", echo), "broken": Question(None, broken), "open": Question(None, open_to_all)}
        return await Questions(actor_of, table).answer(SESSION, method, {"token": token})

    return run(program, seed=1)


def test_an_answer_is_for_whoever_may_ask() -> None:
    assert answer("echo", "engineer") == ["echo", "ann"]
    with pytest.raises(RequestRefusedError, match="permission_denied"):
        answer("echo", "viewer")
    with pytest.raises(RequestRefusedError, match="session_gone"):
        answer("echo", "gone")


def test_a_question_without_an_action_does_not_look_who_asks() -> None:
    assert answer("open", "gone") == "seen"


def test_what_nobody_asks_and_what_fails_are_refusals() -> None:
    for method, code in (("nothing", "method_unknown"), ("broken", "answer_failed")):
        with pytest.raises(RequestRefusedError) as refused:
            answer(method, "viewer")
        assert (refused.value.code, refused.value.params) == (code, {"method": method})
