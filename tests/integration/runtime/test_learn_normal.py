"""Learn normal as a technician does it: the simulated line, the command line, and the pages in a real browser, with every process real."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.rigs.asking import asker
from tests.rigs.browser import CHROMIUM_FLAGS
from tests.rigs.demo_line import SHORT_MODEL, SPEED, becomes, learned_from_enough, line
from tests.rigs.gateway import children, cli
from tests.rigs.model_acts import reason_to_refuse
from tests.rigs.newcomers import claim

pytest.importorskip("ai_edge_litert", reason="needs the extra models")


async def claimed(state: Path) -> str:
    """Become the gateway's first admin, as a browser does; return the token of the session."""
    _, told = await cli("accounts", "claim-code", "--state", str(state))
    said = await claim(asker(state, early_s=10), told["claim_code"], "Ada", "four wet rubber boots")
    return str(said["token"])


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
        async with line(state, SHORT_MODEL, speed=SPEED) as (url, process), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page(viewport={"width": 1024, "height": 768})
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            await becomes(state, lambda said: said["judge"]["state"] == "ok")
            await page.context.add_cookies([{"name": "witnessmark", "value": await claimed(state), "url": url}])
            code, early = await model("learn", "short", "--reason", "too early", "--from", "1000", "--to", "2000")
            assert (code, early["error"]) == (1, "model_rows_few"), early

            code, learned = await learned_from_enough(state)
            assert code == 0, learned
            assert (learned["model"]["state"], learned["model"]["coverage"]["covered"]) == ("checking", False)
            await page.goto(url + "learn")
            await says(page, ".uncovered", "rows more are needed")
            await says(page, ".steps .now", "checking")

            assert (await model("shadow", "short", "--reason", "trial"))[0] == 0
            code, refused = await model("arm", "short", "--reason", "too early")
            assert (code, refused["error"]) == (1, reason_to_refuse(learned["model"]["coverage"]))
            await says(page, ".steps .unpassed", "checking")
            await becomes(state, lambda said: said["models"][0]["score"] is not None)
            await page.goto(url + "anomalies")
            await says(page, ".verdict", "On trial")
            await page.locator("#chart .u-over").wait_for(state="attached", timeout=60_000)
            await expect(page.locator(".shares li")).to_have_count(5, timeout=60_000)  # there are none while the machine stands
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
