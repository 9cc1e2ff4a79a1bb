"""What a setpoint on the command line means; what is not even asked for without saying why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runtime.cli import write_verbs
from runtime.cli.act_verbs import parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 100), ("1e2", 100.0), ("-0.5", -0.5), ("true", True), ("on", "on"), ('"5"', "5"), ("[1]", "[1]"), ("null", "null"), ("", "")],
)
def test_numbers_and_truth_are_told_from_text(text: str, value: object) -> None:
    found = parse_value(text)
    assert (found, type(found)) == (value, type(value))


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    write_verbs.add_to(found)
    return found


@pytest.mark.parametrize("more", [(), ("--reason", "  ")])
def test_whoever_approves_says_why_and_is_told_how(app: typer.Typer, tmp_path: Path, more: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["approve", "a1b2", "--yes", "--state", str(tmp_path), *more])
    assert (done.exit_code, done.stdout) == (1, "")
    assert 'witnessmark approve a1b2 --reason "…"' in done.stderr
    done = CliRunner().invoke(app, ["approve", "a1b2", "--yes", "--state", str(tmp_path), "--json", *more])
    assert (done.exit_code, json.loads(done.stdout)["error"]) == (1, "approve_reason_missing")


def test_to_see_what_waits_needs_no_reason(app: typer.Typer, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["approve", "list", "--state", str(tmp_path), "--json"])
    assert json.loads(done.stdout)["error"] == "core_away", "the gateway was asked"
