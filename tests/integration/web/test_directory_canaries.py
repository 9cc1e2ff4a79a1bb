"""Secrets by which a gateway asks a directory, an LDAP server's bind password and a provider's client secret, stay in their files.

A real slapd and a real provider are asked, answer well, answer badly and repeat what they were sent; then everything is looked through.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx
import pytest

from tests.integration.web.test_canaries import files_with, shown
from tests.rigs.oidc_provider import CLIENT, Provider
from tests.rigs.ports import free_port
from tests.rigs.sign_in import by_ldap, section
from tests.rigs.slapd import PASSWORD, Slapd
from tests.rigs.web_site import Site, site

pytestmark = pytest.mark.integration
BIND, CLIENTS, TYPED = "Kanari-0815-am-Fenster", "Kanari-4711-im-Bergwerk", "Kanari-2342-im-Feld"
"""The bind password, the client secret, and what somebody types who mistakes the field."""
NEVER = (BIND, CLIENTS, TYPED, PASSWORD.format("anna"), base64.b64encode(f"{quote_plus(CLIENT)}:{CLIENTS}".encode()).decode())
API = "/api/v1/diagnostics"


async def sent_and_back(at: Site, works: Provider) -> int:
    """Go to the provider and come back with a code; return how the page answered."""
    async with at.client() as client:
        away = await client.get("/login/sso")
        assert away.status_code == 303, away.text
        back = urlsplit(works.give_code(dict(parse_qsl(urlsplit(away.headers["location"]).query))))
        return (await client.get(f"{back.path}?{back.query}")).status_code


async def signs_in(at: Site, works: Provider, directory: Slapd) -> None:
    """Have both asked: well, with a wrong password, with a wrong secret of ours, and by peers that repeat what they were sent."""
    assert (await by_ldap(at, "anna", PASSWORD.format("anna")))["who"]["name"] == "anna@ldap"
    assert (await by_ldap(at, "bert", TYPED, "10.0.0.8"))["refused"] == "login_refused"
    async with at.client() as client:
        form = {"name": "anna", "password": TYPED, "via": "ldap"}
        assert TYPED not in (await client.post("/login", data=form, headers={"origin": at.url.rstrip("/")})).text
    assert await sent_and_back(at, works) == 200
    for said in ({"error": CLIENTS, "error_description": f"client_secret={CLIENTS}"}, {"error": "invalid_client", "you_sent": CLIENTS}):
        works.answers["/token_endpoint"] = (401, json.dumps(said).encode())
        assert await sent_and_back(at, works) == 503
    works.answers["/token_endpoint"] = (200, CLIENTS.encode())
    assert await sent_and_back(at, works) == 503
    directory.stop()
    assert (await by_ldap(at, "anna", PASSWORD.format("anna")))["refused"] == "directory_away"


async def bundled(at: Site) -> list[tuple[str, httpx.Response]]:
    """The log, the targets, and a bundle: as it is looked at, and as it is handed out."""
    async with at.client("technician") as client:
        headers = {"origin": at.url.rstrip("/"), "x-witnessmark-token": await at.csrf("technician")}

        async def ask(method: str, path: str, **body: Any) -> httpx.Response:
            answer = await client.request(method, API + path, json=body or None, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer

        seen = (await ask("POST", "/preview")).json()
        found = [(each["name"], await ask("GET", f"/bundles/{seen['id']}/files/{each['name']}")) for each in seen["files"]]
        await ask("POST", "/bundles", id=seen["id"], reason="ticket 4711")
        archive = await ask("GET", f"/bundles/{seen['id']}")
        with zipfile.ZipFile(io.BytesIO(archive.content)) as handed:
            assert not [(name, each) for name in handed.namelist() for each in NEVER if each.encode() in handed.read(name)]
        return [*found, ("log", await ask("GET", "/log")), ("targets", await ask("GET", "/targets"))]


def test_secrets_of_directories_are_nowhere_but_in_their_files(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    require_service("slapd")
    require_service("ldapmodify")
    for name in ("ldap", "oidc", "site"):
        (tmp_path / name).mkdir()

    async def run() -> None:
        port = free_port()
        with Slapd(tmp_path / "ldap", BIND) as directory, Provider(tmp_path / "oidc", CLIENTS) as works:
            oidc = works.options(f"http://127.0.0.1:{port}/login/sso/back")
            more = section("ldap", directory.options()) + section("oidc", oidc) + f'# the old one: bind_password = "{BIND}"\n'
            async with site(tmp_path / "site", tags=2, more=more, port=port) as at:
                await signs_in(at, works, directory)
                own = await bundled(at)
                got = [*own, *await shown(at)]
                config = at.gateway.state / "config"
                assert [what for what, answer in got if any(each in answer.text for each in NEVER)] == []
                log = next(answer for what, answer in own if what == "log").text
                assert "directory_away" in log, "it was said what went wrong"
                targets = next(answer for what, answer in own if what == "targets").json()["addresses"]
                assert {(each["what"], each["port"]) for each in targets} >= {
                    ("ldap", directory.secure), ("oidc", urlsplit(works.issuer).port),
                }  # fmt: skip
                kept = {each for secret in NEVER for each in files_with(at.gateway.state, secret.encode())}
                assert all((at.gateway.state / each).is_relative_to(config) for each in kept), kept
                state, log_file = at.gateway.state, at.gateway.log
            assert files_with(config, BIND.encode()), "the comment is kept with the text that it stands in"
            for secret in NEVER[1:]:
                assert files_with(state, secret.encode()) == []
            for secret in NEVER:
                assert secret.encode() not in log_file.read_bytes()

    asyncio.run(run())
