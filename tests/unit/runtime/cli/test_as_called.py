"""A command that the command line prints is one that a shell takes there: with its path, and the folder that was named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.cli.app import main
from runtime.cli.as_called import OF_STATE, runnable, with_runnable
from runtime.cli.claim_notice import claim_notice
from runtime.layout import Layout
from tests.unit.runtime.cli.test_commands_in_texts import fault_of


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh checkout, and we in it: the command is beside its Python and on no path."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "witnessmark").write_text("#!/bin/sh\necho here\n")
    (folder / "witnessmark").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "argv", ["flash"])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return folder


def test_the_command_is_the_one_beside_this_python(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runnable("witnessmark model check") == ".venv/bin/witnessmark model check"
    for folder in (beside, beside.parent / "lib"):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        done = subprocess.run(["sh", "-c", runnable("witnessmark status")], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "here\n", "relative or absolute, it runs"
    monkeypatch.setenv("PATH", f"/bin:{beside}")
    assert runnable("witnessmark status") == "witnessmark status"


def test_the_folder_that_was_named_is_named_again(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for named in (["--state", "my state"], ["--state=my state"]):
        monkeypatch.setattr(sys, "argv", ["witnessmark", "model", "list", *named])
        assert runnable("witnessmark model check") == ".venv/bin/witnessmark model check --state 'my state'"
        told = with_runnable("`witnessmark model list` says it, `witnessmark check FILE` lists, `ip` does not")
        assert (
            told == "`.venv/bin/witnessmark model list --state 'my state'` says it, `.venv/bin/witnessmark check FILE` lists, `ip` does not"
        )


def test_in_a_folder_that_is_gone_the_command_is_named_whole(beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert runnable("witnessmark status") == f"{beside}/witnessmark status"


def test_the_verbs_that_get_a_folder_take_one() -> None:
    inner = {"accounts": ["list"], "ledger": ["show"], "model": ["list"], "network": ["show"], "tags": ["export", "d"]}
    assert {verb: fault_of([verb, *inner.get(verb, []), "--state", "x"]) for verb in OF_STATE} == dict.fromkeys(OF_STATE)


def test_the_start_line_prints_a_command_that_runs(beside: Path, tmp_path: Path) -> None:
    """With the state folder as it was named, like every other line of the start."""
    for named in (Path("state-demo"), tmp_path / "state-abs"):
        layout = Layout(named)
        layout.private.mkdir(parents=True)
        layout.claim_code.write_text("AAAA-BBBB\n")
        assert f"`.venv/bin/witnessmark accounts claim-code --state {named}`" in (claim_notice(layout, has_page=True) or "")


def test_a_refusal_names_a_command_that_runs(beside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (beside.parent / "bad.toml").write_text("[gateway]\nnonsense = 1\n")
    monkeypatch.setattr(sys, "argv", ["witnessmark", "read", "x", "--config", ".venv/bad.toml"])
    with pytest.raises(SystemExit):
        main()
    assert "`.venv/bin/witnessmark check FILE`" in capsys.readouterr().err
