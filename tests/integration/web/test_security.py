"""What a stranger, another site's page, a wrong role and a slow client get from the page of a real gateway; and what nobody gets."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime import permissions
from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.rows import ANYONE, SIGNED_IN, RouteRow
from runtime.faces.web.stream import Fanout
from tests.rigs.web_site import PASSWORD, PEOPLE, Site, site

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
POLICY = ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'")


def table(tmp_path: Path) -> list[RouteRow]:
    return rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h"))


def filled(path: str) -> str:
    """Return a path with its places filled by something that is not there."""
    return re.sub(r"\{\w+\}", "none", re.sub(r"\{\w+:int\}", "1", path.replace("{path:path}", "app.css")))


async def headers_and_cookies(at: Site) -> None:
    async with at.client() as anybody:
        for path in ("/login", "/", "/nothing", "/api/v1/values", "/api/v1/nothing", "/static/app.css", "/api/v1/alive"):
            answer = await anybody.get(path)
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
            policy = answer.headers["content-security-policy"]
            assert all(part in policy for part in POLICY), path
            assert "unsafe" not in policy
            assert "server" not in answer.headers
            assert "strict-transport-security" not in answer.headers, "a certificate of its own would lock people out"
            assert path.startswith("/static/") or "no-store" in answer.headers["cache-control"], path
        assert (await anybody.get("/")).headers["location"] == "/login?next=/"
        assert (await anybody.get("/api/v1/values")).status_code == 401
        origin = at.url.rstrip("/")
        form = {"name": PEOPLE["viewer"], "password": PASSWORD, "next": "//evil.example/"}
        entered = await anybody.post("/login", data=form, headers={"origin": origin})
        assert (entered.status_code, entered.headers["location"]) == (303, "/"), "never to another site"
        cookie = entered.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "Max-Age" not in cookie
        assert (await anybody.get("/")).status_code == 200
        out = await anybody.post("/logout", data={"csrf": await csrf_of(anybody)}, headers={"origin": origin})
        assert out.status_code == 303
        assert (await anybody.get("/api/v1/values")).status_code == 401


async def csrf_of(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/account/who")).json()["who"]["csrf"])


async def forged_requests(at: Site) -> None:
    """A change needs our own page and the session's own token; each missing one alone is enough to refuse."""
    origin = at.url.rstrip("/")
    async with at.client("engineer") as engineer:
        token = await csrf_of(engineer)
        good = {"origin": origin, "x-witnessmark-token": token}

        async def send(headers: dict[str, str]) -> str:
            answer = await engineer.post("/api/v1/account/awake", headers=headers)
            return "" if answer.status_code == 200 else str(answer.json()["code"])

        assert await send(good) == ""
        assert await send({"x-witnessmark-token": token, "sec-fetch-site": "same-origin"}) == ""
        assert await send({"origin": origin}) == "csrf_missing"
        assert await send({**good, "x-witnessmark-token": token[:-1] + "x"}) == "csrf_missing"
        assert await send({**good, "origin": "https://evil.example"}) == "origin_foreign"
        assert await send({**good, "origin": "null"}) == "origin_foreign"
        assert await send({**good, "origin": origin.replace("127.0.0.1", "localhost")}) == "origin_foreign"
        assert await send({"x-witnessmark-token": token}) == "origin_foreign"
        for site_ in ("cross-site", "same-site", "none"):
            assert await send({**good, "sec-fetch-site": site_}) == "origin_foreign"
        for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost:x", "[::1"):
            answer = await engineer.get("/api/v1/alive", headers={"host": host})
            assert answer.status_code in {400, 421}, host
        big = await engineer.post("/api/v1/account/awake", headers=good, content=b"x" * ((1 << 20) + 1))
        assert (big.status_code, big.json()["code"]) == (413, "body_too_large")


async def every_cell(at: Site, all_rows: list[RouteRow]) -> None:
    """Each route by each role: refused exactly where the table says so. What is not may fail for another reason, never ours."""
    wrong = []
    for role in (None, *PEOPLE):
        async with at.client(role) as client:
            headers = {"origin": at.url.rstrip("/"), **({"x-witnessmark-token": await at.csrf(role)} if role else {})}
            for row in all_rows:
                if row.path in {"/stream", "/logout"}:  # one does not end, the other would
                    continue
                answer = await client.request(row.method, filled(row.path), headers=headers)
                code = answer.json().get("code") if answer.headers.get("content-type", "").startswith("application/problem") else ""
                sent_away = answer.status_code == 303 and answer.headers["location"].startswith("/login?") if row.is_page else False
                refused = sent_away or code in {"permission_denied", "sign_in_needed"} or (row.is_page and answer.status_code == 403)
                expected = row.action != ANYONE and (
                    role is None or (row.action != SIGNED_IN and not permissions.allowed([role], row.action))
                )
                if refused != expected or answer.status_code in {500, 501}:
                    wrong.append((role, row.method, row.path, row.action, answer.status_code, code))
    assert wrong == []


async def logins(at: Site) -> None:
    async with at.client() as anybody:
        origin = {"origin": at.url.rstrip("/")}
        texts = []
        for name in ("Vic", "Nobody"):
            answer = await anybody.post("/login", data={"name": name, "password": "wrong wrong wrong"}, headers=origin)
            assert answer.status_code == 403
            texts.append(answer.text.replace(name, "NAME"))
        assert texts[0] == texts[1], "the page does not tell who has an account"
        said = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
        asked = await anybody.get("/login?lang=zh", headers=said)
        assert "Secure" not in asked.headers["set-cookie"], "who asks does not say by what way"
        await anybody.post(
            "/login", data={"name": PEOPLE["viewer"], "password": PASSWORD}, headers={**origin, "x-forwarded-for": "203.0.113.9"}
        )
    async with at.client("admin") as admin:
        people = (await admin.get("/people")).text
        assert PEOPLE["viewer"] in people
        assert "203.0.113.9" not in people, "nor from where: the delay of a wrong password hangs on it"
    async with at.client() as anybody:
        assert (await anybody.post("/claim", data={"code": "x", "name": "y", "password": PASSWORD}, headers=origin)).status_code == 422
        many = {f"field{number}": "x" for number in range(201)}
        assert (await anybody.post("/login", data=many, headers=origin)).status_code == 400


async def slow_clients(at: Site) -> None:
    """A head that trickles is cut off; until then it costs nobody else anything."""
    port = int(at.url.rsplit(":", 1)[1].strip("/"))
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
    for _, writer in held:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    async with at.client() as client:
        assert (await client.get("/api/v1/alive")).status_code == 200
    async with asyncio.timeout(30):
        assert {await reader.read(1) for reader, _ in held} == {b""}
    for _, writer in held:
        writer.close()


def test_a_gateway_that_has_an_owner(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tags=5) as at:
            await headers_and_cookies(at)
            await forged_requests(at)
            await every_cell(at, table(tmp_path))
            await logins(at)
            await slow_clients(at)

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_with_the_gateways_own_certificate(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tags=2, web="tls = true") as at:
            async with at.client("viewer") as client:
                assert (await client.get("/")).status_code == 200
            async with at.client() as client:
                entered = await client.post("/login", data={"name": "Vic", "password": PASSWORD}, headers={"origin": at.url.rstrip("/")})
                assert entered.headers["set-cookie"].startswith("__Host-witnessmark=")
                assert "Secure" in entered.headers["set-cookie"]
            async with httpx.AsyncClient(timeout=30) as plain:
                answer = await plain.get(at.url.replace("https", "http") + "live?find=a")
                assert (answer.status_code, answer.headers["location"]) == (308, at.url + "live?find=a")
                strange = await plain.get(at.url.replace("https", "http"), headers={"host": "evil.example"})
                assert strange.status_code == 400
            folder = at.gateway.state / "private" / "web"
            assert (folder / "key.pem").stat().st_mode & 0o077 == 0
            assert b"PRIVATE" not in at.gateway.log.read_bytes()
            await only_modern(at, folder)

    asyncio.run(run())


async def only_modern(at: Site, folder: Path) -> None:
    port = int(at.url.rsplit(":", 1)[1].strip("/"))
    trusting = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    assert writer.get_extra_info("ssl_object").version() in {"TLSv1.2", "TLSv1.3"}
    writer.close()
    old: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        await asyncio.open_connection("127.0.0.1", port, ssl=old)
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("TLS 1.1 was accepted")
