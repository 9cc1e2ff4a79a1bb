"""The API as it describes itself: schemathesis asks every operation for what it says, and for what it does not.

It asks of a gateway on which there is something of everything, as people of every role, as a program with a token, and as nobody: what is
refused is described too. Size full asks each of them for long and on a gateway of their own; size run asks them all a little on one.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.guard import may
from runtime.faces.web.openapi import PLACE, PROBLEM
from runtime.faces.web.problems import Problem
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.stream import Fanout
from runtime.permissions import TOKENS_MAY
from tests.conftest import SEED, SIZE
from tests.integration.web.full_site import EVERYTHING
from tests.integration.web.test_security import filled
from tests.rigs import asking
from tests.rigs.oidc_provider import Provider
from tests.rigs.ports import free_port
from tests.rigs.sign_in import section
from tests.rigs.web_site import PASSWORD, Site, add_person, site

EVERYBODY: Final = ("everything", "engineer", "technician", "viewer", "admin", "program", "nobody")
"""`everything` is admin, engineer and technician at once, and gives the password again now and then; `program` has a token that may all."""
TOGETHER: Final = [(each,) for each in EVERYBODY] if SIZE == "full" else [EVERYBODY if SIZE == "run" else ("everything", "nobody")]
"""Who asks the same gateway."""
WHOLE: Final = ("everything", "nobody")
"""Who asks every operation in size run too."""
WAITS: Final = "wrong passwords make the right one wait, and who stays fresh has to give it; the engineer does not stay fresh, and asks it"
LEFT_OUT: Final = {
    "/stream": ("its answer does not end; test_live and test_security look at it", EVERYBODY),
    "/logout": ("it ends the session that asks; test_security asks it as somebody", EVERYBODY[:-1]),
    "/password": (WAITS, ("everything",)),
    "/api/v1/account/again": (WAITS, ("everything",)),
}
"""Path -> why it is not asked, and by whom. Every other path is asked by everybody."""
CHECKS: Final = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
FRESH_EVERY_S: Final = 60
NO_NETWORK: Final = '[network]\nbackend = "none"\n'
"""What is asked at random changes no address of the machine that runs the test."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How schemathesis ended, and what it said."""

    who: str
    code: int
    told: str

    @property
    def figures(self) -> str:
        """The lines of what it counted."""
        return " | ".join(line.strip() for line in re.findall(r"(?m)^.*(?:generated|Operations|Tested|passed|skipped).*$", self.told))


@contextlib.asynccontextmanager
async def asking_as(at: Site, who: str) -> AsyncIterator[list[str]]:
    """Yield the options by which schemathesis is somebody; who it is at the end of it must still be signed in."""
    if who == "nobody":
        yield []
        return
    token = await token_of(at, who)

    async def stay_fresh() -> None:
        while who == "everything":
            await asyncio.sleep(FRESH_EVERY_S)
            await at.ask("account.again", {"token": token, "password": PASSWORD})

    async with asyncio.TaskGroup() as group:
        task = group.create_task(stay_fresh())
        yield ["--header", f"Authorization: Bearer {token}"]
        task.cancel()
    await at.ask("account.who", {"token": token})


async def token_of(at: Site, who: str) -> str:
    """Return a session's token, or a program's."""
    if who == "everything":
        return await add_person(at, "Max", "admin engineer technician")
    if who != "program":
        return at.tokens[who]
    scope = " ".join(sorted(TOKENS_MAY))
    made = await at.ask("act", asking.act(at.tokens["admin"], "token.create", "mes", actions=scope, days=1))
    return str(made["told"]["token"])


def asked_paths(who: str, paths: list[str]) -> list[str]:
    """Return what somebody asks: all but LEFT_OUT; in size run those not of WHOLE share the paths, differently with each seed."""
    whole = [path for path in paths if who not in LEFT_OUT.get(path, ("", ()))[1]]
    if SIZE == "full" or who in WHOLE:
        return whole
    shares = [each for each in EVERYBODY if each not in WHOLE]
    return whole[(shares.index(who) + SEED) % len(shares) :: len(shares)]


async def schemathesis(at: Site, who: str, examples: int, folder: Path) -> Asked:
    """Run it as somebody."""
    async with httpx.AsyncClient(timeout=30) as client:
        paths = (await client.get(at.url + "api/v1/openapi.json")).json()["paths"]
    asked = "|".join(map(re.escape, asked_paths(who, sorted(paths))))
    async with asking_as(at, who) as options:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("st")), "run", at.url + "api/v1/openapi.json", *options,
            "--include-path-regex", f"^({asked})$", "--checks", CHECKS,
            "--phases", "coverage,fuzzing" if examples > 1 else "fuzzing", "--mode", "all", "--max-examples", str(examples),
            "--seed", str(SEED), "--request-timeout", "30", "--no-color",
            "--suppress-health-check", "all", "--generation-database", "none",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
        out, _ = await process.communicate()
    assert process.returncode is not None
    return Asked(who, process.returncode, out.decode())


