"""The verifier page as people use it: whom they trust, what they read, and what a browser that lacks something says. No network."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from ledger_client.policy_text import policy_fingerprint
from ledger_client.proof_link import proof_link
from ledger_client.verifier_page import verifier_page
from tests.rigs.browser import axe, no_sideways_scroll, shot, targets
from tests.rigs.evidence import EvidenceLog, policy_text
from tests.rigs.verdict_logs import mixed_log
from tests.rigs.verifier_page import browser_of, page_of

POLICY = policy_text()
PROOF = EvidenceLog().typical(6).proof(8).encode()
VERDICTS = Path(__file__).parents[2] / "vectors" / "verdicts"
WORD = "#verdict .word"
NO_ED25519 = """const whole = crypto.subtle.importKey.bind(crypto.subtle);
crypto.subtle.importKey = (format, raw, algorithm, ...more) => algorithm.name === "Ed25519"
  ? Promise.reject(new DOMException("no", "NotSupportedError")) : whole(format, raw, algorithm, ...more);"""
WRONG_ED25519 = """const verify = crypto.subtle.verify.bind(crypto.subtle);
crypto.subtle.verify = (algorithm, ...more) => algorithm.name === "Ed25519" ? Promise.resolve(true) : verify(algorithm, ...more);"""


def run(chromium: str, story: Callable[[Browser], Awaitable[None]]) -> None:
    async def told() -> None:
        async with browser_of(chromium) as browser:
            await story(browser)

    asyncio.run(told())


def fragment_of(policy: bytes | None = None) -> str:
    return "#" + proof_link(PROOF, "https://verify.example/", policy).split("#")[1]


async def opened(page: Page, data: bytes, *, name: str = "x.wmproof", policy: bytes | None = POLICY) -> str:
    """Give the page a policy and a file; return the verdict's word."""
    if policy is not None:
        await page.locator("#policy-own").evaluate("(e) => { e.open = true; }")
        await page.fill("#policy", policy.decode())
        await page.click("#policy-use")
    await page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": data})
    return await word(page)


async def word(page: Page) -> str:
    return await page.locator(WORD).inner_text()


def test_a_file_in_the_wrong_field_is_told_where_it_belongs(require_service: Callable[[str], str]) -> None:
    async def story(browser: Browser) -> None:
        async with page_of(browser) as page:
            for data, said in ((POLICY, "This is a policy, not evidence"), (b"no policy and no evidence", "no Witnessmark evidence file")):
                await page.set_input_files("#file", {"name": "x", "mimeType": "text/plain", "buffer": data})
                await page.locator("#fault", has_text=said).wait_for()
            await shot(page, "verifier-wrong-field")
            await page.locator("#policy-own").evaluate("(e) => { e.open = true; }")
            await page.set_input_files("#policy-file", {"name": "x", "mimeType": "text/plain", "buffer": PROOF})
            await page.locator("#policy-fault", has_text="This is an evidence file, no policy").wait_for()
            assert not await page.locator("#verdict").count()

    run(require_service("chromium"), story)


def test_keys_that_come_with_the_evidence_prove_nothing_until_a_person_says_so(
    require_service: Callable[[str], str], tmp_path: Path
) -> None:
    handed_out = tmp_path / "verify.html"
    handed_out.write_bytes(verifier_page(POLICY))

    async def story(browser: Browser) -> None:
        async with page_of(browser, fragment=fragment_of(POLICY)) as page:
            assert await word(page) == "CANNOT CHECK HERE"
            assert "by keys that came with it" in await page.inner_text("#headline")
            assert not await page.locator("tr.holds").count(), "a claim may fit, it does not hold"
            assert policy_fingerprint(POLICY) in await page.inner_text("#trust-state"), "the one of the gateway's own policy.txt"
            await page.click("#accept")
            await page.locator("#verdict.holds").wait_for()
            assert "801.25 bar" in await page.inner_text("#result")
        async with page_of(browser, fragment=fragment_of()) as page:
            assert await word(page) == "CANNOT CHECK HERE"
            assert "Without a policy" in await page.inner_text("#headline")
        for fragment in (fragment_of(), fragment_of(policy_text(operators="operator acme w1 w2 w3\n"))):
            async with page_of(browser, path=handed_out, fragment=fragment) as page:
                assert await word(page) == "HOLDS"
                assert "built into this page" in await page.inner_text("#trust")
                assert "run by acme" in await page.inner_text("#result")
                assert "run by the audited party itself" in await page.inner_text("#result"), "the page's policy, not the link's"
        async with page_of(browser, fragment=fragment_of(policy_text(logs=[]))) as page:
            assert await word(page) == "CANNOT CHECK HERE"
            await page.evaluate("(hash) => { location.hash = hash; }", fragment_of(POLICY))
            await page.locator("#verdict.cannot", has_text="by keys that came with it").wait_for()
            await page.evaluate("(hash) => { location.hash = hash; }", fragment_of()[:-3])
            await page.locator("#fault:not(:empty)").wait_for()
            assert not await page.locator(WORD).count(), "what a broken link left behind is no verdict"

    run(require_service("chromium"), story)


