"""What `ledger show` says of an act: who asked for what and why, from the intent's body; and what it says when that is gone or damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ledger_client import cbor
from ledger_client.entry import parse
from ledger_client.errors import FormatError
from ledger_client.kinds import INTENT, OUTCOME, Kind
from runtime.acts import Act, Outcome, command_detail, read_command
from runtime.cli.app import make_app
from runtime.cli.ledger_view import KindName
from runtime.messages.entries import describe
from tests.rigs.actors import LOCAL
from tests.rigs.evidence import EvidenceLog

ACT = Act(b"a" * 16, "cli", LOCAL, "device.write", "filler/speed", {"value": 100}, None, "slower, for a test")
EDIT = Act(b"b" * 16, "cli", LOCAL, "config.edit", "", {"text": "x" * 5_000}, 3, "faster")


def show(state: Path, *arguments: object) -> str:
    result = CliRunner().invoke(make_app(), ["ledger", "show", "--state", str(state), *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_and_the_entry_say_who_asked_for_what_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EvidenceLog().typical(2)
    seq = len(log.entries)
    for phase, body in ((INTENT, ACT.intent_body()), (OUTCOME, Outcome("done", {"value": 100}).body())):
        log.append(Kind.COMMAND, command_detail(ACT.id, phase, "device.write" if phase == INTENT else "done", body), body)
    state = log.write(tmp_path / "state")
    said = "Act 61616161 intended: device.write (filler/speed, value 100) by cli uid 0: slower, for a test"
    monkeypatch.delenv("COLUMNS", raising=False)
    assert said in show(state), "on one line for whoever reads it through a pipe"
    monkeypatch.setenv("COLUMNS", "80")
    assert said in " ".join(show(state).split())
    intent = json.loads(show(state, "--seq", seq, "--json"))["entries"][0]
    assert intent["text"] == said
    assert intent["body"] == {
        "face": "cli", "session": "uid 0", "action": "device.write", "target": "filler/speed", "params": {"value": 100},
        "expected_revision": None, "reason": "slower, for a test",
    }  # fmt: skip
    assert json.loads(show(state, "--seq", seq + 1, "--json"))["entries"][0]["body"] == {"params": {"value": 100}}


def test_the_newest_of_one_kind(tmp_path: Path) -> None:
    log = EvidenceLog().typical(4)
    state = log.write(tmp_path / "state")
    batches, boots = ([seq for seq, raw in enumerate(log.entries) if parse(raw).payload.kind == kind] for kind in (Kind.BATCH, Kind.BOOT))

    def found(*arguments: object) -> list[int]:
        return [entry["seq"] for entry in json.loads(show(state, *arguments, "--json"))["entries"]]

    assert len(batches) > 2
    assert found("--kind", "batch") == batches
    assert found("--kind", "batch", "-n", 2) == batches[-2:]
    assert found("--kind", "boot") == boots
    assert found("--kind", "rotate") == []
    refused = CliRunner().invoke(make_app(), ["ledger", "show", "--state", str(state), "--kind", "gaps"])
    assert refused.exit_code == 2
    assert "'gap'" in refused.output


def test_one_entry_of_a_kind_is_refused(tmp_path: Path) -> None:
    state = EvidenceLog().typical(2).write(tmp_path / "state")
    refused = CliRunner().invoke(make_app(), ["ledger", "show", "--state", str(state), "--seq", "1", "--kind", "gap", "--json"])
    assert refused.exit_code == 2
    assert "ledger_show_seq_or_kind" in refused.output


def test_a_batch_counts_its_uncertain_and_bad_readings_by_tag(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    seq = log.batch(2, statuses=[0, 0x4000_0000, 0x8000_0000])
    state = log.write(tmp_path / "state")
    tags = json.loads(show(state, "--seq", seq, "--json"))["entries"][0]["body"]["tags"]
    assert [(row["readings"], row["uncertain"], row["bad"]) for row in tags.values()] == [(2, 0, 0), (2, 2, 0), (2, 0, 2)]


def test_every_kind_has_a_name() -> None:
    assert set(get_args(KindName)) == {kind.name.lower() for kind in Kind}


def test_a_body_of_another_shape_is_said_and_hides_no_entry(tmp_path: Path) -> None:
    log = EvidenceLog().typical(2)
    seq, body = len(log.entries), cbor.encode([9, "new"])
    log.append(Kind.COMMAND, command_detail(ACT.id, INTENT, "device.write", body), body)
    state = log.write(tmp_path / "state")
    assert "Act 61616161 intended: device.write" in show(state)
    assert "act_body_unknown" in show(state, "--seq", seq)


def test_a_long_value_and_an_empty_target_are_left_out() -> None:
    detail = command_detail(EDIT.id, INTENT, "config.edit", EDIT.intent_body())
    text = describe(Kind.COMMAND, detail, asked=read_command(INTENT, EDIT.intent_body()))
    assert text == "Act 62626262 intended: config.edit by cli uid 0: faster"
    assert describe(Kind.COMMAND, detail) == "Act 62626262 intended: config.edit"


@given(st.sampled_from((INTENT, OUTCOME, 2)), st.binary(max_size=60))
def test_junk_is_refused(phase: int, junk: bytes) -> None:
    with pytest.raises(FormatError):
        read_command(phase, junk)


@pytest.mark.parametrize(
    "row",
    [
        [1, "cli", "uid 0", "device.write", "t", [["value"]], None, "r"],
        [1, "cli", "uid 0", "device.write", "t", [["value", [1]]], None, "r"],
        [1, "cli", "uid 0", "device.write", "t", [["value", 1], ["value", 2]], None, "r"],
        [1, "cli", "uid 0", "device.write", "t", [], "3", "r"],
        [1, "cli", "uid 0", "device.write", 5, [], None, "r"],
        [2, "cli", "uid 0", "device.write", "t", [], None, "r"],
    ],
)
def test_a_row_of_another_shape_is_refused(row: list[object]) -> None:
    with pytest.raises(FormatError, match="act_body_unknown"):
        read_command(INTENT, cbor.encode(row))
