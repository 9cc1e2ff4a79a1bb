"""The audit trail: acts beside what became of them, whatever stands in them; a table that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import os
import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.alarm_bodies import ALARMS, AlarmRow, AlarmsBody
from ledger_client.event_bodies import FINDING, FindingBody
from ledger_client.kinds import INTENT, OUTCOME, Kind
from runtime.acts import Act, Outcome, command_detail
from runtime.faces.web.audit_trail import as_csv, chosen, lines_of
from runtime.faces.web.entry_lines import entry_lines
from runtime.made_of import bill_of_materials
from runtime.messages.act_words import action_text
from runtime.messages.entries import describe
from runtime.messages.page_reader import PageReader
from runtime.permissions import Actor, Role

ADA = Actor("Ada", frozenset({Role.ADMIN}), "3f2a", fresh=True, kind="person")


def intent(seq: int, act_id: bytes, reason: str = "because", target: str = "Tess") -> list[object]:
    """Return a row as the history gives it."""
    body = Act(act_id, "web", ADA, "account.disable", target, {}, None, reason).intent_body()
    return [seq, 1_000 * seq, Kind.COMMAND, command_detail(act_id, INTENT, "account.disable", body), [], body]


def outcome(seq: int, act_id: bytes, code: str = "done", body: bytes | None = None) -> list[object]:
    return [seq, 1_000 * seq, Kind.COMMAND, command_detail(act_id, OUTCOME, code, body or b""), [], body]


def test_an_outcome_stands_beside_its_intent_and_one_that_has_none_alone() -> None:
    one, two, three = (bytes([n]) * 16 for n in range(3))
    rows = [outcome(9, three), intent(8, two), outcome(7, one, "account_last_admin"), intent(6, one)]
    lines = lines_of(rows, "en")
    assert [(line.seq, line.who, line.action, line.what, line.outcome_seq) for line in lines] == [
        (9, "", "", lines[0].what, 9),
        (8, "Ada (session 3f2a)", "account.disable", "Tess", None),
        (6, "Ada (session 3f2a)", "account.disable", "Tess", 7),
    ]
    assert lines[1].outcome == "", "interrupted, or still under way: nothing is made up"
    assert lines[2].outcome
    assert lines[2].reason == "because"
    assert [line.seq for line in chosen(lines, " BECAUSE")] == [8, 6]
    assert chosen(lines, "nowhere") == []


def test_the_page_says_in_words_what_the_table_has_as_it_was_recorded() -> None:
    finding = FindingBody("line", bytes(32), "limits", "filler/level", 5, 0, True, None, None, (), {"since_ms": 1_795_677_435_000}).encode()
    acked = AlarmsBody((AlarmRow("away", "acked", "unacked", "acked", 10, 0, "low", by="cli uid 0"),)).encode()
    rows = [
        [9, 9_000, Kind.EVENT, (FINDING, 1, bytes(32), len(finding)), [], finding],
        [8, 8_000, Kind.EVENT, (ALARMS, 1, bytes(32), len(acked)), [], acked],
        [7, 7_000, Kind.CONFIG, (2, 1, bytes(32), "web Ada (session 3f2a)", "why"), [], None],
        intent(6, b"x" * 16),
        outcome(5, b"y" * 16),
    ]
    reader = PageReader(ZoneInfo("Asia/Kathmandu"), {}, {"away": "The meter does not answer."}, audits=True)
    found, told, config, act, earlier = lines_of(rows, "en", reader)
    assert "since 26 Nov 2026, 13:02:15" in found.said
    assert "2026-11-26 07:17:15Z" in found.what, "the table stays in UTC"
    assert told.said == "alarm “The meter does not answer” acknowledged, by the command line (root)"
    assert told.what == "alarm away acknowledged, by cli uid 0"
    assert (config.name, config.who, config.values) == ("Ada", "web Ada (session 3f2a)", "")
    assert (act.name, act.does, act.said, act.values) == ("Ada", "Disable an account", "Tess", "")
    assert (earlier.name, earlier.said, bool(earlier.does)) == ("", "", True)
    assert [line.seq for line in chosen([found, told, config, act], "disable AN")] == [6], "words are found"
    assert [line.seq for line in chosen([found, told, config, act], "account.disable")] == [6], "and what was recorded"
    assert b"cli uid 0" in as_csv([told], "o")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_ledgers_page_says_acts_with_numbers_beside_them(lang: str) -> None:
    act = intent(6, b"x" * 16)
    asked, ended, alone, late = entry_lines(
        [outcome(7, b"x" * 16), act, outcome(5, b"y" * 16), [*intent(4, b"z" * 16)[:5], None]], lang, PageReader(audits=True)
    )
    for line in (asked, ended, alone, late):
        assert not re.search("[0-9a-f]{8}|3f2a|{", line.what), "no number of the machinery among the words"
    assert "Tess" in asked.what
    assert "Ada" in ended.what
    assert "because" in ended.what
    assert ended.recorded.endswith("web Ada (session 3f2a)")
    assert "78787878" in asked.recorded
    assert "6" in asked.recorded, "where it was asked for"
    assert "79797979" in alone.recorded
    assert "7a7a7a7a" in late.recorded


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_ledgers_page_tells_only_whoever_audits_what_an_act_on_people_was_for(lang: str) -> None:
    config = [8, 8_000, Kind.CONFIG, (2, 1, bytes(32), "web Ada (session 3f2a)", "why"), [], None]
    lines = entry_lines([config, outcome(7, b"x" * 16, "account_last_admin"), intent(6, b"x" * 16)], lang, PageReader())
    for line in lines:
        assert not any(each in f"{line.what} {line.recorded}" for each in ("Tess", "because", "3f2a", "{")), line
        assert not any(each in f"{line.what} {line.recorded}" for each in ("Ada", "why")), line
    assert bytes(32).hex()[:12] in lines[0].what
    assert lines[2].what.startswith(action_text("account.disable", lang))
    (audited,) = entry_lines([config], lang, PageReader(audits=True))
    assert "3f2a" in audited.recorded
    assert "Ada" in audited.what
    assert "why" in audited.what


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_outcome_that_has_more_to_say_says_it_and_no_blank_is_shown(lang: str) -> None:
    early = Outcome("check_too_early", {"model": "line", "rows": 3, "rows_wanted": 597})
    for body, wanted in ((early.body(), "597"), (None, "…"), (b"\xff", "…")):
        (line,) = lines_of([outcome(7, b"x" * 16, early.code, body), intent(6, b"x" * 16)], lang)
        assert wanted in line.outcome
        assert "{" not in line.outcome
    assert "597" in describe(Kind.COMMAND, command_detail(b"x" * 16, OUTCOME, early.code, b""), lang, asked={"params": early.params})
    assert "{" not in describe(Kind.COMMAND, command_detail(b"x" * 16, OUTCOME, early.code, b""), lang)


def test_an_act_whose_body_is_not_here_is_still_told() -> None:
    row = intent(3, b"x" * 16)
    (line,) = lines_of([[*row[:5], None]], "en")
    assert (line.action, line.who) == ("account.disable", "")
    (line,) = lines_of([[*row[:5], b"\xff"]], "zh")
    assert line.action == "account.disable"


said_text = st.text(max_size=20) | st.text(" x=+-@＝＋;\t\r\n\"'", max_size=8)


@given(st.lists(st.tuples(said_text, said_text), max_size=5))
def test_no_cell_is_a_formula_and_what_was_said_is_there(said: list[tuple[str, str]]) -> None:
    rows = [intent(n, bytes([n]) * 16, reason, target) for n, (reason, target) in enumerate(said)]
    text = as_csv(lines_of(rows, "en"), "=origin").decode("utf-8-sig")
    head, *table = list(csv.reader(io.StringIO(text, newline="")))
    assert len(table) == len(said)
    for cells, (reason, _) in zip(table, said, strict=True):
        assert len(cells) == len(head)
        for cell in cells:
            begun = [part.strip(' "\t\r\n') for part in re.split("[;\t\r\n]", cell)]
            assert not any(part.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) for part in begun), cell
        assert cells[6].replace("'", "") == reason.replace("'", "")
        assert cells[2].endswith("Z")


def test_the_bill_of_materials_names_what_is_installed_and_what_browsers_get() -> None:
    bill = bill_of_materials()
    names = {each["name"] for each in bill["components"]}
    assert {"starlette", "cbor2", "preact", "uplot"} <= {name.lower() for name in names}
    refs = [each["bom-ref"] for each in bill["components"]]
    assert len(refs) == len(set(refs))
    assert all(each["purl"].endswith(f"@{each['version']}") for each in bill["components"])


@pytest.mark.parametrize("kind", [Kind.BATCH, Kind.GAP, Kind.RECEIPTS, Kind.SCHEMA])
def test_what_nobody_did_is_no_line(kind: Kind) -> None:
    assert lines_of([[1, 1, kind, (), [], None]], "en") == []


def test_ids_are_random_enough_to_be_told_apart() -> None:
    ids = [os.urandom(16) for _ in range(50)]
    rows = [row for n, act_id in enumerate(ids) for row in (outcome(1_000 - 2 * n, act_id), intent(999 - 2 * n, act_id))]
    lines = lines_of(rows, "en")
    assert [line.outcome_seq for line in lines] == [1_000 - 2 * n for n in range(50)]
