"""A start on a state folder that is mounted read-only: nothing is recorded, loudly; polling, the page and the command line go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from runtime.faces.feed_client import FeedClient
from runtime.run_folder import feed_of
from tests.rigs.gateway import Gateway, cli, until
from tests.rigs.load_device import LoadDevice, device_config
from tests.rigs.ports import free_port

MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
HEAD = """
[gateway]
name = "stuck"
[evidence]
seal_every_s = 1
[web]
port = {port}
open_view = true
"""


def read_only(state: Path, unshare: str) -> tuple[str, ...]:
    """The command that runs another where the state folder is read-only; skips the test where the kernel does not let us."""
    own = () if os.geteuid() == 0 else ("--map-root-user",)
    before = (unshare, "--mount", *own, "sh", "-c", MOUNTED, str(state))
    tried = subprocess.run([*before, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespace here: {tried.stderr.decode().strip()}")
    return before


def test_polling_and_page_go_on_and_the_folder_is_still_one_cores(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    unshare = require_service("unshare")

    async def run() -> None:
        async with LoadDevice() as device, contextlib.AsyncExitStack() as ending:
            port, config = free_port(), tmp_path / "gateway.toml"
            config.write_text(HEAD.format(port=port) + device_config("press", device.port, tags=20, period_ms=200, groups=1))
            gateway = Gateway(tmp_path / "state", config)
            ending.callback(lambda: gateway.kill_core() if gateway.process and gateway.process.returncode is None else None)
            await gateway.start()
            async with gateway.watching() as face:
                await until(lambda: (face.health.get("evidence", {}).get("readings") or 0) > 20)
            assert await gateway.stop() == 0
            (gateway.state / "run" / "core.lock").unlink()
            size = (await cli("status", "--state", str(gateway.state)))[1]["ledger"]["size"]

            gateway.before = read_only(gateway.state, unshare)
            await gateway.start()
            await until(lambda: feed_of(gateway.state).parent != gateway.state / "run")
            sockets = feed_of(gateway.state).parent
            async with FeedClient(sockets / "feed.sock", "test") as face, asyncio.TaskGroup() as group:
                watching = group.create_task(face.run())
                await until(lambda: face.health.get("evidence", {}).get("state") == "stopped")
                assert face.health["evidence"]["cause"] == "disk_read_only"
                assert face.health["ledger"]["state"] == "failed"
                before = face.health["devices"][0]["polls"]
                await until(lambda: face.health["devices"][0]["polls"] > before + 5)
                assert face.health["devices"][0]["state"] == "ok"
                await until(lambda: {row[5] for row in face.values.values()} == {"unrecorded"})
                watching.cancel()
            async with httpx.AsyncClient() as client, asyncio.timeout(30):
                while not (health := (await client.get(f"http://127.0.0.1:{port}/api/v1/health")).json().get("health")):
                    await asyncio.sleep(0.1)
            assert health["evidence"]["state"] == "stopped"
            code, status = await cli("status", "--state", str(gateway.state))
            assert (code, status["running"], status["reason"]) == (1, True, "status_not_recording")
            code, said = await cli("run", "--state", str(gateway.state))
            assert (code, said["error"]) == (2, "state_in_use"), "the second core sees the folder writable"
            assert await gateway.stop() == 0
            assert not sockets.exists()

            gateway.before = ()
            await gateway.start()
            async with gateway.watching() as face:
                await until(
                    lambda: face.health.get("evidence", {}).get("state") == "recording" and face.health["ledger"]["size"] > size + 2
                )
            assert await gateway.stop() == 0
            assert "run_folder_elsewhere" in gateway.log.read_text()

    asyncio.run(run())
