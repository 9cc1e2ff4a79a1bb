"""Learn normal as a technician does it: the simulated line, the command line, and the pages in a real browser, with every process real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from boards.sim.template import PLACEHOLDERS, gateway_config
from runtime.faces.feed_client import ask_once
from tests.rigs.browser import CHROMIUM_FLAGS
from tests.rigs.gateway import ROOT, children, cli
from tests.rigs.ports import free_port

pytest.importorskip("ai_edge_litert", reason="needs the extra models")

SPEED = "3"
MODELS = """
[evidence]
seal_every_s = 1.0
[history]
enabled = false
[models]
enabled = true
receipt_every_s = 2.0
[[models.define]]
name = "short"
tags = ["filler/product_temperature", "filler/head_pressure", "filler/fill_speed", "filler/motor_current", "meter/power_total"]
grid_ms = 200
window = 10
learn_s = 60
"""


@contextlib.asynccontextmanager
async def line(state: Path) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The demo with a model defined; yields the page's address and the process of the core."""
    config, port = state / "config" / "witnessmark.toml", free_port()
    config.parent.mkdir(parents=True)
    before = gateway_config(dict.fromkeys(PLACEHOLDERS, 1))
    config.write_text(before[:at] + MODELS if (at := before.find("\n[models]")) > 0 else before + MODELS)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", "demo", "--state", str(state), "--port", str(port), "--witnesses", "0", "--speed", SPEED,
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}/", process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(40):
            await process.wait()


async def becomes(state: Path, wanted: Callable[[dict[str, Any]], Any], timeout_s: float = 60) -> dict[str, Any]:
    """Wait until what `model list` says is as wanted."""
    async with asyncio.timeout(timeout_s):
        while True:
            code, said = await cli("model", "list", "--state", str(state))
            if code == 0 and wanted(said):
                return dict(said)
            await asyncio.sleep(0.3)


async def claimed(state: Path) -> str:
    """Become the gateway's first admin, as a browser does; return the token of the session."""
    _, told = await cli("accounts", "claim-code", "--state", str(state))
    who = {"code": told["claim_code"], "name": "Ada", "password": "four wet rubber boots", "source": "10.0.0.1"}
    answer: dict[str, Any] = await ask_once(state / "run" / "feed.sock", "web", "account.claim", who, 30)
    return str(answer["token"])


async def says(page: Page, selector: str, text: str) -> None:
    await page.locator(selector, has_text=text).first.wait_for(timeout=60_000)


def judge_of(process: asyncio.subprocess.Process) -> int:
    return next(pid for pid in children(process.pid) if b"runtime.judgement" in Path(f"/proc/{pid}/cmdline").read_bytes())


def test_from_learning_to_scores_that_are_not_shown_when_old_and_a_swapped_model_that_is_refused(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    chromium, state = require_service("chromium"), tmp_path / "state"

    async def model(*verb: str) -> tuple[int, Any]:
        return await cli("model", *verb, "--state", str(state))

    async def run() -> None:
        async with line(state) as (url, process), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page(viewport={"width": 1024, "height": 768})
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            await becomes(state, lambda said: said["judge"]["state"] == "ok")
            await page.context.add_cookies([{"name": "witnessmark", "value": await claimed(state), "url": url}])
            code, early = await model("learn", "short", "--reason", "too early", "--from", "1000", "--to", "2000")
            assert (code, early["error"]) == (1, "model_rows_few"), early

            code, learned = await learned_from_enough(model)
            assert code == 0, learned
            assert (learned["model"]["state"], learned["model"]["coverage"]["covered"]) == ("checking", False)
            await page.goto(url + "learn")
            await says(page, ".uncovered", "rows more are needed")
            await says(page, ".steps .now", "checking")

            assert (await model("shadow", "short", "--reason", "trial"))[0] == 0
            code, refused = await model("arm", "short", "--reason", "too early")
            assert (code, refused["error"]) == (1, "model_not_covered")
            await becomes(state, lambda said: said["models"][0]["score"] is not None)
            await page.goto(url + "anomalies")
            await says(page, ".verdict", "On trial")
            await page.locator("#chart .u-over").wait_for(state="attached", timeout=60_000)
            assert await page.locator(".shares li").count() == 5
            assert await page.locator(".figures.old").count() == 0

            os.kill(judge_of(process), signal.SIGSTOP)
            await says(page, ".verdict.alarm", "What you see is old")
            await page.locator(".figures.old").wait_for(timeout=30_000)
            code, old = await model("score", "short")
            assert (code, old["of_now"]) == (2, False)
            os.kill(judge_of(process), signal.SIGCONT)
            await page.locator(".figures:not(.old)").wait_for(timeout=60_000)

            assert (await cli("fault", "filler", "dead_device", "on", "--state", str(state)))[0] == 0
            await says(page, ".verdict.warn", "too many of its tags have no good value")
            await page.locator("#chart .lanes .abstained").first.wait_for(state="attached", timeout=60_000)
            await swapped(page, url, state / "models" / learned["model"]["manifest_hash"] / "model.tflite", judge_of(process))
            assert faults == []
            await browser.close()
        code, shown = await cli("ledger", "show", "--state", str(state), "-n", "200")
        assert [each for each in shown["entries"] if each["text"].startswith("short is refused: The bytes of the model")]
        code, said = await cli("model", "replay", "short", "--state", str(state))
        assert (code, said["verdict"]) == (0, "holds"), said

    asyncio.run(run())


async def swapped(page: Page, url: str, file: Path, judge: int) -> None:
    """Change one bit of the model on the disk, and have the judge start again: the page refuses it and says why."""
    kept = file.read_bytes()
    file.write_bytes(bytes([*kept[:-1], kept[-1] ^ 1]))
    os.kill(judge, signal.SIGKILL)
    await says(page, ".verdict.alarm", "This model is refused: The bytes of the model are not those that its manifest names")
    await page.goto(url + "learn")
    await says(page, ".note.alarm", "The bytes of the model are not those")
    file.write_bytes(kept)


async def learned_from_enough(model: Callable[..., Any]) -> tuple[int, Any]:
    """Learn as soon as there are rows enough; until then the refusal says how many there are."""
    async with asyncio.timeout(120):
        while True:
            code, said = await model("learn", "short", "--reason", "first commissioning")
            if said.get("error") != "model_rows_few":
                return code, said
            assert said["params"]["rows_have"] < said["params"]["rows_want"], said
            await asyncio.sleep(2)