def test_what_is_opened_and_what_is_read(require_service: Callable[[str], str]) -> None:
    async def story(browser: Browser) -> None:
        async with page_of(browser) as page:
            assert await opened(page, PROOF, policy=None) == "CANNOT CHECK HERE"
            said = await page.inner_text("#result")
            assert "nothing is known about who runs them" in said
            assert "belong to the audited party" not in said, "without a policy nobody can tell"
            assert await opened(page, PROOF) == "HOLDS"
            said = await page.inner_text("main")
            assert said.count(policy_fingerprint(POLICY)) == 2, (
                "of the text with its comments it is the same: where trust is chosen, and on the sheet"
            )
            signed = "So the entry that holds this reading was signed within"
            for part in ("filler/tag2", "801.25 bar", "w1 · run by acme", "What is not proved", signed, "as the gateway says"):
                assert part in said, part
            acts = (VERDICTS / "files" / "range-approval-holds-self-approved.wmseg").read_bytes()
            assert await opened(page, acts, name="x.wmseg", policy=policy_text(gap_s=3600)) == "HOLDS"
            said = await page.inner_text("#result")
            for part in ("Bo · approved · self-approved · ✓ holds", "Beginning of the ledger", "Command · config.edit", "account.key"):
                assert part in said, part
            assert await opened(page, PROOF) == "HOLDS"
            await page.click("[data-language=zh]")
            assert await word(page) == "成立"
            assert await page.get_attribute("html", "lang") == "zh-Hans"
            await page.fill("#policy", "quorum nobody\n")
            await page.click("#policy-use")
            assert "无法读取此策略" in await page.inner_text("#policy-fault")
            assert await word(page) == "成立", "the policy in force stays"
            await page.set_input_files("#file", {"name": "x.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"})
            await page.locator("#fault:not(:empty)").wait_for()
            assert not await page.locator(WORD).count(), "an old verdict must not stand beside a new file"
            await page.evaluate(
                """(text) => { const data = new DataTransfer();
                data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], "dropped.wmproof"));
                document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })); }""",
                b64encode(PROOF).decode(),
            )
            assert await word(page) == "成立"
            await page.check("#policy-keep")
            await page.fill("#policy", POLICY.decode())
            await page.click("#policy-use")
            await page.locator("#verdict").wait_for()
            await page.reload()
            assert "已记在本设备上" in await page.inner_text("#trust-state")

    run(require_service("chromium"), story)


def test_a_superseded_reading_is_told_with_the_value_that_came_after_it(require_service: Callable[[str], str]) -> None:
    async def story(browser: Browser) -> None:
        async with page_of(browser) as page:
            for name, superseded, values in (("first", 1, ["1", "2", "3", "4"]), ("last", 0, ["1", "2", "3", "4"])):
                path = VERDICTS / "files" / f"proof-good-{name}-of-one-time.wmproof"
                assert await opened(page, path.read_bytes()) == "HOLDS"
                assert await page.get_by_text("In the same millisecond 3 bar was recorded after it.").count() == superseded
                assert await page.locator("tbody td.num").all_inner_texts() == values, "those of one time stand as they were recorded"
                assert await page.locator("tr.marked td.num").inner_text() == ("1" if superseded else "3")

    run(require_service("chromium"), story)


def test_names_out_of_a_file_are_text_and_nothing_else(require_service: Callable[[str], str]) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>{seq}"
    log = EvidenceLog().typical(3)
    log.rename({1: hostile, 2: "filler/" + "long" * 200})
    log.batch()

    async def story(browser: Browser) -> None:
        async with page_of(browser, viewport={"width": 320, "height": 800}) as page:
            assert await opened(page, log.range(0, log.size()).encode(), name=hostile) == "HOLDS"
            assert hostile in await page.inner_text("#result")
            assert not await page.locator("img, main script").count()
            await page.select_option("select", index=1)
            assert await no_sideways_scroll(page) == []

    run(require_service("chromium"), story)


def test_a_browser_that_lacks_something_says_so_and_gives_no_verdict(require_service: Callable[[str], str]) -> None:
    missing = (
        ("Object.defineProperty(crypto, 'subtle', { value: undefined });", "Ed25519"),
        (NO_ED25519, "Ed25519"),
        (WRONG_ED25519, "Ed25519"),
        ("delete globalThis.DecompressionStream;", "deflate"),
    )

    async def story(browser: Browser) -> None:
        for before, name in missing:
            async with page_of(browser, before=before) as page:
                assert await opened(page, PROOF) == "CANNOT CHECK HERE", before
                assert name in await page.inner_text("#missing")
                assert not await page.locator("tr.holds, tr.fails").count()

    run(require_service("chromium"), story)


def test_it_can_be_used_by_everybody(require_service: Callable[[str], str], count: Callable[[int, int, int], int]) -> None:
    """axe-core, touch targets and width, in both languages and themes, empty, holding, failing and unable; pictures in tests/out/shots."""
    mixed = mixed_log()
    states: dict[str, Any] = {
        "empty": None,
        "holds": mixed.range(0, mixed.size()).encode(),
        "fails": EvidenceLog().typical(6).range(4, 9).encode()[:-1] + b"\0",
        "cannot": replace(EvidenceLog().typical(6).proof(8), seen=None).encode(),
    }
    looks = [(lang, theme, width) for lang in ("en-GB", "zh-CN") for theme in ("light", "dark") for width in (320, 900)]

    async def story(browser: Browser) -> None:
        for turn, (state, data) in enumerate(states.items()):
            for lang, theme, width in looks if count(0, 0, 1) else looks[3 * turn % 8 :: 8]:
                view = {"width": width, "height": 800}
                async with page_of(browser, locale=lang, color_scheme=theme, viewport=view) as page:
                    if data is not None:
                        assert await page.evaluate("document.documentElement.lang") == ("en" if lang == "en-GB" else "zh-Hans")
                        await opened(page, data, name="x.wmseg" if state == "holds" else "x.wmproof")
                    await shot(page, f"verifier-{state}-{lang[:2]}-{theme}-{width}")
                    assert [*await axe(page), *await targets(page), *await no_sideways_scroll(page)] == [], (state, lang, theme, width)

    run(require_service("chromium"), story)
