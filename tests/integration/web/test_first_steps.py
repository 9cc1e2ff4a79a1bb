"""Home says how many of the first steps are open, to whoever may do them and until they are left for later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.faces.feed import Session
from runtime.faces.web.first_steps import HOME_S, Step, open_for
from tests.integration.web.screen_answers import answers
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
STEPS = (
    Step("language", True),
    Step("zone", False),
    Step("clock", False),
    Step("network", True),
    Step("trust", None),
    Step("device", True),
)


@pytest.mark.parametrize(
    ("may", "count"),
    [({"config.edit", "net.edit", "device.look"}, 2), ({"config.edit"}, 1), ({"net.edit"}, 1), ({"device.look"}, 0), (set(), 0)],
)
def test_what_counts_is_open_and_theirs_to_do(may: set[str], count: int) -> None:
    assert open_for(STEPS, may.__contains__) == count


class Asked(Plant):
    """A core that notes what it was asked, and never answers what it `holds`."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.asked: set[str] = set()
        self.holds: set[str] = set()

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        self.asked.add(method)
        if method in self.holds:
            await asyncio.Event().wait()
        return await super().answer(session, method, params)

    def snapshot(self) -> Mapping[str, Any]:
        return {**super().snapshot(), "gateway": {"name": "g", "zone": ""}, "clock": {"state": "rtc", "steps": 0}}


def test_home_leads_to_the_first_steps_until_they_are_left_for_later(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Asked(6)
        plant.answers.update(answers(is_empty=False))
        async with web(tmp_path, plant) as url:
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "engineer"}, timeout=30) as engineer:
                first = (await engineer.get("/")).text
                assert 'href="/first"' in first
                assert plant.asked.isdisjoint({"clock", "network"}), "what is an admin's to do is asked for nobody else"
                assert "First steps: 1 of 6 is open." in first
                assert 'href="/?first=later"' in (await engineer.get("/first")).text
                assert 'id="first-left"' not in (await engineer.get("/?first=later")).text
                assert engineer.cookies["first"] == "later"
                assert 'id="first-left"' not in (await engineer.get("/")).text
                assert 'name="reason" required' in (await engineer.get("/network")).text, "the site's zone is configuration"
            plant.asked.clear()
            for role in ("viewer", "technician"):
                async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": role}, timeout=30) as client:
                    assert 'id="first-left"' not in (await client.get("/")).text
            assert plant.asked.isdisjoint({"clock", "network"})
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "admin"}, timeout=30) as admin:
                async with asyncio.timeout(30):
                    while 'id="first-left"' not in (await admin.get("/")).text:  # the machine may take longer than home waits
                        await asyncio.sleep(0.1)
                assert plant.asked & {"clock", "network"} == {"network"}
                plant.holds.add("network")
                begun = asyncio.get_running_loop().time()
                assert 'id="first-left"' not in (await admin.get("/")).text, "home does not wait for a hint"
                assert asyncio.get_running_loop().time() - begun < HOME_S + 4
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "engineer", "lang": "zh"}, timeout=30) as engineer:
                assert "首次设置：6 步中有 1 步待完成。" in (await engineer.get("/")).text

    asyncio.run(run())
