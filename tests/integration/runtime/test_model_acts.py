"""Models by the page, real core and people: a technician learns, sets on trial and labels, an engineer arms, a viewer may not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from playwright.async_api import Browser

from tests.integration.runtime.test_judgement import HEAD, TAGS, Machine, act, becomes, key_of, model_for, started
from tests.rigs.browser import chromium, page_of
from tests.rigs.gateway import Gateway, cli
from tests.rigs.keyboard import Keys, without_a_mouse
from tests.rigs.load_device import LoadDevice, device_config
from tests.rigs.ports import free_port
from tests.rigs.web_site import Site, claim


@contextlib.asynccontextmanager
async def plant(folder: Path, machine: Machine) -> AsyncIterator[Site]:
    """A gateway with a model defined, its page, and a person of each role."""
    port = free_port()
    async with LoadDevice(machine) as device:
        config = folder / "gateway.toml"
        faces = f"[web]\nport = {port}\n[history]\nenabled = false\n"
        head = faces + HEAD.format(unsigned="true", key=key_of(50).public.cose.hex())
        config.write_text(head + device_config("press", device.port, tags=TAGS, period_ms=200))
        gateway = Gateway(folder / "state", config)
        await started(gateway)
        try:
            found = Site(gateway, f"http://127.0.0.1:{port}/", {}, device)
            await claim(found)
            yield found
        finally:
            await gateway.stop()


def by_keyboard(browser: Browser, site: Site, role: str) -> AbstractAsyncContextManager[Keys]:
    return without_a_mouse(browser, site.url, f"model-acts-{role}", site.tokens[role])


async def step(keys: Keys, site: Site, what: str, why: str) -> None:
    await keys.page.goto(site.url + "learn")
    await keys.write("form[data-act=step] [name=reason]", why)
    await keys.enter(f"[formaction='/learn/{what}']")
    await keys.shows("#done")


async def a_viewer_may_not(browser: Browser, site: Site) -> None:
    async with page_of(browser, site.url, token=site.tokens["viewer"]) as at:
        for path in ("/learn", "/anomalies"):
            await at.open(path)
            assert await at.page.locator("main form").count() == 0
    async with site.client("viewer", headers={"origin": site.url.rstrip("/")}) as viewer:
        csrf = await site.csrf("viewer")
        for path in ("learn/learn", "learn/arm", "anomalies/label"):
            assert (await viewer.post(path, data={"csrf": csrf, "model": "line", "reason": "x"})).status_code == 403
        answer = await viewer.post("api/v1/models/line/arm", json={"reason": "x"}, headers={"x-witnessmark-token": csrf})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


async def without_scripts_a_refusal_keeps_what_was_typed(browser: Browser, site: Site) -> None:
    async with page_of(browser, site.url, token=site.tokens["technician"], scripts=False) as at:
        await at.open("/learn")
        form = at.page.locator("form[data-act=learn]")
        await form.locator("summary").click()
        await form.locator("[name=start]").fill("2099-01-01T06:00")
        await form.locator("[name=reason]").fill("first commissioning")
        await form.locator("button").click()
        assert "lies in the future" in (await at.page.locator("#refused").text_content() or "")
        assert await form.locator("[name=start]").input_value() == "2099-01-01T06:00"
        assert await form.locator("[name=reason]").input_value() == "first commissioning"
        assert await at.page.locator("[formaction='/learn/arm']").count() == 0, "a technician arms nothing"


def test_learned_tried_armed_and_labelled_by_people(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        machine = Machine()
        async with plant(tmp_path, machine) as site, chromium(executable) as browser:
            state = site.gateway.state
            await a_viewer_may_not(browser, site)
            await without_scripts_a_refusal_keeps_what_was_typed(browser, site)
            async with by_keyboard(browser, site, "technician") as keys:
                await keys.page.goto(site.url + "learn")
                await keys.write("form[data-act=learn] [name=reason]", "first shift")
                await keys.enter("form[data-act=learn] button")
                await keys.shows("#done", "line is learning")
            await becomes(state, lambda found: found.get("ended") and not found.get("progress"))
            manifest, model = model_for(state)
            assert (await act(state, "model.import", model=model, manifest=manifest.encoded()))[0] == "done"
            async with by_keyboard(browser, site, "technician") as keys:
                await step(keys, site, "shadow", "trial of a shift")
            await becomes(state, lambda found: found["state"] == "shadow")
            async with by_keyboard(browser, site, "engineer") as keys:
                await step(keys, site, "arm", "its trial was quiet")
            await becomes(state, lambda found: found["state"] == "armed" and found["score"] is not None)
            machine.away = True
            await becomes(state, lambda found: found["alarming"])
            async with by_keyboard(browser, site, "technician") as keys:
                await keys.page.goto(site.url + "anomalies?model=line")
                await keys.enter("a[id^='label-']")
                await keys.write("#label-note", "valve 3 stuck")
                await keys.enter("[value=not_normal]")
                await keys.shows("#done", "recorded")
            await becomes(state, lambda found: (found.get("labels") or {}).get("not_normal") == 1)
            async with by_keyboard(browser, site, "engineer") as keys:
                await step(keys, site, "disarm", "valve is being changed")
            await becomes(state, lambda found: found["state"] == "shadow")
            _, shown = await cli("ledger", "show", "--state", str(state), "-n", "400")
        texts = [entry["text"] for entry in shown["entries"]]
        for who, why in (("Tess", "first shift"), ("Tess", "trial of a shift"), ("Eno", "its trial was quiet"), ("Tess", "valve 3 stuck")):
            assert [text for text in texts if who in text and why in text], (who, why, texts[-40:])
        assert [text for text in texts if text.startswith("line: web Tess") and "not normal" in text], texts[-40:]

    asyncio.run(run())
