"""A command before it is confirmed, in words of the page's language: what is one of two is never the program's own true and false."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.messages.command_words import outcome_text, preview_lines
from runtime.setpoint import Interlock

PREVIEW: dict[str, Any] = {"target": "filler/pump", "type": "bool", "old": False, "value": True, "unit": "", "risk": "low", "refusal": None}


@pytest.mark.parametrize(("lang", "yes", "no"), [("en", "yes", "no"), ("zh", "是", "否")])
def test_what_is_one_of_two_is_said_in_words(lang: str, yes: str, no: str) -> None:
    conditions = [
        {"tag": "filler/stop_ok", "state": "holds", "value": True, "wanted": Interlock("filler/stop_ok", True).wanted},
        {"tag": "filler/door_open", "state": "fails", "value": True, "wanted": Interlock("filler/door_open", False).wanted},
        {"tag": "filler/level", "state": "holds", "value": 1, "wanted": Interlock("filler/level", 1).wanted},
    ]
    headline, holds, fails, number, _ = preview_lines({**PREVIEW, "conditions": conditions}, lang)
    assert headline.index(no) < headline.index(yes), "from, to"
    assert holds.count(yes) == 2
    assert yes in fails
    assert f"= {no}" in fails
    assert "= 1" in number
    done = outcome_text({"code": "done", "told": {"read_back": True}}, lang)
    assert yes in done
    for line in (headline, holds, fails, number, done):
        assert "true" not in line.lower()
        assert "false" not in line.lower()
    for wanted in (True, False):
        refused = {"tag": "filler/stop_ok", "value": str(not wanted), "wanted": Interlock("filler/stop_ok", wanted).wanted}
        line = outcome_text({"code": "interlocked", "told": refused}, lang)
        assert f"= {yes if wanted else no}" in line
        assert {"true", "false"}.isdisjoint(line.lower().replace(".", " ").replace(",", " ").split())
        assert "{" not in line
