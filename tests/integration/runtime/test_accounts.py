"""Accounts of a gateway as its own process: claimed over the feed, changed by verbs, kept through a kill, no secret in a file."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from tests.rigs.gateway import ALONE, ROOT, Gateway, cli, until

pytestmark = pytest.mark.integration

CONFIG = """[gateway]
name = "g"
[devices.lab]
type = "manual"
people = ["Ana"]
[[devices.lab.groups]]
name = "rounds"
tags = [{ name = "brix", unit = "deg", decimals = 1, max = 30.0 }]
"""
WORDS = "four wet rubber boots"


async def with_password(password: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a verb that reads a password from standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", "accounts", *arguments, "--password-stdin", "--json", cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, _ = await process.communicate(password.encode() + b"\n")
    assert process.returncode is not None
    return process.returncode, json.loads(out)


def test_a_gateway_is_claimed_run_by_its_people_killed_and_still_theirs(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(ALONE + CONFIG)
    gateway, state = Gateway(tmp_path / "state", config), str(tmp_path / "state")
    feed = tmp_path / "state" / "run" / "feed.sock"

    async def ask(method: str, **params: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await ask_once(feed, "web", method, params, 20)
        except RequestRefusedError as refused:
            return {"refused": refused.code, **refused.params}
        return answer

    async def accounts(*arguments: str) -> tuple[int, dict[str, Any]]:
        return await cli("accounts", *arguments, "--state", state)

    async def run() -> list[str]:
        await gateway.start()
        try:
            async with asyncio.timeout(150), gateway.watching() as face:
                await until(lambda: face.tags)
                code = (await accounts("claim-code"))[1]["claim_code"]
                claim = {"code": code, "password": WORDS, "source": "10.0.0.1"}
                answers = await asyncio.gather(*(ask("account.claim", name=name, **claim) for name in ("Ada", "Eve")))
                assert sorted(each.get("refused", "in") for each in answers) == ["account_claimed", "in"]
                ada = next(each for each in answers if "token" in each)
                assert (await accounts("claim-code"))[0] == 1
                exit_code, said = await with_password(
                    WORDS + "!", "create", "Bo", "--role", "engineer", "--reason", "new", "--state", state
                )
                assert (exit_code, said["code"]) == (0, "done"), said
                exit_code, made = await accounts("create", "Cy", "--role", "viewer", "--role", "technician", "--reason", "new")
                assert exit_code == 0
                exit_code, token = await accounts("token", "scada", "--action", "view.values", "--reason", "screens")
                assert exit_code == 0
                assert (await accounts("disable", ada["who"]["name"], "--reason", "left"))[1]["error"] == "account_last_admin"
                gateway.kill_core()
                await gateway.gone()
                await gateway.start()
                await until(lambda: face.connected)
                assert (await ask("account.who", token=ada["token"]))["refused"] == "session_gone", "sessions end with the core"
                assert (await ask("account.who", token=token["told"]["token"]))["actions"] == ["view.values"]
                cy = await ask("account.login", name="cy", password=made["told"]["password"], source="")
                assert cy["who"]["must_change"] is True
                listed = (await accounts("list"))[1]
                assert [row["name"] for row in listed["people"]] == sorted([ada["who"]["name"], "Bo", "Cy"])
                assert (await accounts("break-glass", "Cy", "--reason", "nobody is left"))[0] == 0
            return [WORDS, code, code.replace("-", ""), ada["token"], cy["token"], made["told"]["password"], token["told"]["token"]]
        finally:
            await gateway.stop()

    secrets = asyncio.run(run())
    store = tmp_path / "state" / "private" / "accounts.sqlite"
    assert stat.S_IMODE(os.stat(store).st_mode) == 0o600
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    found = [(path.name, secret) for path in files for secret in secrets if secret.encode() in path.read_bytes()]
    assert found == [], "no secret is in the ledger, the journal, the accounts or the log"
