"""Accounts of a core: claimed once, by whoever has the code; roles and passwords; what the ledger tells of it, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.acts import read_command
from runtime.permissions import ACTIONS, FRESH, OWN, Role
from tests.rigs.core import STATE, payloads, verified
from tests.rigs.field import after
from tests.rigs.people import PASSWORD, WEB, People, played
from tests.simulation.loop import VirtualClock


def test_the_code_makes_one_admin_and_then_opens_nothing() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        code = people.code()
        assert code is not None
        assert len(code.replace("-", "")) == 20
        assert (await people.ask("account.state"))["claimed"] is False
        ask = {"password": PASSWORD.format("Ada"), "source": "10.0.0.1", "code": code.lower()}
        answers = await asyncio.gather(*(people.ask("account.claim", **ask, name=name) for name in ("Ada", "Eve")))
        assert sorted(answer.get("refused", "in") for answer in answers) == ["account_claimed", "in"]
        winner = next(answer for answer in answers if "token" in answer)
        assert winner["who"]["roles"] == ["admin"]
        assert people.code() is None
        assert (await people.ask("account.claim", **ask, name="Ada"))["refused"] == "account_claimed"
        state = await people.ask("account.state")
        assert (state["claimed"], state["people"], state["open_view"]) == (True, 1, False)
        assert len((await people.ask("account.list", token=winner["token"]))["people"]) == 1

    disk = played(program)
    acts = [p.detail[2] for p in payloads(disk) if p.kind == Kind.COMMAND and p.detail[1] == 0]
    assert acts == ["account.claim"], "who came second changed nothing and is no entry"
    assert verified(disk).verdict != "fails"


def test_guessing_the_code_gets_slower_and_locks_nobody_out_for_good() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        waits = []
        for _ in range(14):
            await people.ask("account.claim", code="0" * 20, name="Eve", password=PASSWORD, source="10.6.6.6")
            refused = await people.ask("account.claim", code="0" * 20, name="Eve", password=PASSWORD, source="10.6.6.6")
            waits.append(refused.get("retry_after_s", 0))
            await after(clock, waits[-1])
        assert waits[0] == 0
        assert waits[-1] == 300
        assert sorted(waits) == waits
        assert "token" in await people.ask(
            "account.claim", code=people.code(), name="Ada", password=PASSWORD.format("Ada"), source="10.0.0.1"
        ), "another place is not held up"

    played(program)


def test_who_sets_the_machine_up_alone_asks_for_more_than_the_admin_has() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        ask = {"password": PASSWORD.format("Ada"), "source": "10.0.0.1", "code": people.code(), "name": "Ada"}
        assert (await people.ask("account.claim", **ask, roles="technician owner"))["refused"] == "account_roles_unknown"
        who = (await people.ask("account.claim", **ask, roles="technician engineer"))["who"]
        assert who["roles"] == ["admin", "engineer", "technician"], "a gateway never begins without an admin"

    played(program)


async def _one_of_each(people: People) -> dict[str, str | None]:
    admin = await people.claim()
    tokens = {role.value: await people.add(admin, f"a {role.value}", role.value) for role in Role}
    made = await people.act(admin, "token.create", "scada", actions="view.values view.trend", days=30)
    return {**tokens, "token": made["told"]["token"], "nobody": None}


def test_the_door_lets_each_role_do_what_the_table_says_cell_by_cell() -> None:
    """Each cell through the door: what is allowed gets beyond the permission, to a refusal or an outcome of its tenant."""

    async def program(people: People, clock: VirtualClock) -> None:
        tokens = await _one_of_each(people)
        tenants = set(people.now.core.door.actions)
        assert {"config.edit", "device.write", "account.create"} <= tenants <= set(ACTIONS)
        for action in sorted(tenants):
            for who, token in tokens.items():
                answer = await people.act(token, action, "no such target")
                may = who in ACTIONS[action]
                denied = answer.get("refused") == "permission_denied"
                own_only = action in OWN and who not in {"nobody", "token"}  # the target is somebody else: the tenant says no, or asks
                assert own_only or denied is not may, (action, who, answer)
        await after(clock, 301)
        for action in sorted(tenants & FRESH):
            for who, token in tokens.items():
                answer = await people.act(token, action, "no such target")
                if who in ACTIONS[action]:
                    assert answer.get("refused") == "fresh_needed", (action, who)

    disk = played(program)
    assert verified(disk).verdict != "fails"


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_admin_has_no_process_write_and_nobody_owns_an_action_that_is_not_in_the_table(action: str) -> None:
    if action.split(".", maxsplit=1)[0] in {"device", "command", "alarm", "manual", "model"}:
        assert Role.ADMIN not in ACTIONS[action]
    if action.startswith("view.") and Role.VIEWER in ACTIONS[action]:
        assert ACTIONS[action] == set(Role)


def test_a_person_acts_under_their_name_and_no_secret_is_recorded() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        token = await people.add(admin, "Bo", "engineer technician")
        who = await people.ask("account.who", token=token)
        assert (who["name"], who["roles"], who["kind"]) == ("Bo", ["engineer", "technician"], "person")
        assert (await people.act(token, "gateway.read_only", "b", on=True))["code"] == "done"
        told = (await people.act(admin, "account.password", "Bo"))["told"]["password"]
        assert (await people.ask("account.who", token=token))["refused"] == "session_gone", "a new password ends what the old one opened"
        again = await people.login("Bo", told)
        assert again["who"]["must_change"] is True
        assert (await people.act(again["token"], "device.write", "b/slow0", value=5))["refused"] == "password_must_change"
        for secret in (told, PASSWORD.format("Ada"), PASSWORD.format("Bo"), admin, token, "the first one Bo"):
            written = b"".join(data for data in people.disk.image().values() if data is not None)
            assert secret.encode() not in written

    disk = played(program)
    reader = LedgerReader(disk, STATE, 1)
    intents = [read_command(0, reader.body(p.seq) or b"") for p in payloads(disk) if p.kind == Kind.COMMAND and p.detail[1] == 0]
    assert {row["session"].split(" (")[0] for row in intents if row["action"] == "account.create"} == {"Ada"}
    assert any(row["action"] == "account.password" and row["session"].startswith("Bo (session ") for row in intents)


def test_the_last_admin_stays_whatever_is_asked_at_the_same_time() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        ada = await people.claim()
        await people.act(ada, "account.create", "Bo", roles="admin", password="the first one Bo")
        asked: list[Awaitable[dict[str, Any]]] = [
            people.act(ada, "account.disable", "Bo"), people.act(ada, "account.disable", "Ada"),
            people.act(ada, "account.roles", "Bo", roles="viewer"), people.act(ada, "account.roles", "ADA", roles="engineer"),
        ]  # fmt: skip
        await asyncio.gather(*asked)
        listed = await people.ask("account.list", session=WEB, token=(await people.login("Ada")).get("token"))
        acting = [row["name"] for row in listed["people"] if row["enabled"] and "admin" in row["roles"]]
        assert acting == ["Ada"]

    played(program)


NAMES = [
    "",
    " Ada",
    "Ada ",
    "a  b",
    "A" * 65,
    "a\x00b",
    "a\nb",
    "a\x1b[2J",
    "ad\u202eA",
    "a\u200bb",
    "<b>",
    "\u0430da",
    "cli",
    "ＣＬＩ",
    5,
    None,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_hide_or_pretend_is_refused(name: object) -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        answer = await people.ask("account.claim", code=people.code(), name=name, password=PASSWORD, source="")
        expected = "account_name" if name != "\u0430da" else "account_name_mixed"
        assert answer["refused"].startswith(expected), answer

    played(program)
