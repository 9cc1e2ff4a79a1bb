"""Signing in at a whole gateway by LDAP: who comes in as whom, with which roles, for how long, and what a directory can never do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.gateway import cli, until
from tests.rigs.ports import free_port
from tests.rigs.sign_in import act, ask, by_ldap, locally, section
from tests.rigs.slapd import BASE, PASSWORD, Slapd
from tests.rigs.web_site import Site, site

pytestmark = pytest.mark.integration
ENGINEERS = f"cn=engineers,ou=groups,{BASE}"


def played(folder: Path, story: Callable[[Site, Slapd], Any], **more: Any) -> None:
    """Play a story at a gateway with a directory."""

    async def play() -> None:
        with Slapd(folder) as works:
            async with site(folder, tags=3, more=section("ldap", works.options(**more))) as found:
                await story(found, works)

    asyncio.run(play())


async def ledger(found: Site) -> list[str]:
    """What the command line shows of the ledger."""
    _, told = await cli("accounts", "list", "--state", str(found.gateway.state))
    return [person["name"] for person in told["people"]]


@pytest.fixture(autouse=True)
def _needs(require_service: Callable[[str], str]) -> None:
    require_service("slapd")
    require_service("ldapmodify")


def test_who_comes_by_ldap_is_somebody_of_their_own_and_a_dead_directory_keeps_nobody_else_out(tmp_path: Path) -> None:
    async def story(found: Site, works: Slapd) -> None:
        assert (await ask(found, "account.state"))["ways"] == {"ldap": "Works"}
        anna = await by_ldap(found, "anna", PASSWORD.format("anna"))
        assert (anna["who"]["name"], anna["who"]["roles"], anna["who"]["directory"]) == ("anna@ldap", ["engineer", "technician"], "ldap")
        assert (await by_ldap(found, "Anna@LDAP", PASSWORD.format("anna")))["who"]["name"] == "anna@ldap"

        # The directory's ada is not this gateway's Ada, in neither direction.
        ada = await by_ldap(found, "ada", PASSWORD.format("ada"))
        assert (ada["who"]["name"], ada["who"]["roles"]) == ("ada@ldap", ["admin"])
        assert (await locally(found, "Ada"))["who"]["name"] == "Ada"
        for name, password in (("anna", PASSWORD.format("anna")), ("anna@ldap", PASSWORD.format("anna")), ("anna@ldap", "")):
            assert (await locally(found, name, password))["refused"] == "login_refused"
        assert (await by_ldap(found, "Ada", "four wet rubber boots", "10.0.0.5"))["refused"] == "login_refused"
        assert (await by_ldap(found, "cleo", PASSWORD.format("cleo")))["refused"] == "directory_no_role"

        # What the directory decides is not decided here; and an admin by its word is no admin to rely on.
        admin = found.tokens["admin"]
        assert (await act(found, admin, "account.roles", "anna@ldap", roles="admin"))["refused"] == "directory_decides"
        assert (await act(found, admin, "account.password", "anna@ldap"))["refused"] == "directory_decides"
        assert (await act(found, admin, "account.create", "eva@ldap", roles="viewer"))["refused"] == "account_name_reserved"
        assert (await act(found, admin, "account.create", "eva@Idap", roles="viewer"))["refused"] == "account_name_reserved"
        assert (await act(found, admin, "account.disable", "Ada"))["refused"] == "account_last_admin"
        forged = await act(found, ada["token"], "account.vouched", "eva@ldap", directory="ldap", roles="admin", label="", source="")
        assert forged["refused"] == "permission_denied"

        works.stop()
        assert (await by_ldap(found, "anna", PASSWORD.format("anna")))["refused"] == "directory_away"
        assert (await ask(found, "account.again", token=anna["token"], password=PASSWORD.format("anna")))["refused"] == "directory_away"
        assert (await locally(found, "Ada"))["who"]["name"] == "Ada"
        assert (await ask(found, "account.who", token=anna["token"]))["name"] == "anna@ldap", "who is in stays in"
        told = await ask(found, "account.list", token=admin)
        assert told["directories"]["ldap"]["state"] == "away"
        assert {each["name"]: each["directory"] for each in told["people"]}["anna@ldap"] == "ldap"
        assert "cleo@ldap" not in await ledger(found)
        kept = b"".join(path.read_bytes() for path in found.gateway.state.rglob("*") if path.is_file())
        assert b"anna@ldap" in kept
        assert PASSWORD.format("anna").encode() not in kept, "no password is kept"

    played(tmp_path, story)


def test_roles_are_the_directorys_of_now_and_a_session_does_not_outlive_them(tmp_path: Path) -> None:
    async def story(found: Site, works: Slapd) -> None:
        password = PASSWORD.format("bert")
        first, second = [(await by_ldap(found, "bert", password))["token"] for _ in range(2)]
        assert (await ask(found, "account.again", token=first, password=password))["roles"] == ["technician"]
        assert (await ask(found, "account.again", token=first, password="not his"))["refused"] == "again_refused"

        works.change(f"dn: {ENGINEERS}\nchangetype: modify\nadd: member\nmember: uid=bert,ou=people,{BASE}\n")
        assert (await ask(found, "account.again", token=first, password=password))["refused"] == "session_gone"
        assert (await ask(found, "account.who", token=second))["refused"] == "session_gone", "the other one had the old roles too"
        third, fourth = await by_ldap(found, "bert", password), await by_ldap(found, "bert", password)
        assert third["who"]["roles"] == ["engineer", "technician"]

        for group in (ENGINEERS, f"cn=fitters,ou=groups,{BASE}"):
            works.change(f"dn: {group}\nchangetype: modify\ndelete: member\nmember: uid=bert,ou=people,{BASE}\n")
        assert (await ask(found, "account.again", token=third["token"], password=password))["refused"] == "directory_no_role"
        assert (await ask(found, "account.who", token=third["token"]))["refused"] == "session_gone"
        assert (await ask(found, "account.who", token=fourth["token"]))["refused"] == "session_gone"
        assert (await by_ldap(found, "bert", password))["refused"] == "directory_no_role"

        works.change(f"dn: {ENGINEERS}\nchangetype: modify\nadd: member\nmember: uid=bert,ou=people,{BASE}\n")
        fifth = await by_ldap(found, "bert", password)
        works.change(f"dn: {ENGINEERS}\nchangetype: modify\ndelete: member\nmember: uid=bert,ou=people,{BASE}\n")
        assert (await by_ldap(found, "bert", password))["refused"] == "directory_no_role"
        assert (await ask(found, "account.who", token=fifth["token"]))["refused"] == "session_gone", (
            "a refused sign-in elsewhere says so too"
        )

    played(tmp_path, story)


def test_who_is_disabled_here_stays_out_and_a_name_that_became_somebody_elses_is_nobodys(tmp_path: Path) -> None:
    async def story(found: Site, works: Slapd) -> None:
        admin, password = found.tokens["admin"], PASSWORD.format("bert")
        bert = (await by_ldap(found, "bert", password))["token"]
        assert (await act(found, admin, "account.disable", "bert@ldap"))["code"] == "done"
        assert (await ask(found, "account.who", token=bert))["refused"] == "session_gone"
        assert (await by_ldap(found, "bert", password))["refused"] == "directory_disabled"
        ledger_files = found.gateway.state / "ledger"
        said = b"login_failedibert@ldap"  # both texts as CBOR has them, one after the other
        await until(lambda: said in b"".join(path.read_bytes() for path in ledger_files.rglob("*.wmlog")), 30)
        assert (await act(found, admin, "account.enable", "bert@ldap"))["code"] == "done"
        bert = (await by_ldap(found, "bert", password))["token"]

        # Another bert is hired: the same name, another entry.
        dn = f"uid=bert,ou=people,{BASE}"
        works.change(f"dn: {dn}\nchangetype: delete\n")
        more = f"objectClass: inetOrgPerson\nuid: bert\ncn: bert\nsn: bert\nuserPassword: {password}\n"
        works.change(f"dn: {dn}\n{more}", add=True)
        works.change(f"dn: {ENGINEERS}\nchangetype: modify\nadd: member\nmember: {dn}\n")
        assert (await by_ldap(found, "bert", password))["refused"] == "directory_name_taken"
        assert (await ask(found, "account.again", token=bert, password=password))["refused"] == "again_refused", "he is not that bert"
        assert (await act(found, found.tokens["engineer"], "account.release", "bert@ldap"))["refused"] == "permission_denied"
        assert (await act(found, admin, "account.release", "Tess"))["refused"] == "directory_not_from"
        assert (await act(found, admin, "account.release", "bert@ldap"))["code"] == "done"
        assert (await ask(found, "account.who", token=bert))["refused"] == "session_gone"
        assert (await by_ldap(found, "bert", password))["who"]["roles"] == ["engineer"], "as the new one, with nothing of the old one"

    played(tmp_path, story)


def test_wrong_passwords_wait_as_local_ones_do_and_nobody_else_waits(tmp_path: Path) -> None:
    async def story(found: Site, works: Slapd) -> None:
        waits = [(await by_ldap(found, "anna", "wrong", "10.6.6.6"))["retry_after_s"] for _ in range(3)]
        assert waits == [0, 0, 1]
        asked = await by_ldap(found, "anna", PASSWORD.format("anna"), "10.6.6.6")
        assert asked["refused"] == "login_refused", "who must wait is not asked about"
        assert "token" in await by_ldap(found, "anna", PASSWORD.format("anna"), "10.0.0.7")
        for password in ("", "x" * 300, "a\0b"):
            assert (await by_ldap(found, "bert", password, "10.0.0.8"))["refused"] == "login_refused"

    played(tmp_path, story)


def test_only_an_admin_says_who_may_say_who_gets_in(tmp_path: Path) -> None:
    """An engineer edits the configuration; a directory of their own would make them admin."""

    async def story(found: Site, works: Slapd) -> None:
        anna = (await by_ldap(found, "anna", PASSWORD.format("anna")))["token"]
        engineer, revision = found.tokens["engineer"], (await ask(found, "config", token=found.tokens["engineer"]))["revision"]
        edited = await act(found, engineer, "config.edit", "", revision, **{"ldap.label": "Mine"})
        assert (edited["refused"], edited["action"]) == ("permission_denied", "directory.edit")
        off = await act(found, engineer, "config.edit", "", revision, **{"ldap.url": ""})
        assert off["refused"] == "permission_denied"
        assert (await act(found, engineer, "config.edit", "", revision, **{"evidence.seal_every_s": 2}))["code"] == "done"

        made = await act(found, found.tokens["admin"], "account.roles", "Eno", roles="engineer admin")
        assert made["code"] == "done"
        both = (await locally(found, "Eno"))["token"]
        done = await act(found, both, "config.edit", "", revision + 1, **{"ldap.url": ""})
        assert done["code"] == "done", done
        assert (await ask(found, "account.state"))["ways"] == {}
        assert (await ask(found, "account.who", token=anna))["refused"] == "session_gone", "nobody vouches for her any more"
        assert (await by_ldap(found, "anna", PASSWORD.format("anna")))["refused"] == "directory_off"

    played(tmp_path, story)


def test_before_somebody_owns_the_gateway_no_directory_lets_anybody_in(tmp_path: Path) -> None:
    async def story() -> None:
        with Slapd(tmp_path) as works:
            async with site(tmp_path, tags=3, more=section("ldap", works.options()), people=False, port=free_port()) as found:
                assert (await by_ldap(found, "ada", PASSWORD.format("ada")))["refused"] == "directory_off"
                assert not (await ask(found, "account.state"))["claimed"]

    asyncio.run(story())
