"""Whoever gives no reason is told so in their language, by each way of giving none; the API's description goes on asking for one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
NONE_GIVEN: Final[tuple[dict[str, Any], ...]] = ({}, {"reason": ""}, {"reason": None})
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
            async with httpx.AsyncClient(base_url=url) as anybody:
                described = (await anybody.get("/api/v1/openapi.json")).json()["components"]["schemas"]
            for name in ("Confirm", "Approve", "Switch", "SiteZone", "ApproveEdit"):
                assert described[name]["properties"]["reason"]["minLength"] == 1
                assert "reason" in described[name]["required"]
            for lang, says in (("en", "Say why"), ("zh", "请说明原因")):
                cookies = {"witnessmark": "engineer", "lang": lang}
                headers = {"origin": url.rstrip("/"), "x-witnessmark-token": "0" * 32}
                async with httpx.AsyncClient(base_url=url, cookies=cookies, headers=headers) as engineer:
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
