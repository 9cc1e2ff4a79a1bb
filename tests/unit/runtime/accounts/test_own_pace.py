"""Whoever may only look can change things about themselves, but not so often that they fill the ledger."""

from __future__ import annotations

import pytest

from ledger_client.kinds import Kind
from runtime.accounts.pace import DAY_MS, PER_DAY, OwnPace
from runtime.faces.feed import RequestRefusedError
from tests.rigs.core import payloads
from tests.rigs.people import People, played
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock


def entries(disk: ShimDisk) -> int:
    return sum(payload.kind == Kind.COMMAND for payload in payloads(disk))


def test_a_viewer_changes_languages_twenty_times_a_day() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        vic, wim = [await people.add(admin, name, "viewer") for name in ("Vic", "Wim")]
        for n in range(20):
            assert (await people.act(vic, "account.language", "Vic", lang=("zh", "en")[n % 2], zone=""))["code"] == "done"
        before = entries(people.disk)
        for _ in range(50):
            refused = await people.act(vic, "account.language", "vic", lang="zh", zone="")
            assert (refused["refused"], refused["most"]) == ("own_too_often", 20)
        assert entries(people.disk) == before
        assert 0 < refused["retry_after_s"] <= DAY_MS // 1_000
        assert (await people.act(wim, "account.language", "Wim", lang="zh", zone=""))["code"] == "done", "each has their own"
        assert (await people.act(vic, "account.language", "Wim", lang="en", zone=""))["refused"] == "permission_denied"
        again = await people.act(vic, "account.password", "Vic", old_password="three wet boots Vic", password="four dry socks Vic")
        assert again["code"] == "done", "another kind of change"

    played(program)


def test_a_day_later_the_oldest_counts_no_more() -> None:
    pace = OwnPace()
    for n in range(PER_DAY):
        pace.require("vic", "account.key", n)
        pace.note("vic", "account.key", n)
    with pytest.raises(RequestRefusedError) as refused:
        pace.require("vic", "account.key", DAY_MS - 1)
    assert refused.value.params["retry_after_s"] == 1
    pace.require("vic", "account.key", DAY_MS)
    pace.note("vic", "account.key", DAY_MS)
    with pytest.raises(RequestRefusedError):
        pace.require("vic", "account.key", DAY_MS)


def test_what_changes_nothing_is_no_entry() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        vic = await people.add(await people.claim(), "Vic", "viewer")
        assert (await people.act(vic, "account.language", "Vic", lang="zh", zone="Asia/Shanghai"))["code"] == "done"
        before = entries(people.disk)
        for _ in range(40):
            told = await people.act(vic, "account.language", "Vic", lang="zh", zone="Asia/Shanghai")
            assert told["refused"] == "account_language_same"
        assert entries(people.disk) == before

    played(program)


def test_own_passwords_are_counted_and_an_admin_s_help_is_not() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        vic, old = await people.add(admin, "Vic", "viewer"), "three wet boots Vic"
        for n in range(19):  # the first one was at the first login
            new = f"{n} wet boots of mine"
            assert (await people.act(vic, "account.password", "Vic", old_password=old, password=new))["code"] == "done"
            old = new
        told = await people.act(vic, "account.password", "Vic", old_password=old, password="one more of them")
        assert told["refused"] == "own_too_often"
        assert (await people.act(admin, "account.password", "Vic"))["code"] == "done"

    played(program)
