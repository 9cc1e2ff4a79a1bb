"""`learned show`: a span that was refused is told from registers that are refused one by one."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from runtime.cli.app import make_app
from runtime.cli.learned_verbs import lines
from runtime.layout import Layout


def test_a_refused_span_was_one_request() -> None:
    facts = {"tables": {"holding": {"answered": [[110, 113]], "refused": [[107, 108, 2], [112, 116, 2]]}}}
    assert list(lines(facts)) == [
        "holding answered: 110-112",
        "holding refused: 107 (exception 2), 112-115 in one request (exception 2)",
    ]


def test_a_device_of_which_nothing_was_learned_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    def code(device: str) -> str:
        shown = CliRunner().invoke(make_app(), ["learned", "show", device, "--state", str(tmp_path), "--json"])
        assert shown.exit_code == 2
        return str(json.loads(shown.stdout)["error"])

    assert code("press") == "learned_nothing", "there is no config to tell"
    Layout(tmp_path).config.parent.mkdir()
    Layout(tmp_path).config.write_text('[gateway]\nname = "g"\n[devices.press]\ntype = "modbus"\n')
    assert [code("press"), code("pres")] == ["learned_nothing_yet", "learned_no_device"]
