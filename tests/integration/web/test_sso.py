"""Signing in by the page at an OpenID provider, over real https: the way there and back, what else could come back, and in a browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.rigs.browser import axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.oidc_provider import Provider
from tests.rigs.ports import free_port
from tests.rigs.sign_in import ask, locally, section
from tests.rigs.web_site import Site, site

pytestmark = pytest.mark.integration
Story = Callable[[Site, Provider], Awaitable[None]]


def played(folder: Path, story: Story, more: str = "") -> None:
    """Play a story at a gateway with a provider."""

    async def play() -> None:
        port = free_port()
        with Provider(folder) as works:
            options = works.options(f"http://127.0.0.1:{port}/login/sso/back")
            async with site(folder, tags=3, more=section("oidc", options) + more, port=port) as found:
                await story(found, works)

    asyncio.run(play())


async def away(client: httpx.AsyncClient, path: str = "/login/sso") -> dict[str, str]:
    """Be sent to the provider; return what it is asked."""
    answer = await client.get(path)
    assert answer.status_code == 303, answer.text
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_a_browser_goes_there_and_comes_back_as_somebody(tmp_path: Path) -> None:
    async def story(found: Site, works: Provider) -> None:
        async with found.client() as client:
            assert "Sign in with Works" in (await client.get("/login")).text
            asked = await away(client, "/login/sso?next=/live")
            assert set(asked) == {
                "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
            }  # fmt: skip
            back = path_of(works.give_code(asked))
            page = await client.get(back)
            assert page.status_code == 200, page.text
            assert 'content="0;url=/live"' in page.text
            cookie = next(each for each in page.headers.get_list("set-cookie") if each.startswith("witnessmark="))
            assert "HttpOnly" in cookie
            assert "samesite=strict" in cookie.lower()
            who = (await client.get("/api/v1/account/who")).json()["who"]
            assert (who["name"], who["roles"], who["directory"]) == ("anna@oidc", ["engineer", "technician"], "oidc")
            assert (await client.get(back)).status_code == 403, "a way back is good once"
            told = await ask(found, "account.list", token=found.tokens["admin"])
            assert told["directories"] == {"oidc": {"state": "ok", "cause": ""}}

    played(tmp_path, story)


def test_what_else_comes_back_is_nobody(tmp_path: Path) -> None:
    async def story(found: Site, works: Provider) -> None:
        async with found.client() as mine, found.client() as theirs:
            # Begun in one browser, brought back by another: nobody is signed in as somebody else without knowing.
            back = path_of(works.give_code(await away(mine)))
            assert (await theirs.get(back)).status_code == 403
            await away(theirs)
            assert (await theirs.get(back)).status_code == 403, "with a cookie of their own as well"
            # A code that was given out for another sign-in: its proof (PKCE) and its nonce are the other's.
            stolen = dict(parse_qsl(urlsplit(works.give_code(await away(theirs))).query))["code"]
            state = (await away(mine))["state"]
            assert (await mine.get("/login/sso/back", params={"code": stolen, "state": state})).status_code == 503
            # Mix-up (RFC 9207), a refusal there, no code, no state.
            for wrong, status in (({"iss": "https://other.example"}, 403), ({"error": "access_denied"}, 403), ({"code": ""}, 403)):
                asked = await away(mine)
                sent = dict(parse_qsl(urlsplit(works.give_code(asked)).query)) | wrong
                assert (await mine.get("/login/sso/back", params=sent)).status_code == status
                sent = dict(parse_qsl(urlsplit(works.give_code(asked)).query))
                assert (await mine.get("/login/sso/back", params=sent)).status_code == 403, "the state is spent"
            assert (await mine.get("/login/sso/back")).status_code == 403
            assert "witnessmark" not in mine.cookies
            # Another site's page cannot begin it, and nobody is led elsewhere.
            assert (await mine.get("/login/sso", headers={"sec-fetch-site": "cross-site"})).status_code == 403
            page = await mine.get(path_of(works.give_code(await away(mine, "/login/sso?next=//evil.example/x"))))
            assert 'content="0;url=/"' in page.text

    played(tmp_path, story)


def test_who_is_nobody_here_or_is_not_to_be_does_not_come_in(tmp_path: Path) -> None:
    async def story(found: Site, works: Provider) -> None:
        async def comes(**person: Any) -> str:
            for name, value in person.items():
                setattr(works.person, name, value)
            async with found.client() as client:
                return (await client.get(path_of(works.give_code(await away(client))))).text

        assert "You are anna@oidc" in await comes(groups=["visitors"])
        assert "You are signed in" in await comes(groups=["bosses"], preferred_username="Ada")
        assert (await ask(found, "account.who", token=found.tokens["admin"]))["name"] == "Ada", "the local Ada is another person"
        assert "another person" in await comes(sub="another", preferred_username="Ada"), "a name that somebody else has now"
        assert "You are signed in" in await comes(sub="third", preferred_username="王芳", groups=["fitters"])
        for name in ("<script>alert(1)</script>", "Ada@oidc", "a\u202eb", "x" * 64, "аnna"):
            page = await comes(sub=name, preferred_username=name)
            assert "You are signed in" not in page
            assert "<script>alert" not in page

    played(tmp_path, story)


def test_who_comes_in_by_a_login_of_before_is_not_fresh(tmp_path: Path) -> None:
    async def story(found: Site, works: Provider) -> None:
        for age_s, is_fresh in ((0, True), (100, True), (3_600, False)):
            works.auth_time = lambda age_s=age_s: int(time.time()) - age_s
            async with found.client() as client:
                await client.get(path_of(works.give_code(await away(client))))
                who = (await client.get("/api/v1/account/who")).json()["who"]
                assert (who["name"], who["fresh_until_ms"] is not None) == ("anna@oidc", is_fresh)

    played(tmp_path, story)


def test_who_proves_themselves_again_does_so_there_and_then(tmp_path: Path) -> None:
    async def story(found: Site, works: Provider) -> None:
        async with found.client() as client:
            await client.get(path_of(works.give_code(await away(client))))
            token = client.cookies["witnessmark"]
            assert (await ask(found, "account.again", token=token, password="any password"))["refused"] == "again_elsewhere"
            asked = await away(client, "/again/sso")
            assert (asked["prompt"], asked["max_age"]) == ("login", "0")
            works.auth_time = lambda: int(time.time()) - 3_600
            page = await client.get(path_of(works.give_code(asked)))
            assert "did not ask you anew" in page.text, "a login of an hour ago is no proof of now"
            works.auth_time = lambda: int(time.time())
            assert "You have proved" in (await client.get(path_of(works.give_code(await away(client, "/again/sso"))))).text
            works.person.sub = "somebody else"
            page = await client.get(path_of(works.give_code(await away(client, "/again/sso"))))
            assert page.status_code == 422, "another person's proof"
            assert (await ask(found, "account.who", token=token))["name"] == "anna@oidc"
        async with found.client("viewer") as client:
            assert (await client.get("/again/sso")).status_code == 422, "a local person has a password"

    played(tmp_path, story)


def test_a_dead_provider_keeps_nobody_else_out(tmp_path: Path) -> None:
    async def story(found: Site, works: Provider) -> None:
        works.answers["/.well-known/openid-configuration"] = (500, b"no")
        async with found.client() as client:
            assert (await client.get("/login/sso")).status_code == 503
            assert (await locally(found, "Ada"))["who"]["name"] == "Ada"
            told = await ask(found, "account.list", token=found.tokens["admin"])
            assert "no JSON" in told["directories"]["oidc"]["cause"]

    played(tmp_path, story)


LDAP = """
[ldap]
url = "ldaps://127.0.0.1:1"
label = "Works directory"
base = "dc=works"
[ldap.roles]
admin = ["cn=x"]
"""


def test_in_a_browser_the_button_leads_there_and_home_again(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def story(found: Site, works: Provider) -> None:
        async with chromium(executable) as browser:
            async with page_of(browser, found.url) as screen:
                await screen.open("/login?next=/live")
                await screen.page.click("#sso")
                await screen.page.click("#yes")
                await screen.page.wait_for_url("**/live")
                await screen.page.wait_for_selector("details.own summary:has-text('anna@oidc')")
                assert screen.faults == []
            for lang in ("en", "zh"):
                for theme, width in (("light", 1280), ("dark", 320), ("light", 768)):
                    async with page_of(browser, found.url, lang=lang, theme=theme, width=width) as screen:
                        for name, path in (("login_ways", "/login"), ("sso_refused", "/login/sso/back?state=x")):
                            await screen.open(path)
                            await shot(screen.page, f"{name}-{lang}-{theme}-{width}")
                            assert await axe(screen.page) == []
                            assert await no_sideways_scroll(screen.page) == []
                            assert await targets(screen.page) == []
                    async with page_of(browser, found.url, token=found.tokens["admin"], lang=lang, theme=theme, width=width) as screen:
                        await screen.open("/people")
                        await screen.page.click("details.person:has-text('anna@oidc') summary")
                        await shot(screen.page, f"people_directory-{lang}-{theme}-{width}")
                        assert await axe(screen.page) == []
                        assert await no_sideways_scroll(screen.page) == []

    played(tmp_path, story, LDAP)
