"""`witnessmark diagnose` on a gateway that runs, and on the state folder of one that does not."""

from __future__ import annotations

import asyncio
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.rigs.gateway import cli
from tests.rigs.web_site import site

pytestmark = pytest.mark.integration
CANARY = "kanarienvogel"


def test_a_bundle_of_a_gateway_that_runs_and_of_one_that_does_not(tmp_path: Path) -> None:
    async def run() -> None:
        out = tmp_path / "bundle.zip"
        async with site(tmp_path, tags=2, more=f'# token = "{CANARY}"\n', people=False) as at:
            state = ["--state", str(at.gateway.state)]
            code, listed = await cli("diagnose", *state)
            assert (code, listed["missing"]) == (0, [])
            assert {"config.toml", "log.txt", "status.json"} <= {each["name"] for each in listed["files"]}
            assert not out.exists()
            code, shown = await cli("diagnose", *state, "--show", "config.toml")
            assert code == 0
            assert 'token = "[redacted]"' in shown["text"]
            code, told = await cli("diagnose", *state, "--out", str(out))
            assert (code, told["error"]) == (1, "diag_reason_missing")
            code, made = await cli("diagnose", *state, "--out", str(out), "--reason", "ticket 4711", "--leave-out", "packages.json")
            assert code == 0
            assert sha256(out.read_bytes()).hexdigest() == made["sha256"]
            code, entry = await cli("ledger", "show", *state, "--seq", str(made["seq"]))
            assert made["sha256"] in str(entry)
            code, told = await cli("diagnose", *state, "--show", "no.txt")
            assert (code, told["error"]) == (1, "diag_part_unknown")
            running = names(out)
            assert "packages.json" not in running
        code, listed = await cli("diagnose", *state)
        assert code == 1, "some of it could not be had"
        assert listed["missing"] == ["alarms.json", "lines.json", "log.txt", "models.json", "processes.json"]
        code, told = await cli("diagnose", *state, "--show", "log.txt")
        assert (code, told["error"]) == (1, "core_away")
        code, made = await cli("diagnose", *state, "--out", str(out))
        assert code == 1
        assert names(out) | {"packages.json"} == (running | {"packages.json"}) - set(made["missing"])
        with zipfile.ZipFile(out) as archive:
            assert CANARY.encode() not in b"".join(archive.read(name) for name in archive.namelist())
            assert b"core_away" in archive.read("about.json")
        code, told = await cli("diagnose", "--state", str(tmp_path / "nothing"))
        assert (code, told["error"]) == (2, "state_missing")

    asyncio.run(run())


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())
