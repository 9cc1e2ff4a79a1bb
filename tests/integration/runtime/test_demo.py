"""The demo as a person starts it: a plant, a witness and a gateway, and a full verify of what they wrote."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.rigs.gateway import ROOT, children, cli, until
from tests.rigs.ports import free_port


async def demo(state: Path, *more: str) -> tuple[int, dict[str, Any]]:
    return await cli("demo", "--for", "14", "--state", str(state), "--port", str(free_port()), *more)


def test_it_records_is_confirmed_and_holds_and_starts_again(tmp_path: Path) -> None:
    async def run() -> None:
        state = tmp_path / "state"
        code, said = await demo(state, "--speed", "5")
        assert (code, said["verdict"]) == (0, "holds"), said
        assert 0 < said["first_reading_s"] <= said["first_cosigned_s"], "how fast: benchmarks/startup.py"
        assert said["readings"] > 100
        assert 0 < said["cosigned"] <= said["entries"]
        assert 0 < said["mirrored"] <= said["entries"]
        assert sum(said["gaps"].values()) < 10, said["gaps"]

        config = state / "config" / "witnessmark.toml"
        edited = config.read_text().replace("period_ms = 500", "period_ms = 400 # by hand", 1)
        config.write_text(edited)
        code, again = await demo(state, "--speed", "5")
        assert (code, again["verdict"]) == (0, "holds"), again
        assert again["first_reading_s"] > 0
        assert again["entries"] > said["entries"]
        assert again["mirrored"] > said["mirrored"], "it goes on where it stopped"
        assert "period_ms = 400 # by hand" in config.read_text()
        code, status = await cli("status", "--state", str(state))
        assert (code, status["running"], status["reason"], status["ledger"]["state"]) == (2, False, "status_not_running", "ok")

    asyncio.run(run())


def test_the_page_the_door_and_a_reading_by_hand_while_it_runs(tmp_path: Path) -> None:
    async def run() -> None:
        state = tmp_path / "state"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime", "demo", "--state", str(state), "--port", str(free_port()),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                while True:
                    code, status = await cli("status", "--state", str(state))
                    if status.get("running") and [d["state"] for d in status["devices"]] == ["ok"] * 3:
                        assert (code, status["recording"], status["reason"]) == (0, True, None)
                        break
            ports = (state / "demo" / "ports.json").read_bytes()
            code, said = await cli("demo", "--state", str(state), "--for", "1")
            assert (code, said["error"], (state / "demo" / "ports.json").read_bytes()) == (2, "state_in_use", ports)
            code, said = await cli("demo", "--state", str(tmp_path / "other"), "--port", str(json.loads(ports)["web"]))
            assert (code, said["error"]) == (2, "demo_port_taken")
            assert not (tmp_path / "other" / "private").exists(), "nothing was begun"
            code, read = await cli("read", "filler/speed_setpoint", "--state", str(state))
            assert (code, read["readings"][0]["quality"], read["readings"][0]["unit"]) == (0, "good", "1/min")
            write = ("write", "filler/speed_setpoint", "--state", str(state), "--reason", "test")
            code, refused = await cli(*write, "100.5")
            assert (code, refused["error"]) == (1, "command_not_confirmed"), "--yes says that the rules were read"
            code, done = await cli(*write, "--yes", "100.5")
            assert (code, done["code"], done["params"]["read_back"]) == (0, "done", 100.5)
            code, refused = await cli(*write, "--yes", "9000")
            assert (code, refused["error"]) == (1, "value_out_of_limits")
            code, read = await cli("read", "filler/speed_setpoint", "--state", str(state))
            assert read["readings"][0]["value"] == 100.5
            new = tmp_path / "new.toml"
            new.write_text((state / "config" / "witnessmark.toml").read_text().replace("period_ms = 1000", "period_ms = 900", 1))
            code, done = await cli("act", "config.edit", "--state", str(state), "--file", str(new), "--reason", "test")
            assert (code, done["code"], done["params"]) == (0, "done", {"revision": 2, "restart_needed": 0})
            code, refused = await cli("act", "config.edit", "--state", str(state), "--file", str(new), "--reason", "t", "--revision", "1")
            assert (code, refused["error"]) == (1, "revision_conflict")
            code, said = await cli("fault", "meter", "dead_device", "on", "--state", str(state))
            assert (code, said["ok"]) == (0, True)
            async with asyncio.timeout(30):
                while {d["name"]: d["state"] for d in (await cli("status", "--state", str(state)))[1]["devices"]}["meter"] != "down":
                    pass
            assert (await cli("fault", "meter", "no_such", "--state", str(state)))[0] == 1
            assert (await cli("fault", "meter", "dead_device", "off", "--state", str(state)))[0] == 0
            started = children(process.pid)
            assert len(started) >= 3
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            async with asyncio.timeout(30):
                printed, _ = await process.communicate()
                assert process.returncode == 0
        assert f"witnessmark ledger verify --state {state}" in printed.decode().splitlines()[-1], "what to do with what it left"
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
        code, report = await cli("ledger", "verify", "--state", str(state))
        assert (code, report["verdict"]) == (0, "holds"), report
        assert (await cli("fault", "meter", "dead_device", "--state", str(state)))[1]["error"] == "demo_away"
        assert (await cli(*write, "100"))[0] == 2, "nobody answers"

    asyncio.run(run())


def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    async def run() -> None:
        state = tmp_path / "state"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime", "demo", "--state", str(state), "--port", str(free_port()),
            cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await until((state / "run" / "feed.sock").exists, 60)
        started = children(process.pid)
        process.kill()
        await process.wait()
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))

    asyncio.run(run())


def test_faults_of_the_configuration_stop_the_start_and_are_all_named(tmp_path: Path) -> None:
    async def run() -> None:
        config = tmp_path / "c.toml"
        config.write_text('[gateway]\nname = "g"\n[evidence]\nseal_every_s = 0\n[devices.d]\ntype = "none"\ngroups = [{}]\n')
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime", "run", "--state", str(tmp_path / "state"), "--config", str(config),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            _, told = await process.communicate()
        assert process.returncode == 1
        assert b"evidence.seal_every_s" in told
        assert b"devices.d.type" in told
        code, said = await cli("run", "--state", str(tmp_path / "state"), "--config", str(config))
        assert (code, len(said["faults"])) == (1, 5)
        code, said = await cli("check", str(config))
        assert code == 1
        assert json.dumps(said["faults"]).count('"where"') == 5

    asyncio.run(run())