@contextlib.asynccontextmanager
async def whole_site(folder: Path) -> AsyncIterator[Site]:
    """A gateway with devices, alarms, setpoints, a station, a directory, and history."""
    port = free_port()
    (folder / "provider").mkdir()
    with Provider(folder / "provider") as works:
        oidc = section("oidc", works.options(f"http://127.0.0.1:{port}/login/sso/back"))
        async with site(folder, tags=5, gateway="device_writes = true", more=EVERYTHING + NO_NETWORK + oidc, port=port) as at:
            yield at


@pytest.mark.parametrize("together", TOGETHER, ids=" ".join)
def test_schemathesis_finds_nothing(together: tuple[str, ...], tmp_path: Path, count: Callable[[int, int, int], int]) -> None:
    async def run() -> list[Asked]:
        async with whole_site(tmp_path) as at:
            found = [await schemathesis(at, who, count(1, 1, 300), tmp_path) for who in together]
            assert b"Traceback" not in at.gateway.log.read_bytes()
            return found

    found = asyncio.run(run())
    for asked in found:
        print(f"{asked.who}: {asked.figures}")
    assert [each.who for each in found if each.code != 0] == [], "\n".join(each.told[-6_000:] for each in found if each.code != 0)


def test_every_route_is_described(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tags=1, people=False) as at, httpx.AsyncClient(timeout=30) as client:
            described = (await client.get(at.url + "api/v1/openapi.json")).json()
            table = rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h"))
            served = {(PLACE.sub(r"{\1}", row.path), row.method.lower()) for row in table}
            assert described["openapi"] == "3.1.0"
            assert {(path, method) for path, methods in described["paths"].items() for method in methods} == served
            assert set(LEFT_OUT) <= set(described["paths"]), "what is left out is there"

    asyncio.run(run())


def refusal_of(answer: httpx.Response, row: RouteRow, who: str, responses: dict[str, Any]) -> str:
    """Return what is wrong with how somebody is refused who may not: of a program's answer status, media type, body, description."""
    content = {name: set(each.get("content", {})) for name, each in responses.items()}
    media = answer.headers.get("content-type", "").partition(";")[0]
    if row.is_page:
        if who == "nobody":
            ok = answer.status_code == 303 and answer.headers["location"].startswith("/login?next=") and "303" in responses
        else:
            ok = (answer.status_code, media) == (403, "text/html") and content.get("403") == {media}
        return "" if ok else f"{answer.status_code} {media}"
    status = 401 if who == "nobody" else 403
    if (answer.status_code, media) != (status, PROBLEM) or content.get(str(status)) != {PROBLEM}:
        return f"{answer.status_code} {media}, described {sorted(content)}"
    told = msgspec.json.decode(answer.content, type=Problem)
    wanted = "sign_in_needed" if who == "nobody" else "permission_denied"
    return "" if (told.code, told.status) == (wanted, status) else told.code


def test_who_may_not_is_answered_as_it_is_described(tmp_path: Path) -> None:
    async def run() -> dict[str, int]:
        table, wrong, counts = rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")), [], {}
        async with site(tmp_path, tags=1) as at, httpx.AsyncClient(base_url=at.url, timeout=30) as client:
            described = (await client.get("/api/v1/openapi.json")).json()["paths"]
            for who in EVERYBODY[1:]:
                headers = {"origin": at.url.rstrip("/")} if who == "nobody" else {"authorization": f"Bearer {await token_of(at, who)}"}
                told = None if who == "nobody" else (await client.get("/api/v1/account/who", headers=headers)).json()["who"]
                for row in table:
                    if may(told, row.action, open_view=False):
                        continue
                    answer = await client.request(row.method, filled(row.path), headers=headers)
                    counts[who] = counts.get(who, 0) + 1
                    if fault := refusal_of(answer, row, who, described[PLACE.sub(r"{\1}", row.path)][row.method.lower()]["responses"]):
                        wrong.append((who, row.method, row.path, fault))
        assert wrong == []
        return counts

    counts = asyncio.run(run())
    print(counts)
    assert set(counts) == set(EVERYBODY[1:])
    assert counts["nobody"] > 90
