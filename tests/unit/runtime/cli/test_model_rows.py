"""`witnessmark model rows` where its files cannot be written: it says which place, and why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from models.input_stream import Rows
from runtime.cli.model_rows_verb import write_rows
from tests.rigs.judged import manifest, model_bytes


def rows() -> Rows:
    features, tags = np.arange(24.0).reshape(3, 8), np.zeros((3, 4))
    return Rows(np.arange(3), features, np.array([0, 1, 0], np.int8), tags, tags)


def test_rows_that_are_usable_are_written(tmp_path: Path) -> None:
    assert write_rows(rows(), manifest(model_bytes()), 0, 3_000, tmp_path / "own", as_json=False) == 2
    assert [line.split(",")[0] for line in (tmp_path / "own" / "rows.csv").read_text().splitlines()] == ["end_ms", "0", "2000"]


@pytest.mark.parametrize("what", ["full", "file"])
def test_a_place_that_cannot_be_written_is_named_with_the_reason(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "own"
    if what == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        (folder / "rows.csv").symlink_to("/dev/full")
    with pytest.raises(typer.Exit):
        write_rows(rows(), manifest(model_bytes()), 0, 3_000, folder, as_json=True)
    said = json.loads(capsys.readouterr().out)["text"]
    assert f"{folder} cannot be written: " in said
    assert {"full": "No space left on device", "file": "File exists"}[what] in said
