"""What verbs with `--lang zh` say is Chinese throughout: Latin letters are names, paths and what devices say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.modbus.detective.hypotheses import Hypothesis, shapes
from drivers.modbus.detective.judgement import Candidate, Finding
from drivers.modbus.identification import names
from runtime.cli import detect_verb
from runtime.cli.app import make_app
from runtime.cli.scan_verb import lines_of
from tests.rigs.field import device_toml

LATIN = re.compile(r"[A-Za-z]{2,}")


def test_a_check_that_finds_nothing(tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text('[gateway]\nname = "g"\n' + device_toml("d", {"g": (1000, 2)}))
    said = CliRunner().invoke(make_app(), ["check", str(config), "--lang", "zh"]).stdout.replace(str(config), "")
    assert "没有错误；1 台设备，2 个点位" in said
    assert "no fault; 1 device, 2 tags" in CliRunner().invoke(make_app(), ["check", str(config)]).stdout
    first = said.splitlines()[0]
    assert not LATIN.search(first), first


def test_what_a_unit_tells_of_itself() -> None:
    row = {"how": "answers", "place": "1", "unit": 2, "identification": dict.fromkeys(names, "7"), "sunspec": [], "templates": []}
    row["broke_off"] = {"cause": "device_exception", "params": {"code": 6}}
    assert not LATIN.search("\n".join(lines_of(row, "zh")))
    assert "vendor 7, product 7, revision 7" in "\n".join(lines_of(row, "en"))
    assert [lines_of(row, lang)[-1] for lang in ("en", "zh")] == [
        "  Asking what it is broke off: The device refused the request (6).", "  未能问完它是什么设备：设备拒绝了请求（6）。",
    ]  # fmt: skip


def test_what_the_detective_found(capsys: pytest.CaptureFixture[str]) -> None:
    fits = Candidate(Hypothesis("holding", 1, shapes()[0]), 1.0, (7.0,), (7.0,), 1.0)
    detect_verb._print(Finding("电压", "sure", [fits]), "zh")
    first, heads, row = capsys.readouterr().out.strip().splitlines()
    assert not LATIN.search(first + heads), (first, heads)
    assert "holding:1" in row, "an option's own word stays"


def test_how_far_a_value_must_go_is_said() -> None:
    finding = Finding("U", "ambiguous", [], ("width",), same_within=(-128, 127))
    assert "outside -128 … 127 steps" in detect_verb.sentences(finding, "en")[-1]
    assert "-128 … 127" in detect_verb.sentences(finding, "zh")[-1]
