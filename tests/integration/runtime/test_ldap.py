"""Asking a real LDAP server: Debian's slapd over LDAPS and StartTLS, and peers that are none. `ldap_ask` as its child calls it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.accounts.directory import AWAY, REFUSED, DirectoryError, LdapServer, Vouched
from runtime.accounts.directory_asks import DirectoryAsks
from runtime.accounts.directory_desk import ldap_server
from runtime.accounts.ldap_ask import ask
from runtime.config_signin import Ldap
from runtime.faces.feed import RequestRefusedError
from tests.rigs.certificate import make_certificate
from tests.rigs.slapd import BASE, PASSWORD, ROLES, Slapd

pytestmark = pytest.mark.integration
GROUP = {role: f"cn={group},ou=groups,{BASE}" for role, group in ROLES.items()}


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, require_service: Callable[[str], str]) -> Iterator[Slapd]:
    require_service("slapd")
    require_service("ldapmodify")
    with Slapd(tmp_path_factory.mktemp("slapd")) as found:
        yield found


def server_of(works: Slapd, **more: Any) -> LdapServer:
    options = Ldap.model_validate(works.options(**more))
    return LdapServer(**{**ldap_server(options), "groups": tuple(ldap_server(options)["groups"])})


def fault_of(server: LdapServer, name: str, password: str) -> DirectoryError:
    with pytest.raises(DirectoryError) as caught:
        ask(server, name, password)
    return caught.value


WAYS: dict[str, dict[str, Any]] = {
    "search": {},
    "search by group entries": {"group_attribute": "description", "group_base": f"ou=groups,{BASE}"},
    "a DN template": {"user_dn": f"uid={{name}},ou=people,{BASE}", "base": "", "bind_dn": "", "bind_password_file": ""},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tls", ["ldaps", "start_tls", "plain on loopback"])
def test_who_knows_the_password_is_vouched_for_with_their_groups(works: Slapd, way: str, tls: str) -> None:
    url = {} if tls == "ldaps" else {"url": f"ldap://127.0.0.1:{works.plain}", "start_tls": tls == "start_tls"}
    server = server_of(works, **WAYS[way], **url)
    anna, bert = (ask(server, name, PASSWORD.format(name)) for name in ("anna", "bert"))
    assert (anna.name, anna.groups) == ("anna", (GROUP["technician"], GROUP["engineer"]))
    assert (bert.name, bert.groups) == ("bert", (GROUP["technician"],))
    assert len({anna.subject, bert.subject, ""}) == 3
    assert len(anna.subject) == 36, "an entryUUID"
    assert ask(server, "cleo", PASSWORD.format("cleo")).groups == ()
    assert fault_of(server, "anna", PASSWORD.format("bert")).code == REFUSED
    assert fault_of(server, "nobody", PASSWORD.format("anna")).code == REFUSED


def test_the_name_is_the_directorys_however_it_was_typed(works: Slapd) -> None:
    by_mail = server_of(works, user_filter="(|(uid={name})(mail={name}))")
    assert ask(by_mail, "Anna@Works.Example", PASSWORD.format("anna")).name == "anna"
    assert ask(by_mail, "ANNA", PASSWORD.format("anna")).name == "anna"


@pytest.mark.parametrize(
    "name", ["*", "a*", "anna)(uid=*", "*)(objectClass=*", "anna\\2a", "anna,ou=people", "anna)(|(uid=bert", "\x00", "uid=anna", "+"]
)  # fmt: skip
@pytest.mark.parametrize("way", WAYS)
def test_a_name_is_never_a_filter_or_a_dn(works: Slapd, way: str, name: str) -> None:
    assert fault_of(server_of(works, **WAYS[way]), name, PASSWORD.format("anna")).code in {REFUSED, AWAY}


def test_an_empty_password_asks_nobody(works: Slapd) -> None:
    """RFC 4513 section 5.1.2: a bind with a name and no password succeeds as anonymous."""
    assert fault_of(server_of(works), "anna", "").code == REFUSED
    assert fault_of(server_of(works), "", "some password").code == REFUSED


@pytest.mark.parametrize("tls", ["ldaps", "start_tls"])
def test_a_certificate_that_does_not_hold_gets_no_password(works: Slapd, tmp_path: Path, tls: str) -> None:
    other, _ = make_certificate(tmp_path)
    for host, ca_file in (("127.0.0.1", other), ("localhost", works.ca), ("127.0.0.1", "")):  # another CA, another name, the system's roots
        url = f"ldaps://{host}:{works.secure}" if tls == "ldaps" else f"ldap://{host}:{works.plain}"
        fault = fault_of(server_of(works, url=url, start_tls=tls == "start_tls", ca_file=str(ca_file)), "anna", PASSWORD.format("anna"))
        assert (fault.code, "TLS" in fault.reason) == (AWAY, True), fault.reason
    assert fault_of(server_of(works, ca_file=str(tmp_path / "none.pem")), "anna", "x").reason.startswith("ca_file")


def test_what_is_wrong_with_the_account_that_looks_is_said_and_refuses_nobodys_password(works: Slapd, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    for path in (wrong, tmp_path / "none"):
        fault = fault_of(server_of(works, bind_password_file=str(path)), "anna", PASSWORD.format("anna"))
        assert (fault.code, "bind" in fault.reason) == (AWAY, True)
    fault = fault_of(server_of(works, id_attribute="employeeNumber"), "anna", PASSWORD.format("anna"))
    assert "employeeNumber" in fault.reason


def test_a_name_that_means_two_people_means_nobody(works: Slapd) -> None:
    assert fault_of(server_of(works, user_filter="(|(uid={name})(uid=bert))"), "anna", PASSWORD.format("anna")).code == REFUSED


@contextlib.contextmanager
def silent(answer: bytes = b"", every_s: float = 0.0) -> Iterator[int]:
    """A peer that takes connections and says nothing, or the same few bytes again and again; return its port."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)

        def serve() -> None:
            held = []
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    held.append(listening.accept()[0])
                for each in held if answer else ():
                    with contextlib.suppress(OSError):
                        each.send(answer)
                if answer:
                    stop.wait(every_s)
            for each in held:
                each.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("peer", ["silent", "trickling", "closed", "noise"])
