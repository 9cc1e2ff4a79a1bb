"""A person's key, made and enrolled by a real browser: it cannot be read out, the door takes what it signs, the verifier finds it good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger_client.disk import RealDisk
from ledger_client.policy import parse_policy
from ledger_client.reader import LedgerReader
from ledger_client.verify_ledger import verify_ledger
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.web_site import PEOPLE, Site, site

pytestmark = pytest.mark.integration

SIGN = """async ({ origin, name, params, reason, revision }) => {
  const { approvalOf } = await import(document.querySelector("script[src*='tablet.js']").src.replace("tablet.js", "person_key.js"));
  const act = { id: new Uint8Array(16).fill(7), action: "config.edit", target: "", params, expected_revision: revision, reason };
  return approvalOf({ origin, name, meaning: "authored", act });
}"""
READ_OUT = """async (name) => {
  const { keyOf } = await import(document.querySelector("script[src*='tablet.js']").src.replace("tablet.js", "person_key.js"));
  const { privateKey } = await keyOf(name);
  const refused = async (format) => crypto.subtle.exportKey(format, privateKey).then(() => format, () => "refused");
  return [privateKey.extractable, await refused("pkcs8"), await refused("jwk")];
}"""


async def edited(at: Site, screen: Screen, params: dict[str, Any]) -> dict[str, Any]:
    """Have the browser sign an edit of the configuration, and ask for it as the face would."""
    revision = (await at.ask("config", {"token": at.tokens["engineer"]}))["revision"]
    origin = (await at.ask("account.state", {}))["origin"]
    asked = {"origin": origin, "name": PEOPLE["engineer"], "params": params, "reason": "Prüfung 检查", "revision": revision}
    approval = await screen.page.evaluate(SIGN, asked)
    act = {"id": b"\x07" * 16, "action": "config.edit", "target": "", "params": params, "reason": asked["reason"]}
    act |= {"expected_revision": revision, "token": at.tokens["engineer"], "approval": approval}
    outcome: dict[str, Any] = await at.ask("act", act)
    return outcome


def test_a_tablet_signs_what_the_verifier_believes(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with site(tmp_path, tags=2) as at, chromium(executable) as browser:
            async with page_of(browser, at.url, token=at.tokens["engineer"], width=320) as screen:
                await screen.open("/tablet")
                await screen.page.click("#tablet-enrol")
                await screen.page.wait_for_selector("#tablet-state.ok")
                found = [*await axe(screen.page), *await no_sideways_scroll(screen.page), *await targets(screen.page)]
                assert found == []
                await shot(screen.page, "tablet")
                assert await screen.page.evaluate(READ_OUT, PEOPLE["engineer"]) == [False, "refused", "refused"]
                params = {"gateway.calibration_warn_days": 31, "evidence.seal_every_s": 1.5, "evidence.anchor_every_s": 2.0001}
                outcome = await edited(at, screen, params)
                assert outcome["code"] == "done", outcome
                await screen.page.click("#tablet-forget")
                await screen.page.wait_for_selector("#tablet-state:not(.ok)")
                assert (await at.ask("account.who", {"token": at.tokens["engineer"]}))["key"] is None
                assert screen.faults == []
        state = at.gateway.state
        report = verify_ledger(LedgerReader(RealDisk(), state, 1), parse_policy((state / "policy.txt").read_bytes()))
        approvals = report.facts["approvals"]
        assert (approvals["holds"], approvals["fails"], approvals["unknown"]) == (1, 0, 0), approvals
        assert approvals["rows"][0]["name"] == PEOPLE["engineer"]

    asyncio.run(run())
