"""From a scanned link to the verdict, in a browser as slow as a phone: `python benchmarks/verifier_page.py`.

Opens the page with a proof of a million-entry ledger in its fragment, in Chromium throttled to a sixth of its speed, and beside it the
same page without a link, alternating. What is printed is the time to the verdict, the time until the page is there without one, and their
ratio; and how long the Python verifier takes for the same proof.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ledger_client.policy import parse_policy
from ledger_client.proof_link import proof_link
from ledger_client.verifier_page.embed import PAGE_FILE
from ledger_client.verify import verify_proof
from tests.rigs.evidence import EvidenceLog, policy_text
from tests.rigs.verifier_page import browser_of

RUNS = 7
SLOWER = 6


def proof() -> bytes:
    """A reading out of 24 tags at 8 Hz; its tree path is as long as in a log of a million entries, and the verdict comes last."""
    log = EvidenceLog().begin(tags=24)
    log.batch()
    log.receipts(names=("w1",))
    made = log.proof(log.batch(scans=42), tag_uid=11, place=20)
    return replace(made, path=(*made.path, *(sha256(bytes([i])).digest() for i in range(20 - len(made.path))))).encode()


async def main() -> None:
    """Measure and print."""
    data, policy = proof(), policy_text()
    fragment = "#" + proof_link(data, "https://verify.example/verify.html", policy).split("#")[1]
    verdict_s, empty_s = [], []
    async with browser_of(shutil.which("chromium") or "chromium") as browser:
        for run in range(2 * RUNS):
            context = await browser.new_context(offline=True)
            page = await context.new_page()
            session = await context.new_cdp_session(page)
            await session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
            start = time.perf_counter()
            await page.goto(PAGE_FILE.as_uri() + (fragment if run % 2 else ""))
            await page.wait_for_selector("#verdict" if run % 2 else "#trust-state p")
            (verdict_s if run % 2 else empty_s).append(time.perf_counter() - start)
            await context.close()
    start = time.perf_counter()
    for _ in range(20):
        verify_proof(data, parse_policy(policy))
    python_s = (time.perf_counter() - start) / 20
    with_link, without = statistics.median(verdict_s), statistics.median(empty_s)
    print(f"page {PAGE_FILE.stat().st_size} bytes, link {len(fragment)} characters, CPU slowed {SLOWER} times, {RUNS} alternated pairs")
    print(f"opened to verdict: median {with_link:.2f} s, worst {max(verdict_s):.2f} s")
    print(f"opened without a link: median {without:.2f} s; ratio {with_link / without:.2f}")
    print(f"python, not slowed: {1000 * python_s:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
