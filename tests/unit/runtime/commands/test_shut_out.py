"""Who asked for a command and was shut out since: what they asked for waits no more, whoever would approve it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.faces.feed import Session
from tests.rigs.commands import LIMITS, Scene, play, story
from tests.rigs.field import after
from tests.rigs.people import PASSWORD, People

WEB = Session("web", 0)
HIGH = LIMITS.replace("max_step", 'risk = "high", programs = true, max_step')


async def ask(it: Scene, token: str, value: int = 20) -> tuple[dict[str, Any], str]:
    """Prepare and confirm a command of high risk; return what was seen and the proposal."""
    seen = await it.now.core.answer(WEB, "command.prepare", {"target": "b/slow0", "value": value, "token": token})
    params = {key: seen[key] for key in ("nonce", "value", "old")}
    waits = await it.now.act("command.confirm", "b/slow0", session=WEB, params=params, token=token)
    assert waits["code"] == "command_waits", waits
    return seen, waits["params"]["proposal"]


async def approve(it: Scene, token: str, seen: dict[str, Any], proposal: str) -> dict[str, Any]:
    params = {"proposal": proposal, "value": seen["value"], "old": seen["old"]}
    return await it.now.act("command.approve", "b/slow0", session=WEB, params=params, token=token)


def waiting(it: Scene) -> int:
    count: int = it.now.health()["writes"]["waiting"]
    return count


@pytest.mark.parametrize("how", ["disabled", "logged out", "roles", "session ended", "left alone"])
def test_a_person(how: str) -> None:
    async def scene(it: Scene) -> None:
        people = People(it.now, it.disk)
        admin = await people.claim()
        alice, bob = [await people.add(admin, name, "engineer") for name in ("alice", "bob")]
        seen, proposal = await ask(it, alice)
        assert waiting(it) == 1
        session = (await people.ask("account.who", token=alice))["session"]
        match how:
            case "disabled":
                assert (await people.act(admin, "account.disable", "alice"))["code"] == "done"
            case "roles":
                assert (await people.act(admin, "account.roles", "alice", roles="viewer"))["code"] == "done"
            case "logged out":
                await people.ask("account.logout", token=alice)
            case "session ended":
                assert (await people.act(admin, "session.end", session))["code"] == "done"
            case "left alone":
                await after(it.clock, 200)
                await people.ask("account.who", token=bob)
                await after(it.clock, 100)
        assert waiting(it) == 0
        await people.ask("account.again", token=bob, password=PASSWORD.format("bob"))
        assert (await approve(it, bob, seen, proposal))["refused"] == "command_proposal_gone"
        assert it.b.written == []

    play(scene, limits=HIGH, more="[accounts]\nidle_min = 5\n")


def test_a_program_whose_token_was_revoked() -> None:
    async def scene(it: Scene) -> None:
        people = People(it.now, it.disk)
        admin = await people.claim()
        bob = await people.add(admin, "bob", "engineer")
        made = await people.act(admin, "token.create", "mes", actions="command.prepare command.confirm", days=1)
        seen, proposal = await ask(it, made["told"]["token"])
        assert waiting(it) == 1
        assert (await people.act(admin, "token.revoke", made["params"]["token_id"]))["code"] == "done"
        assert waiting(it) == 0
        assert (await approve(it, bob, seen, proposal))["refused"] == "command_proposal_gone"
        assert it.b.written == []

    play(scene, limits=HIGH)


def test_who_leaves_while_the_device_is_read_for_the_approval() -> None:
    async def scene(it: Scene) -> None:
        people = People(it.now, it.disk)
        admin = await people.claim()
        alice, bob = [await people.add(admin, name, "engineer") for name in ("alice", "bob")]
        seen, proposal = await ask(it, alice)
        read = it.b.read

        async def meanwhile(group: Any, deadline_s: float) -> Any:
            if group.uid < 0:
                await people.ask("account.logout", token=alice)
            return await read(group, deadline_s)

        it.b.read = meanwhile  # type: ignore[method-assign]
        assert (await approve(it, bob, seen, proposal))["code"] == "command_proposal_gone"
        assert it.b.written == []

    assert story(play(scene, limits=HIGH))[-1] == "-> command_proposal_gone"


def test_what_was_prepared_is_not_confirmed_any_more() -> None:
    async def scene(it: Scene) -> None:
        people = People(it.now, it.disk)
        admin = await people.claim()
        alice = await people.add(admin, "alice", "engineer")
        seen = await it.now.core.answer(WEB, "command.prepare", {"target": "b/slow0", "value": 20, "token": alice})
        assert (await people.act(admin, "account.disable", "alice"))["code"] == "done"
        params = {key: seen[key] for key in ("nonce", "value", "old")}
        assert (await it.now.act("command.confirm", "b/slow0", session=WEB, params=params, token=alice))["refused"] == "session_gone"
        assert it.b.written == []

    play(scene, limits=LIMITS)
