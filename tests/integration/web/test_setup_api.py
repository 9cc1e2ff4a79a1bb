"""The API of machine setup on a real gateway: configuration and tags by the page equal those by file; who may do what; polling goes on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.web.setup_pages import DEVICE
from tests.rigs.gateway import until
from tests.rigs.newcomers import let_in
from tests.rigs.out_of_the_box import PASSWORD, Site, out_of_the_box

pytestmark = pytest.mark.integration
OTHER = DEVICE.replace("devices.meter", "devices.other")


@dataclass
class Api:
    """A signed-in program: the session's cookie, and its token with every change."""

    client: httpx.AsyncClient
    who: dict[str, Any]

    async def __call__(self, method: str, path: str, expect: int = 200, **body: Any) -> Any:
        answer = await self.client.request(method, f"/api/v1/{path}", json=body if method != "GET" else None)
        assert answer.status_code == expect, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.content

    async def edit(self, text: str, expect: int = 200, reason: str = "test") -> Any:
        now = await self("GET", "config")
        return await self("POST", "config", expect, text=text, expected_revision=now["revision"], reason=reason)


@contextlib.asynccontextmanager
async def signed_in(site: Site, said: dict[str, Any]) -> AsyncIterator[Api]:
    who = said["who"]
    headers = {"origin": site.url.rstrip("/"), "x-witnessmark-token": who["csrf"]}
    async with httpx.AsyncClient(base_url=site.url, cookies={"witnessmark": said["token"]}, headers=headers, timeout=30) as client:
        yield Api(client, who)


@contextlib.asynccontextmanager
async def engineer(folder: Path) -> AsyncIterator[tuple[Site, Api]]:
    async with out_of_the_box(folder) as site, signed_in(site, await site.claim()) as api:
        yield site, api


def test_configuration_and_tags_by_the_page_and_by_whom(tmp_path: Path) -> None:
    async def run() -> None:
        async with engineer(tmp_path) as (site, api):
            first = (await api("GET", "config"))["text"]
            text = first + DEVICE.format(port=site.plant.port) + OTHER.format(port=site.plant.port)
            bad = text.replace("period_ms = 500", "period_ms = 5").replace('address = "holding:5"', 'address = "100"', 1)
            judged = await api("POST", "config/judge", text=bad)
            assert len(judged["faults"]) == 3
            assert all(fault["line"] for fault in judged["faults"])
            refused = await api.edit(bad, 422)
            assert refused["code"] == "config_invalid"
            assert (await api("GET", "config"))["text"] == first, "what is wrong changes nothing"
            assert (await api.edit(text, reason="two meters"))["revision"] == 2
            assert (site.gateway.config).read_text(encoding="utf-8") == text, "the file says what is in force"

            await tags_by_file_and_by_page(site, api)
            await undone(api, text)
            stale = await api("POST", "config", 422, text=first, expected_revision=1, reason="too late")
            assert stale["code"] == "revision_conflict"
            await who_may_do_what(site, api)

    asyncio.run(run())


async def tags_by_file_and_by_page(site: Site, api: Api) -> None:
    """A file as a spreadsheet in China saves it, with a formula in it, beside a device that goes on being polled."""
    shown = await api("GET", "tags/meter")
    data = await api("GET", "tags/meter/file")
    assert data.startswith(b"\xef\xbb\xbf")
    same = await api("POST", "tags/meter/judge", file=base64.b64encode(data).decode())
    assert (same["faults"], same["changed"], same["diff"]) == ([], [], [])
    gbk = data.decode("utf-8-sig").replace(",V,", ",千伏,").encode("gbk")
    judged = await api("POST", "tags/meter/judge", file=base64.b64encode(gbk).decode())
    assert (judged["faults"], judged["changed"]) == ([], ["u"])
    torn = gbk.replace(b"holding:5,", b"nowhere,")
    faults = (await api("POST", "tags/meter/judge", file=base64.b64encode(torn).decode()))["faults"]
    assert [(fault["row"], fault["column"]) for fault in faults] == [(3, "address")]
    whole = {"file": base64.b64encode(torn).decode(), "expected_revision": shown["revision"], "reason": "half of it"}
    refused = await api("POST", "tags/meter", 422, **whole)
    assert (refused["code"], (await api("GET", "tags/meter"))["rows"]) == ("tags_table_faults", shown["rows"]), "all or nothing"

    async with site.gateway.watching() as face:
        other = await until(lambda: next((uid for uid, row in face.tags.items() if row[1] == "other/n"), None))
        await until(lambda: other in face.values)
        before = face.values[other][3]
        rows = [[*row] for row in shown["rows"]]
        rows[0][shown["columns"].index("unit")] = "=cmd|' /C calc'!A0"
        done = await api(
            "POST", "tags/meter", columns=shown["columns"], rows=rows, remove=True, expected_revision=shown["revision"], reason="a unit",
        )  # fmt: skip
        assert done["revision"] == 3
        assert b"'=cmd" in await api("GET", "tags/meter/file"), "no spreadsheet runs it"
        await until(lambda: face.values[other][3] > before)
        assert not any(face.health["gaps"].values()), "nothing was lost while the configuration was swapped"


async def undone(api: Api, text: str) -> None:
    """Go back to the second revision: a new one with its text; who and why stand in the list, which comes out of the ledger."""
    earlier = await api("GET", "config/revisions/2")
    assert earlier["text"] == text
    assert earlier["undo"]["changed"]
    assert (await api.edit(earlier["text"], reason="back to 2"))["revision"] == 4
    async with asyncio.timeout(20):
        while (listed := (await api("GET", "config/revisions"))["revisions"])[0]["number"] != 4:
            await asyncio.sleep(0.1)
    assert [each["number"] for each in listed] == [4, 3, 2, 1]
    assert [each["reason"] for each in listed[:3]] == ["back to 2", "a unit", "two meters"]
    assert "ada" in listed[0]["actor"]
    assert listed[0]["sha256"] == listed[2]["sha256"]


async def who_may_do_what(site: Site, ada: Api) -> None:
    """A technician looks and drafts, an engineer puts in force, a viewer and a stranger do neither."""
    draft = await ada("POST", "config/draft", kind="setting", table="gateway", key="commissioning", value=True)
    now = (await ada.edit(draft["text"]))["revision"]
    for role, may_look in (("technician", True), ("viewer", False)):
        somebody = await let_in(site.ask, ada.client.cookies["witnessmark"], role, role, PASSWORD + role)
        async with signed_in(site, somebody) as api:
            look = {"where": {"host": "127.0.0.1", "port": site.plant.port, "unit_id": 2}, "address": "holding:50", "count": 2}
            await api("POST", "bench/read", 200 if may_look else 403, **look)
            await api("GET", "config", 200 if may_look else 403)
            await api("POST", "config/draft", 200 if may_look else 403, kind="text")
            await api("POST", "config", 403, text=draft["text"], expected_revision=now, reason="may not")
            await api("POST", "tags/meter", 403, rows=[], columns=[], expected_revision=now, reason="may not")
    async with httpx.AsyncClient(base_url=site.url, headers={"origin": site.url.rstrip("/")}, timeout=30) as stranger:
        for path in ("bench/read", "config/draft", "config", "tags/meter"):
            assert (await stranger.post(f"/api/v1/{path}", json={})).status_code == 401
