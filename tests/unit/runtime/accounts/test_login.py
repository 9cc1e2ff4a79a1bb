"""Coming in and staying in: what a login costs whom, how delays grow, and what ends a session."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger_client.kinds import ClockState
from runtime.accounts.passwords import WAITING_MAX, Passwords
from runtime.faces.feed import RequestRefusedError
from tests.rigs.field import after
from tests.rigs.people import CHEAP_KIB, PASSWORD, QUIET, WEB, People, played
from tests.simulation.loop import VirtualClock


def test_an_unknown_or_disabled_name_costs_the_hash_that_a_known_one_costs_and_is_answered_in_the_same_words() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        await people.add(admin, "Bo", "viewer")
        await people.add(admin, "Cy", "viewer")
        await people.act(admin, "account.disable", "Cy")
        passwords = people.now.core.accounts.passwords
        await people.login("Ada", "not her password")  # the first makes the hash that is nobody's
        answers, costs = [], []
        for number, name in enumerate(("Bo", "nobody here", "Cy")):
            before = passwords.made
            answers.append(await people.login(name, "no such password", source=f"10.0.1.{number}"))
            costs.append(passwords.made - before)
        assert costs == [1, 1, 1]
        assert answers[0] == answers[1] == answers[2] == {"refused": "login_refused", "retry_after_s": 0}
        assert (await people.login("Cy", source="10.0.1.9"))["refused"] == "login_refused", "the right password of a disabled account too"

    played(program)


def test_delays_double_for_the_account_from_there_and_lock_nobody_out() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        await people.claim()
        passwords, waits = people.now.core.accounts.passwords, []
        for _ in range(14):
            refused = await people.login("Ada", "wrong wrong wrong", source="10.6.6.6")
            waits.append(refused["retry_after_s"])
            made = passwords.made
            if waits[-1]:
                early = await people.login("Ada", source="10.6.6.6")
                assert early["refused"] == "login_refused"
                assert passwords.made == made, "who must wait costs no hash"
            assert "token" in await people.login("Ada", source="10.0.0.7"), "the same person elsewhere is not held up"
            await after(clock, waits[-1])
        assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
        assert "token" in await people.login("Ada", source="10.6.6.6")
        assert (await people.login("Ada", "wrong wrong wrong", source="10.6.6.6"))["retry_after_s"] == 0, "a success begins anew"

    played(program)


CONFIG = QUIET + "\n[accounts]\n"


async def tried(passwords: Passwords, source: str) -> str:
    try:
        return "right" if await passwords.holds("x", None, source) else "wrong"
    except RequestRefusedError as refused:
        return refused.code


def test_a_flood_of_logins_is_refused_rather_than_queued_and_one_hash_is_made_at_a_time() -> None:
    async def program() -> None:
        gate = threading.Event()
        with ThreadPoolExecutor(1) as work:
            passwords = Passwords(work, CHEAP_KIB)
            work.submit(gate.wait)
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(tried(passwords, source)) for source in (*"aaaa", *"bbbb", *"cccc")]
                await asyncio.sleep(0)
                assert sum(not each.done() for each in asked) == WAITING_MAX
                gate.set()
            assert sorted(each.result() for each in asked) == ["login_busy"] * 8 + ["wrong"] * 4
            assert await passwords.holds("x", await passwords.hash("x"), "a"), "and then there is room again"

    asyncio.run(program())


def test_a_session_ends_when_it_is_left_alone_and_after_its_longest_time_in_any_case() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        token = await people.claim()
        await after(clock, 29 * 60)
        assert "name" in await people.ask("account.who", token=token)
        await after(clock, 29 * 60)
        assert "name" in await people.ask("account.who", token=token, quiet=True), "a page that asks by itself"
        await after(clock, 2 * 60)
        assert (await people.ask("account.who", token=token))["refused"] == "session_gone", "does not keep it alive"
        done = await people.now.act("config.edit", params={"text": CONFIG + "longest_h = 1\n"}, expected_revision=1)
        assert done.get("code") == "done", done
        token = (await people.login("Ada"))["token"]
        for _ in range(3):
            assert "name" in await people.ask("account.who", token=token)
            await after(clock, 20 * 60)
        assert (await people.ask("account.who", token=token))["refused"] == "session_gone"

    played(program)


def test_a_screen_on_the_wall_may_stay_for_a_viewer_only() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        wall = await people.add(admin, "hall 2", "viewer")
        bo = await people.add(admin, "Bo", "viewer technician")
        edit: dict[str, Any] = {"text": CONFIG + "longest_h = 1\nkiosk_idle_min = 43200\n"}
        done = await people.now.act("config.edit", params=edit, expected_revision=1)
        assert done.get("code") == "done", done
        await after(clock, 3_700)
        assert (await people.ask("account.who", token=wall))["idle_s"] == 43_200 * 60
        assert (await people.ask("account.who", token=bo))["refused"] == "session_gone"

    played(program)


@pytest.mark.parametrize("action", ["account.disable", "account.roles", "account.password", "session.end"])
def test_a_session_ends_with_what_it_stood_on(action: str) -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        token = await people.add(admin, "Bo", "technician")
        who = await people.ask("account.who", token=token)
        params = {"roles": "engineer"} if action == "account.roles" else {}
        target = who["session"] if action == "session.end" else "bo"
        assert (await people.act(admin, action, target, **params))["code"] == "done"
        assert (await people.ask("account.who", token=token))["refused"] == "session_gone"
        assert (await people.act(token, "account.language", "Bo", lang="zh", zone=""))["refused"] == "session_gone"
        assert "name" in await people.ask("account.who", token=admin)

    played(program)


def test_ones_own_new_password_ends_the_other_sessions_and_needs_the_old_one() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        one = await people.claim()
        two = (await people.login("Ada"))["token"]
        new = {"password": "five dry wool socks"}
        assert (await people.act(one, "account.password", "Ada", **new))["refused"] == "password_old_needed"
        assert (await people.act(one, "account.password", "Ada", old_password="wrong wrong wrong", **new))["code"] == "password_old_wrong"
        old = PASSWORD.format("Ada")
        assert (await people.act(one, "account.password", "Ada", old_password=old, password="password12345"))[
            "refused"
        ] == "password_common"
        assert (await people.act(one, "account.password", "Ada", old_password=old, password=old))["code"] == "password_same"
        assert (await people.act(one, "account.password", "Ada", old_password=old, **new))["code"] == "done"
        assert "name" in await people.ask("account.who", token=one)
        assert (await people.ask("account.who", token=two))["refused"] == "session_gone"
        assert "token" in await people.login("Ada", new["password"])

    played(program)


def test_the_password_once_more_makes_dangerous_acts_possible_for_five_minutes() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        token = await people.claim()
        await after(clock, 301)
        assert (await people.act(token, "account.create", "Bo", roles="viewer"))["refused"] == "fresh_needed"
        assert (await people.ask("account.again", token=token, password="wrong wrong wrong"))["refused"] == "again_refused"
        who = await people.ask("account.again", token=token, password=PASSWORD.format("Ada"))
        assert who["fresh_until_ms"] - clock.wall_ms() == 300_000
        made = await people.act(token, "account.create", "Bo", roles="viewer")
        assert (made["code"], made["params"]) == ("done", {"name": "Bo", "roles": "viewer"})
        for _ in range(8):
            await people.ask("account.again", token=token, password="wrong wrong wrong")
        held_up = await people.ask("account.again", token=token, password=PASSWORD.format("Ada"))
        assert held_up["refused"] == "again_refused", "guessing at an open session is as slow as at the door"

    played(program)


def test_the_old_password_of_a_new_one_is_guessed_no_faster_than_at_the_door() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        token, new = await people.claim(), {"password": "five dry wool socks"}
        assert (await people.act(token, "account.password", "Ada", old_password="x" * 257, **new))["refused"] == "password_old_wrong"
        for _ in range(3):
            assert (await people.act(token, "account.password", "Ada", old_password="wrong wrong", **new))["code"] == "password_old_wrong"
        right = {"old_password": PASSWORD.format("Ada"), **new}
        held_up = await people.act(token, "account.password", "Ada", **right)
        assert (held_up["refused"], held_up["retry_after_s"]) == ("again_refused", 1)
        again = await people.ask("account.again", token=token, password=PASSWORD.format("Ada"))
        assert again["refused"] == "again_refused", "it is one account and one place"
        await after(clock, 1)
        assert (await people.act(token, "account.password", "Ada", **right))["code"] == "done"

    played(program)


def test_an_admin_whose_own_password_is_to_be_changed_gives_nobody_another() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        ada, first = await people.claim(), "the first one Bo"
        await people.act(ada, "account.create", "Bo", roles="admin", password=first)
        bo = (await people.login("Bo", first))["token"]
        assert (await people.act(bo, "account.password", "Ada"))["refused"] == "password_must_change"
        assert (await people.act(bo, "account.password", "Bo", old_password=first, password=PASSWORD.format("Bo")))["code"] == "done"
        assert (await people.act(bo, "account.password", "Ada"))["code"] == "done"

    played(program)


def test_an_api_token_does_what_it_was_made_for_until_it_expires() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        for scope in ("device.write", "account.create", "nothing", "", "view.values config.edit"):
            assert (await people.act(admin, "token.create", "scada", actions=scope, days=1))["refused"] == "token_scope"
        for days in (0, 367, True, "1"):
            assert (await people.act(admin, "token.create", "scada", actions="view.values", days=days))["refused"] == "token_days"
        made = await people.act(admin, "token.create", "scada", actions="view.values manual.enter", days=1)
        token = made["told"]["token"]
        assert token.startswith("wm_")
        assert (await people.act(token, "config.edit", expected=1))["refused"] == "permission_denied"
        assert (await people.act(token, "account.password", "Ada"))["refused"] == "permission_denied"
        listed = await people.ask("account.list", token=admin)
        assert [row["name"] for row in listed["tokens"]] == ["scada"]
        assert token not in str(listed)
        clock.step(86_401_000)
        assert (await people.ask("account.who", token=token))["refused"] == "session_gone"

    played(program)


def test_a_token_that_was_revoked_while_its_act_waited_is_gone_like_a_session() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        made = await people.act(admin, "token.create", "scada", actions="command.confirm", days=1)
        asked = {"nonce": "00", "value": 1, "old": 1}
        revoked, late = await asyncio.gather(
            people.act(admin, "token.revoke", made["params"]["token_id"]),
            people.act(made["told"]["token"], "command.confirm", "b/slow0", **asked),
        )
        assert revoked["code"] == "done"
        assert late == {"refused": "session_gone"}

    played(program)


def test_a_token_is_not_believed_while_nobody_knows_the_time() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        token = (await people.act(admin, "token.create", "scada", actions="view.values", days=1))["told"]["token"]
        clock.step(0, ClockState.UNSET)
        assert (await people.ask("account.who", token=token))["refused"] == "token_clock_unset"
        assert "name" in await people.ask("account.who", token=admin), "a session is counted from the start of the machine"

    played(program)


def test_what_is_no_token_opens_nothing() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        token = await people.claim()
        for wrong in ("", "x", token[:-1], token + "=", token.lower(), "wm_" + token, "a" * 10_000, 5, b"x", ["x"], {}, True):
            assert (await people.ask("account.who", WEB, token=wrong))["refused"] == "session_gone", wrong
            assert (await people.act(wrong, "account.disable", "Ada"))["refused"] == "session_gone", wrong  # type: ignore[arg-type]
        assert await people.ask("account.logout", token=["x"]) == {}

    played(program)


def test_a_hash_of_another_cost_is_renewed_at_the_login() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        await people.claim()
        passwords: Passwords = people.now.core.accounts.passwords
        passwords.memory_kib = CHEAP_KIB * 2
        before = passwords.made
        assert "token" in await people.login("Ada")
        assert passwords.made - before >= 2
        before = passwords.made
        assert "token" in await people.login("Ada")
        assert passwords.made - before == 1

    played(program)
