"""A configuration longer than what the feed carries as one text runs; what would show it says why not; a shorter one replaces it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from runtime.faces.feed import CONFIG_TEXT_MAX
from tests.rigs.gateway import ALONE, Gateway, cli, until
from tests.rigs.load_device import LoadDevice, device_config


def test_it_runs_and_is_replaced_by_a_shorter_one(tmp_path: Path) -> None:
    async def run() -> None:
        async with LoadDevice() as device, contextlib.AsyncExitStack() as ending:
            short = '[gateway]\nname = "long"\n' + ALONE + device_config("press", device.port, tags=20, period_ms=200)
            config, edited = tmp_path / "gateway.toml", tmp_path / "edited.toml"
            config.write_text(short + "#" * CONFIG_TEXT_MAX + "\n")
            code, judged = await cli("check", str(config))
            assert (code, [each["code"] for each in judged["advice"]]) == (0, ["config_text_long"])
            gateway = Gateway(tmp_path / "state", config)
            ending.callback(lambda: gateway.kill_core() if gateway.process and gateway.process.returncode is None else None)
            await gateway.start()
            state = ("--state", str(gateway.state))
            async with gateway.watching() as face:
                await until(lambda: face.health.get("devices") and face.health["devices"][0]["last_good_ms"])
                code, said = await cli("tags", "export", "press", str(tmp_path / "tags.csv"), *state)
                assert (code, said["error"]) == (2, "config_text_long"), said
                code, said = await cli("act", "config.edit", *state, "--file", str(config), "--reason", "the same")
                assert (code, said["error"]) == (2, "file_too_long"), said
                edited.write_text(short.replace("period_ms = 200", "period_ms = 100"))
                code, done = await cli("act", "config.edit", *state, "--file", str(edited), "--reason", "shorter")
                assert (code, done["params"]["revision"]) == (0, 2), done
                assert face.health["devices"][0]["state"] == "ok"
                code, said = await cli("tags", "export", "press", str(tmp_path / "tags.csv"), *state)
                assert code == 0, said
            assert await gateway.stop() == 0

    asyncio.run(run())
