"""What a shift and a trend tell of acts: all of those on the plant; without `view.audit` of others no more than their kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.web.full_site import good_uid
from tests.rigs.asking import act
from tests.rigs.web_site import PEOPLE, Site, site

pytestmark = pytest.mark.integration
REASON = "gave notice on Friday"
ON_THE_PLANT = "the belt is being cleaned"
LOGIN = "logged in from"
EDIT = "batches may wait a little"


async def told(client: httpx.AsyncClient, uid: int) -> list[str]:
    """Return what the trend says of acts, and what handover and ledger say where each may be seen; once the last act is there."""
    async with asyncio.timeout(30):
        while True:
            marks: list[dict[str, Any]] = (await client.get("/api/v1/trends", params={"uids": str(uid)})).json()["marks"]
            texts = [mark["text"] for mark in marks if mark["sort"] in {"command", "config", "event"}]
            if any(ON_THE_PLANT in text for text in texts):
                break
            await asyncio.sleep(0.3)
    pages = [await client.get(path) for path in ("/handover", "/ledger")]
    return ["\n".join(texts), *(page.text for page in pages if page.status_code == 200)]


async def acts(at: Site) -> str:
    """Do one act on the plant, one on a person and one on the configuration; return a program's token that may see trends."""
    made = await at.ask("act", act(at.tokens["admin"], "token.create", "mes", actions="view.trend", days=1))
    changed = await at.ask("act", act(at.tokens["engineer"], "config.edit", revision=1, reason=EDIT, **{"evidence.seal_every_s": 2}))
    assert changed["code"] == "done", changed
    for role, action, target, params, reason in (
        ("admin", "account.disable", PEOPLE["technician"], {}, REASON),
        ("engineer", "gateway.read_only", "", {"on": True}, ON_THE_PLANT),
    ):
        done = await at.ask("act", act(at.tokens[role], action, target, **params) | {"reason": reason})
        assert done["code"] == "done", done
    return str(made["told"]["token"])


def test_each_role_is_told_what_it_may_know(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tags=3, web="open_view = true") as at:
            uid = await good_uid(at)
            token = await acts(at)
            program = httpx.AsyncClient(base_url=at.url, headers={"authorization": f"Bearer {token}"}, timeout=30)
            readers = {"stranger": at.client(), "program": program, **{role: at.client(role) for role in PEOPLE if role != "technician"}}
            for name, client in readers.items():
                async with client:
                    found = await told(client, uid)
                assert len(found) == (1 if name == "program" else 3), name
                for text in found:
                    audits = name in {"engineer", "admin"}
                    assert ON_THE_PLANT in text, (name, "what was done to the plant is everybody's")
                    assert PEOPLE["engineer"] in text, name
                    assert "Configuration revision 2 (" in text, name
                    assert "Disable an account" in text, name
                    for hidden in (REASON, EDIT, f": {PEOPLE['technician']}", f"By {PEOPLE['admin']}", LOGIN):
                        assert (hidden in text) == audits, (name, hidden, text)

    asyncio.run(run())
