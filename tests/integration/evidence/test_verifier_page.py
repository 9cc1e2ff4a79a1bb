"""The verifier page in a browser without a network: what it finds in the frozen files, and what a person reads on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.rigs.verifier_page import browser_of, page_of, verified

PROOFS = Path(__file__).parents[2] / "vectors" / "proofs_v1"


def test_the_frozen_proofs_are_found_as_python_finds_them(require_service: Callable[[str], str]) -> None:
    expected: dict[str, Any] = json.loads((PROOFS / "expected.json").read_text())
    policy = (PROOFS / "policy.txt").read_bytes()

    async def run() -> None:
        async with browser_of(require_service("chromium")) as browser, page_of(browser) as page:
            found = await verified(page, [((PROOFS / name).read_bytes(), policy) for name in expected])
        for name, report in zip(expected, found, strict=True):
            was = expected[name]
            assert (report["verdict"], report["claims"], report["independent"]) == (was["verdict"], was["claims"], was["independent"]), name
            if "reading" in was["facts"]:
                assert report["facts"]["reading"]["value"] == was["facts"]["reading"]["value"], name
                assert report["facts"]["tag"]["name"] == was["facts"]["tag"]["name"], name

    asyncio.run(run())
