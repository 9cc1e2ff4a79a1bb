"""Whoever gives no reason is told so in their language, by each way of giving none; the API's description goes on asking for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import expect

from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
NONE_GIVEN: Final[tuple[dict[str, Any], ...]] = ({}, {"reason": ""}, {"reason": None}, {"reason": "  \t"})
SHOWN: Final = {"target": "d/t0", "value": 1, "old": 0}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/commands/confirm": {**SHOWN, "nonce": "n"},
    "/api/v1/commands/approve": {**SHOWN, "proposal": "p"},
    "/api/v1/read-only": {"on": True},
    "/api/v1/site": {"zone": "UTC"},
    f"/api/v1/config/waiting/{'0' * 16}/approve": {"sha256": "0" * 64},
    "/api/v1/config": {"text": "", "expected_revision": 1},
}


def test_no_reason_is_said_in_the_readers_language(tmp_path: Path) -> None:
    async def run() -> None:
        async with web(tmp_path, Plant(1)) as url:
            async with httpx.AsyncClient(base_url=url, timeout=30) as anybody:
                described = (await anybody.get("/api/v1/openapi.json")).json()["components"]["schemas"]
            for name in ("Confirm", "Approve", "Switch", "SiteZone", "ApproveEdit"):
                assert described[name]["properties"]["reason"]["minLength"] == 1
                assert "reason" in described[name]["required"]
            for lang, says in (("en", "Say why"), ("zh", "请说明原因")):
                cookies = {"witnessmark": "engineer", "lang": lang}
                headers = {"origin": url.rstrip("/"), "x-witnessmark-token": "0" * 32}
                async with httpx.AsyncClient(base_url=url, cookies=cookies, headers=headers, timeout=30) as engineer:
                    for path, body in BODIES.items():
                        for reason in NONE_GIVEN:
                            answer = await engineer.post(path, json=body | reason)
                            told = answer.json()
                            assert (answer.status_code, told["code"]) == (422, "reason_missing"), (path, reason, told)
                            assert told["params"] == {"field": "reason"}
                            assert says in told["detail"], (lang, told)
                        other = (await engineer.post(path, json=body | {"reason": 5})).json()
                        assert other["code"] == "body_unreadable", "that is no text at all"

    asyncio.run(run())


def test_a_text_that_is_empty_or_blank_is_named(tmp_path: Path) -> None:
    async def run() -> None:
        async with web(tmp_path, Plant(1)) as url:
            for lang, says in (("en", "name must say something"), ("zh", "name 不能为空")):
                cookies = {"witnessmark": "admin", "lang": lang}
                headers = {"origin": url.rstrip("/"), "x-witnessmark-token": "0" * 32}
                async with httpx.AsyncClient(base_url=url, cookies=cookies, headers=headers, timeout=30) as admin:
                    for path, more in (
                        ("/api/v1/people", {"roles": ["viewer"]}),
                        ("/api/v1/tokens", {"actions": ["view.values"], "days": 1}),
                    ):
                        for name in ("", " ", "\u3000\t"):
                            answer = await admin.post(path, json={"name": name, **more})
                            told = answer.json()
                            assert (answer.status_code, told["code"], told["params"]) == (422, "text_missing", {"field": "name"}), (
                                path,
                                told,
                            )
                            assert told["detail"].startswith(says)
                    told = (await admin.post("/api/v1/people", json={"name": "Bo", "roles": ["viewer"], "reason": " "})).json()
                    assert (told["code"], told["params"]) == ("reason_missing", {"field": "reason"})

    asyncio.run(run())


def test_of_an_empty_secret_nothing_is_said_of_blanks(tmp_path: Path) -> None:
    """A password may be blanks: it is only not to be empty."""

    async def run() -> None:
        async with web(tmp_path, Plant(1)) as url:
            for lang, says in (("en", "password must not be empty."), ("zh", "password 不能为空。")):
                cookies = {"witnessmark": "engineer", "lang": lang}
                headers = {"origin": url.rstrip("/"), "x-witnessmark-token": "0" * 32}
                async with httpx.AsyncClient(base_url=url, cookies=cookies, headers=headers, timeout=30) as engineer:
                    answer = await engineer.post("/api/v1/account/again", json={"password": ""})
                    told = answer.json()
                    assert (answer.status_code, told["code"], told["params"]) == (422, "secret_missing", {"field": "password"}), told
                    assert told["detail"] == says

    asyncio.run(run())


def test_plain_forms_are_answered_so_as_well(tmp_path: Path) -> None:
    """What is posted without scripts: a value at a station, a step of a model."""

    async def run() -> None:
        async with web(tmp_path, Plant(1)) as url:
            headers = {"origin": url.rstrip("/"), "x-witnessmark-token": "0" * 32}
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "engineer"}, headers=headers, timeout=30) as engineer:
                told = (await engineer.post("/api/v1/stations/enter", json={"target": "lab/colour", "value": "  "})).json()
                assert (told["code"], told["params"]) == ("text_missing", {"field": "value"})
                page = await engineer.post("/learn/check", data={"model": "line", "reason": "  "})
                assert (page.status_code, "Say why" in page.text) == (422, True)

    asyncio.run(run())


def test_a_page_sends_no_blanks_where_something_is_wanted(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(1)
        plant.answers["account.list"] = {"people": [], "sessions": [], "tokens": [], "directories": {}, "self_approval": False}
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="admin") as at:
            sent: list[str] = []
            at.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
            await at.open("/people")
            form = at.page.locator('form[data-post="/api/v1/people"]')
            await form.locator("[name=name]").fill("New Hand")
            await form.locator("[name=reason]").fill("   ")
            await form.locator("button.primary").click()
            await expect(form.locator("[name=reason]:invalid")).to_have_count(1)
            assert "blanks alone" in await form.locator("[name=reason]").evaluate("(field) => field.validationMessage")
            assert not [each for each in sent if each.endswith("/people")]
            await form.locator("[name=reason]").fill("starts on Monday")
            await expect(form.locator("[name=reason]:invalid")).to_have_count(0)
            async with at.page.expect_request(lambda request: request.url.endswith("/api/v1/people")):
                await form.locator("button.primary").click()

    asyncio.run(run())
