"""The API as it describes itself: schemathesis asks every operation for what it says, and for what it does not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.openapi import PLACE
from runtime.faces.web.stream import Fanout
from tests.rigs.web_site import site

ENDLESS = ("/stream",)
"""An answer that does not end is tested elsewhere."""
UNSAFE_HERE = ("/logout", "/password", "/claim", "/login")
"""What would end the session that asks, or is delayed on purpose."""


def test_schemathesis_finds_nothing(tmp_path: Path, count: Callable[[int, int, int], int]) -> None:
    async def run() -> tuple[int, str]:
        async with site(tmp_path, tags=5) as at:
            token = at.tokens["engineer"]
            left_out = "|".join(path.lstrip("/") for path in (*ENDLESS, *UNSAFE_HERE))
            checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
            examples = count(1, 1, 300)
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("st")), "run", at.url + "api/v1/openapi.json",
                "--header", f"Authorization: Bearer {token}", "--exclude-path-regex", rf"^/({left_out})$", "--checks", checks,
                "--phases", "coverage,fuzzing" if examples > 1 else "fuzzing", "--mode", "all", "--max-examples", str(examples),
                "--seed", os.environ.get("WITNESSMARK_SEED", "1"), "--request-timeout", "30", "--no-color",
                "--suppress-health-check", "all", "--generation-database", "none",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
            )  # fmt: skip
            out, _ = await process.communicate()
            assert process.returncode is not None
            assert b"Traceback" not in at.gateway.log.read_bytes()
            return process.returncode, out.decode()

    code, told = asyncio.run(run())
    assert code == 0, told[-6_000:]


def test_every_route_is_described(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tags=1, people=False) as at, httpx.AsyncClient() as client:
            described = (await client.get(at.url + "api/v1/openapi.json")).json()
            served = {
                (PLACE.sub(r"{\1}", row.path), row.method.lower())
                for row in rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h"))
            }
            assert described["openapi"] == "3.1.0"
            assert {(path, method) for path, methods in described["paths"].items() for method in methods} == served

    asyncio.run(run())
