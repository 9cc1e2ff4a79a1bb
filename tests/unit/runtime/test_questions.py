"""The table of a core's questions: who may ask, what nobody asks, and a handler that fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.faces.feed import RequestRefusedError, Session
from runtime.faces.feed_client import FeedClient
from runtime.faces.feed_server import FeedServer
from runtime.faces.web.problems import status_of
from runtime.permissions import Actor, Role
from runtime.questions import Asked, Question, Questions
from tests.rigs.feed_plant import Plant, until
from tests.simulation.loop import VirtualClock, run

SESSION = Session("web", 1)


def actor_of(_: Session, token: Any) -> Actor:
    if token == "gone":
        raise RequestRefusedError("session_gone")
    return Actor("ann", frozenset({Role(token)}), "s1", fresh=True, kind="person")


def table() -> dict[str, Question]:
    async def echo(asked: Asked) -> Any:
        return [asked.method, asked.actor().name]

    async def broken(_: Asked) -> Any:
        return {}["nothing"]

    async def open_to_all(_: Asked) -> Any:
        return "seen"

    return {"echo": Question("view.config", echo), "broken": Question(None, broken), "open": Question(None, open_to_all)}


def answer(method: str, token: str) -> Any:
    async def program(_: VirtualClock) -> Any:
        return await Questions(actor_of, table()).answer(SESSION, method, {"token": token})

    return run(program, seed=1)


def test_an_answer_is_for_whoever_may_ask() -> None:
    assert answer("echo", "engineer") == ["echo", "ann"]
    with pytest.raises(RequestRefusedError, match="permission_denied"):
        answer("echo", "viewer")
    with pytest.raises(RequestRefusedError, match="session_gone"):
        answer("echo", "gone")


def test_a_question_without_an_action_does_not_look_who_asks() -> None:
    assert answer("open", "gone") == "seen"


def test_a_handler_that_fails_costs_its_own_answer_and_the_connection_lives_on(tmp_path: Path) -> None:
    async def program() -> None:
        plant, links = Plant(1), []
        questions = Questions(actor_of, table())
        server = FeedServer(tmp_path / "f.sock", plant, plant, plant, questions.answer, tick_s=0.01)
        client = FeedClient(tmp_path / "f.sock", "web", lambda what, data: links.append(data) if what == "link" else None)
        async with server, client, asyncio.TaskGroup() as group:
            tasks = [group.create_task(each()) for each in (server.run, client.run)]
            await until(lambda: client.connected)
            for _ in range(20):
                with pytest.raises(RequestRefusedError, match="answer_failed"):
                    await client.request("broken", {"token": "viewer"}, 5)
                with pytest.raises(RequestRefusedError, match="session_gone"):
                    await client.request("echo", {"token": "gone"}, 5)
            assert await client.request("echo", {"token": "engineer"}, 5) == ["echo", "ann"]
            assert links == [True], "one connection all the time"
            for task in tasks:
                task.cancel()

    asyncio.run(program())


def test_a_page_says_that_it_is_our_fault() -> None:
    assert (status_of("answer_failed"), status_of("method_unknown"), status_of("session_gone")) == (500, 501, 401)


def test_what_nobody_asks_and_what_fails_are_refusals() -> None:
    for method, code in (("nothing", "method_unknown"), ("broken", "answer_failed")):
        with pytest.raises(RequestRefusedError) as refused:
            answer(method, "viewer")
        assert (refused.value.code, refused.value.params) == (code, {"method": method})
