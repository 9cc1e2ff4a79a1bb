"""A face asks for the sentences of alarms once for each revision of the configuration, and does without them where nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runtime.faces.feed import Session
from runtime.faces.feed_client import FeedClient
from runtime.faces.web import alarm_titles
from runtime.faces.web.alarm_titles import AlarmTitles
from tests.rigs.feed_plant import Plant, serving, until

pytestmark = pytest.mark.integration


class Core(Plant):
    """A core with 700 alarms, which counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(0)
        self.revision, self.asked, self.holds = 1, 0, False

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        if method != "alarm_titles":
            return await super().answer(session, method, params)
        self.asked += 1
        if self.holds:
            await asyncio.Event().wait()
        first = params["offset"]
        titles = {f"a{number}": f"Alarm {number} of {self.revision}." for number in range(first, min(first + 500, 700))}
        return {"titles": titles, "next": None if first + 500 >= 700 else first + 500}

    def snapshot(self) -> Mapping[str, Any]:
        return {"gateway": {"name": "g", "started_ms": 7, "revision": self.revision}, "now_ms": self.generation}


async def heard(feed: FeedClient, core: Core) -> None:
    """Wait until the face knows the revision."""
    await until(lambda: (feed.health.get("gateway") or {}).get("revision") == core.revision)


def test_sentences_are_asked_for_once_in_a_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual_s = alarm_titles.ASK_S
    monkeypatch.setattr(alarm_titles, "ASK_S", 20.0)  # to tell 700 may take the machine longer than the usual second

    async def run() -> None:
        core = Core()
        path = tmp_path / "feed.sock"
        async with serving(path, core), FeedClient(path, "web", lambda *_: None) as feed, asyncio.TaskGroup() as group:
            task = group.create_task(feed.run())
            await heard(feed, core)
            titles = AlarmTitles(feed)
            for _ in range(5):
                told = await titles.told()
                assert (len(told), told["a0"], told["a699"]) == (700, "Alarm 0 of 1.", "Alarm 699 of 1.")
            assert core.asked == 2, "two pages, once"
            core.revision = 2
            await heard(feed, core)
            assert (await titles.told())["a1"] == "Alarm 1 of 2."
            core.holds, core.revision = True, 3
            await heard(feed, core)
            with monkeypatch.context() as usual:
                usual.setattr(alarm_titles, "ASK_S", usual_s)
                begun = asyncio.get_running_loop().time()
                assert (await titles.told())["a1"] == "Alarm 1 of 2.", "what was told before, and soon"
                assert asyncio.get_running_loop().time() - begun < usual_s + 4
            core.holds = False
            assert (await titles.told())["a1"] == "Alarm 1 of 3."
            task.cancel()

    asyncio.run(run())