def test_a_directory_that_hangs_costs_a_child_its_time_and_the_loop_nothing(works: Slapd, peer: str) -> None:
    """`trickling` sends a byte of an endless message at a time: no timeout of a socket ends that, the child's deadline does."""

    async def hang(port: int) -> tuple[DirectoryError, float, float]:
        asks, longest, began = DirectoryAsks(), 0.0, time.monotonic()
        options = Ldap.model_validate(works.options(url=f"ldap://127.0.0.1:{port}", timeout_s=1.0))

        async def beat() -> None:
            nonlocal longest
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - before)

        async with asyncio.TaskGroup() as group:
            beating = group.create_task(beat())
            with pytest.raises(DirectoryError) as caught:
                await asks.ask("ldap", ldap_server(options), options.timeout_s, "10.0.0.1", name="anna", password="some password")
            beating.cancel()
        asks.close()
        return caught.value, longest, time.monotonic() - began

    ways = {"silent": silent(), "trickling": silent(b"\x30\x84\x7f\xff\xff\xff", 0.3), "noise": silent(b"HTTP/1.1 400 no\r\n\r\n", 0.3)}
    with ways.get(peer, silent()) as port:
        fault, longest, took = asyncio.run(hang(port if peer != "closed" else 1))
    assert fault.code == AWAY
    assert took < 1.0 + 3.0 + 4.0, "time-out, start, and a noisy machine"
    assert longest < 0.5, "the loop went on; how evenly, test_jitter measures"


def test_so_few_ask_at_once_that_a_hanging_directory_leaves_the_lane_to_others(works: Slapd) -> None:
    async def crowd(port: int) -> list[str]:
        asks = DirectoryAsks()
        options = Ldap.model_validate(works.options(url=f"ldap://127.0.0.1:{port}", timeout_s=1.0))

        async def one(number: int) -> str:
            try:
                source = f"10.0.0.{number // 2}"
                await asks.ask("ldap", ldap_server(options), options.timeout_s, source, name="anna", password="some password")
            except DirectoryError as fault:
                return fault.code
            except RequestRefusedError as refused:
                return refused.code
            return "vouched"

        found = await asyncio.gather(*(one(number) for number in range(8)))
        asks.close()
        return found

    with silent() as port:
        assert asyncio.run(crowd(port)) == [AWAY, "login_busy", AWAY, *["login_busy"] * 5]


def test_the_child_vouches_as_the_code_does(works: Slapd) -> None:
    async def through() -> dict[str, Any]:
        asks = DirectoryAsks()
        options = Ldap.model_validate(works.options())
        try:
            return await asks.ask("ldap", ldap_server(options), options.timeout_s, "", name="anna", password=PASSWORD.format("anna"))
        finally:
            asks.close()

    direct: Vouched = ask(server_of(works), "anna", PASSWORD.format("anna"))
    assert asyncio.run(through()) == direct.plain()
