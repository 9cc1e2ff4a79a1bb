"""`witnessmark alarm` on a core's answers: words, exit codes, JSON."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runtime.alarms.view import alarm_row
from runtime.cli import alarm_verbs
from runtime.cli.app import make_app
from runtime.faces.feed import Session
from tests.rigs.feed_plant import Plant, serving
from tests.unit.runtime.alarms.test_notify_plan import waiting

SUMMARY = {"defined": 2, "cause": "disk_full", "params": {}, "unrecorded": 3, "notify": [
    {"name": "shift", "type": "email", "sent": 1, "failed": 2, "cause": "notify_http_status", "params": {"status": 500}},
]}  # fmt: skip
HISTORY = [{
    "name": "hot", "what": "shelved", "before": "unacked", "after": "shelved", "at_ms": 0, "hidden": False, "priority": "high", "value": 81,
    "limit": 80, "by": "web ada", "note": "soon", "until_ms": 60_000, "recorded": "recorded", "seq": 7,
}]  # fmt: skip


class Core(Plant):
    """Answers as a core does, on a real socket; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = [alarm_row(waiting("hot", "high", 0))]

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        self.asked.append({"method": method, **params})
        if method == "alarms":
            return {"summary": SUMMARY, "total": 1, "rows": self.rows}
        if method == "alarm_history":
            return {"rows": HISTORY, "from_ms": 0}
        return {"code": "done", "params": {"changed": 1, "skipped": 1}, "seq": 9}


Said = Callable[..., str]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[tuple[Core, Said]]:
    """A feed in a thread of its own, and the command line on its state folder."""
    plant, ended, ready = Core(), asyncio.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with serving(tmp_path / "run" / "feed.sock", plant):
            ready.set()
            await ended.wait()

    def said(*arguments: str) -> str:
        found = CliRunner().invoke(make_app(), ["alarm", *arguments, "--state", str(tmp_path)])
        assert found.exit_code == 0, found.output
        return found.output

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield plant, said
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(20)


def test_a_list_says_what_waits_what_is_not_recorded_and_how_calling_goes(core: tuple[Core, Said]) -> None:
    _, said = core
    text = said("list")
    assert "H hot: active, not acknowledged" in text
    assert "3 changes of alarms are not recorded yet" in text
    assert "shift (email): 1 sent, 2 failed The server answered with status 500" in " ".join(text.split())
    assert json.loads(said("list", "--json"))["rows"][0]["name"] == "hot"


def test_a_list_says_the_text_that_is_configured(core: tuple[Core, Said]) -> None:
    plant, said = core
    row = alarm_row(waiting("hot", "high", 0))
    plant.rows = [row | {"text": "Oven above its limit: close the damper"}, row]
    first, second = said("list").split("H hot:")[1:]
    assert "\n    Oven above its limit: close the damper\n" in first
    assert "\n    hot\n" not in second, "one without a text has its name once"


def test_history_names_who_and_why(core: tuple[Core, Said]) -> None:
    plant, said = core
    assert "alarm hot shelved, by web ada (soon)  [Entry 7]" in said("history", "--name", "hot")
    assert plant.asked[0] == {"method": "alarm_history", "limit": 50, "name": "hot"}


def test_acts_name_many_and_say_what_did_not_wait(core: tuple[Core, Said]) -> None:
    plant, said = core
    assert "recorded as entry 9. 1 of them did not wait for that." in said("ack", "a", "b", "--reason", "seen")
    said("shelve", "a", "--minutes", "30", "--reason", "part is on its way")
    said("test", "shift")
    acts = [(each["action"], each["target"], each["params"], each["reason"]) for each in plant.asked]
    assert acts == [
        ("alarm.ack", "", {"names": "a\nb"}, "seen"),
        ("alarm.shelve", "", {"names": "a", "minutes": 30}, "part is on its way"),
        ("alarm.test", "shift", {}, "test"),
    ]
    assert CliRunner().invoke(make_app(), ["alarm", "shelve", "a", "--minutes", "30"]).exit_code == 2, "a reason is required"
    assert alarm_verbs.STYLES.keys() == {"high", "medium", "low", "advisory"}
