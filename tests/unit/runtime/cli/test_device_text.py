"""What `read` prints: a device's text as it is, also when it looks like an instruction to the terminal's colours; one cause once."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.reading import Status
from runtime.cli.console import console
from runtime.cli.frames_verb import meaning_of
from runtime.cli.gateway_verbs import _print_rows
from runtime.cli.read_once import config_of
from runtime.messages.catalogue import word


def test_a_text_value_that_looks_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    _print_rows([{"tag": "d/t", "value": "[/red] [bold]x", "unit": "", "quality": "good", "cause": None, "params": {}}])
    assert "[/red] [bold]x" in capsys.readouterr().out


def test_a_cause_that_many_tags_share_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"value": None, "unit": "unit-less", "quality": "bad", "params": {}}
    rows = [row | {"tag": f"d/{tag}", "cause": cause} for tag, cause in (("a", "no_answer"), ("b", "no_answer"), ("c", "connect_failed"))]
    _print_rows([*rows, row | {"tag": "d/d", "cause": None, "quality": "good"}, rows[2]])
    said = [line.split("unit-less")[-1].strip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert said == [
        "bad: The device did not answer in time.", "bad: as above", "bad: The device does not accept a connection.", "good",
        "bad: The device does not accept a connection.",
    ]  # fmt: skip


def test_a_gateway_that_runs_with_a_file_elsewhere_is_read_by_its_newest_revision(tmp_path: Path) -> None:
    edited, revisions = tmp_path / "config" / "witnessmark.toml", tmp_path / "config" / "revisions"
    assert config_of(tmp_path) == edited, "nothing is there: name the file that people expect"
    revisions.mkdir(parents=True)
    for number in (9, 10):
        (revisions / f"{number}.toml").write_text("")
    assert config_of(tmp_path) == revisions / "10.toml"
    edited.write_text("")
    assert config_of(tmp_path) == edited


def test_an_address_before_a_colon_is_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("holding:100: likely", markup=False)
    assert capsys.readouterr().out == "holding:100: likely\n"


def test_a_bad_value_without_a_cause_is_told_by_its_status_and_once_what_that_means(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"tag": "d/t", "value": None, "unit": "", "quality": "bad", "cause": None, "params": {}}
    wrong = row | {"status": Status.BAD_CONFIGURATION_ERROR.value}
    _print_rows([wrong, row | {"status": 0x80FF0000}, wrong])
    said = [" ".join(each.split()) for each in capsys.readouterr().out.split("d/t")[1:]]
    meant = word("status.BadConfigurationError")
    assert said == [f"bad: BadConfigurationError: {meant}", "bad: 0x80FF0000", "bad: BadConfigurationError"]


def test_the_meaning_of_frames_is_never_written_over_them() -> None:
    for capture, meaning in (("x.pcap", "x.txt"), ("x", "x.txt"), ("x.txt", "x.txt.txt")):
        assert meaning_of(Path("d", capture)) == Path("d", meaning)
