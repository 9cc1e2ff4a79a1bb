"""Home says how many of the first steps are open, to whoever may do them and until they are left for later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from runtime.faces.web.first_steps import Step, open_for
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


def test_home_leads_to_the_first_steps_until_they_are_left_for_later(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant(6)
        plant.answers.update(answers(is_empty=False))
        plant.answers["clock"] = {**plant.answers["clock"], "zone": ""}
        async with web(tmp_path, plant) as url:
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "engineer"}) as engineer:
                first = (await engineer.get("/")).text
                assert 'href="/first"' in first
                assert "First steps: 1 of 6 is open." in first
                assert 'href="/?first=later"' in (await engineer.get("/first")).text
                assert 'id="first-left"' not in (await engineer.get("/?first=later")).text
                assert engineer.cookies["first"] == "later"
                assert 'id="first-left"' not in (await engineer.get("/")).text
                assert 'name="reason" required' in (await engineer.get("/network")).text, "the site's zone is configuration"
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "viewer"}) as viewer:
                assert 'id="first-left"' not in (await viewer.get("/")).text
            async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": "engineer", "lang": "zh"}) as engineer:
                assert "首次设置：6 步中有 1 步待完成。" in (await engineer.get("/")).text

    asyncio.run(run())
