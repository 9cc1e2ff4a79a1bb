"""A configuration file that somebody edits by hand: with faults it is said wherever people look; overtaken by the door, it is kept."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tests.rigs.gateway import ALONE, Gateway, cli, until
from tests.rigs.load_device import LoadDevice, device_config


def test_faults_are_said_and_what_was_written_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        async with LoadDevice() as device, contextlib.AsyncExitStack() as ending:
            text = '[gateway]\nname = "edited"\n' + ALONE + device_config("press", device.port, tags=5, period_ms=200)
            config, new = tmp_path / "gateway.toml", tmp_path / "new.toml"
            config.write_text(text)
            gateway = Gateway(tmp_path / "state", config)
            ending.callback(lambda: gateway.kill_core() if gateway.process and gateway.process.returncode is None else None)
            state = ("--state", str(gateway.state))
            await gateway.start()
            async with gateway.watching() as face:
                await until(lambda: face.health.get("devices") and face.health["devices"][0]["last_good_ms"])
            assert await gateway.stop() == 0

            faulty = text.replace("unit_id", "unitid").replace("timeout_s", "time_out_s")
            config.write_text(faulty)
            await gateway.start()
            async with gateway.watching() as face:
                await until(lambda: face.health.get("gateway", {}).get("config_fault_count") == 1)
                status = (await cli("status", *state))[1]["gateway"]
                assert status["revision"] == 1
                assert [each["where"] for each in status["config_faults"]] == ["devices.press.time_out_s"]
                assert f"{config}:" in gateway.log.read_text(), "the console names the file and the line"
                assert config.read_text() == faulty

                new.write_text(text.replace("period_ms = 200", "period_ms = 300"))
                code, done = await cli("act", "config.edit", *state, "--file", str(new), "--reason", "slower")
                kept = config.with_name("gateway.toml.before-revision-2")
                assert (code, done["params"]) == (0, {"revision": 2, "restart_needed": 0, "kept": str(kept)}), done
                assert (kept.read_text(), config.read_text()) == (faulty, new.read_text())
                assert str(kept) in done["text"]
                await until(lambda: face.health["gateway"]["config_fault_count"] == 0)
            assert await gateway.stop() == 0

    asyncio.run(run())
