"""The API as it describes itself: schemathesis asks every operation for what it says, and for what it does not.

It asks as somebody who may do everything, and in size full also as an engineer and as nobody: what is refused is described too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.openapi import PLACE
from runtime.faces.web.stream import Fanout
from tests.conftest import SIZE
from tests.rigs.web_site import PASSWORD, Site, add_person, site

ENDLESS = ("/stream",)
"""An answer that does not end is tested elsewhere."""
UNSAFE_HERE = ("/logout", "/password", "/claim", "/login")
"""What would end the session that asks, or is delayed on purpose."""
AGAIN = "/api/v1/account/again"
"""Wrong passwords make the right one wait, too: who has to stay fresh leaves it out, the engineer does not."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
FRESH_EVERY_S = 60
WHO = ("everything", "engineer", "nobody") if SIZE == "full" else ("everything",)


@contextlib.asynccontextmanager
async def asking_as(at: Site, who: str) -> AsyncIterator[list[str]]:
    """Yield the options by which schemathesis is somebody; whoever may do everything gives the password again now and then."""
    if who == "nobody":
        yield []
        return
    token = at.tokens["engineer"] if who == "engineer" else await add_person(at, "Max", "admin engineer technician")
    as_program = ["--header", f"Authorization: Bearer {token}"]

    async def stay_fresh() -> None:
        while who == "everything":
            await asyncio.sleep(FRESH_EVERY_S)
            await at.ask("account.again", {"token": token, "password": PASSWORD})

    async with asyncio.TaskGroup() as group:
        task = group.create_task(stay_fresh())
        yield [*as_program, *(["--exclude-path", AGAIN] if who == "everything" else [])]
        task.cancel()


async def schemathesis(at: Site, who: list[str], examples: int, folder: Path) -> tuple[int, str]:
    """Run it; return its exit code and what it says."""
    left_out = "|".join(path.lstrip("/") for path in (*ENDLESS, *UNSAFE_HERE))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("st")), "run", at.url + "api/v1/openapi.json", *who,
        "--exclude-path-regex", rf"^/({left_out})$", "--checks", CHECKS,
        "--phases", "coverage,fuzzing" if examples > 1 else "fuzzing", "--mode", "all", "--max-examples", str(examples),
        "--seed", os.environ.get("WITNESSMARK_SEED", "1"), "--request-timeout", "30", "--no-color",
        "--suppress-health-check", "all", "--generation-database", "none",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.mark.parametrize("who", WHO)
def test_schemathesis_finds_nothing(who: str, tmp_path: Path, count: Callable[[int, int, int], int]) -> None:
    async def run() -> tuple[int, str]:
        async with site(tmp_path, tags=5) as at, asking_as(at, who) as options:
            answered = await schemathesis(at, options, count(1, 1, 300), tmp_path)
            assert b"Traceback" not in at.gateway.log.read_bytes()
            return answered

    code, told = asyncio.run(run())
    print(who, *re.findall(r"(?m)^.*(?:generated|Operations|Tested|passed).*$", told), sep="\n")
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
