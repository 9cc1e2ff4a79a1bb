"""A bundle of a state folder whose core does not run: also of one that a power cut left odd."""

from __future__ import annotations

import json
from pathlib import Path

from ledger_client.disk import RealDisk
from runtime.diagnostics.at_rest import parts_at_rest
from runtime.diagnostics.parts import ABOUT
from runtime.layout import Layout


def lacking(state: Path) -> dict[str, str]:
    files = {each.name: each.data for each in parts_at_rest(state, "feed_away", lambda _: {})}
    assert "config.toml" not in files
    told: dict[str, str] = json.loads(files[ABOUT])["could_not_be_had"]
    return told


def test_a_configuration_that_is_empty_and_one_that_is_not_there(tmp_path: Path) -> None:
    Layout(tmp_path).prepare(RealDisk())
    assert lacking(tmp_path)["config.toml"] == "no configuration"
    Layout(tmp_path).config.touch()
    assert lacking(tmp_path)["config.toml"] == "empty"
