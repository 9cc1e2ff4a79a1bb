"""`witnessmark templates`: its output, its exit codes, and a template of one's own."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from runtime.cli.app import make_app
from runtime.config import parse_config

FOLDER = Path(str(files("drivers.templates")))


def run(*arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(make_app(), ["templates", *arguments])
    return done.exit_code, json.loads(done.stdout) if "--json" in arguments else done.stdout


def test_ones_own_is_tested_and_shown(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "sunspec-meter.toml", tmp_path / "mine.toml")
    code, listed = run("list", "--folder", str(tmp_path), "--json")
    assert (code, listed["templates"][-1]["name"]) == (0, "mine")
    code, trials = run("test", "mine", "--folder", str(tmp_path), "--json")
    assert (code, [trial["faults"] for trial in trials["trials"]]) == (0, [[]])
    code, text = run("show", "mine", "--folder", str(tmp_path), "--as", "roof", "--set", "base=0xC000")
    assert code == 0
    text = text.replace("[devices.roof]\n", '[devices.roof]\nhost = "h"\n')
    assert "holding:49152" in str(parse_config('[gateway]\nname = "g"\n' + text).devices[0].groups[0].tags[0].source)


def test_a_recording_that_differs_is_exit_code_1(tmp_path: Path) -> None:
    text = (FOLDER / "atv312.toml").read_text(encoding="utf-8").replace("thermal_state = 64", "thermal_state = 65")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    code, trials = run("test", "--folder", str(tmp_path), "--json")
    assert (code, [trial["template"] for trial in trials["trials"] if trial["faults"]]) == (1, ["mine"])


def test_what_is_not_there_is_exit_code_2() -> None:
    assert run("show", "sdm99")[0] == 2
    assert run("show", "sunspec-meter", "--set", "base=x")[0] == 2
    assert run("show", "sunspec-meter", "--set", "bass=1")[0] == 2
