"""The audit trail out of the ledger's entries: who did what and why, with what became of it. Pure.

Room: hall, face. `audit_pages` draws it in words and hands out as CSV what was recorded, as it was recorded. It tells what entries say; it
judges nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any, Final

from ledger_client.errors import FormatError
from ledger_client.kinds import INTENT, Kind
from runtime.faces.web.site_zone import iso
from runtime.messages.act_words import Ended, action_text, what_text
from runtime.messages.catalogue import word
from runtime.messages.entries import VALUE_LENGTH_MAX, describe, outcome_text
from runtime.messages.page_reader import PageReader, doer, person, why
from runtime.tag_sheet.sheet import no_formula

KINDS: Final = (Kind.COMMAND, Kind.CONFIG, Kind.EVENT, Kind.ROTATE, Kind.GENESIS)
"""What people and parts of the gateway did; gaps, clocks and receipts stand in the ledger."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line: an act with its outcome, or another entry. `seq` is where it begins; `outcome` is empty where there is none yet.

    `who`, `action`, `what` and `reason` are as they were recorded; `name`, `does`, `said` and `why` are the same for the page's reader,
    empty where there is nothing to say.
    """

    seq: int
    wall_ms: int
    who: str
    action: str
    what: str
    reason: str
    outcome: str
    outcome_seq: int | None
    name: str = ""
    does: str = ""
    said: str = ""
    why: str = ""

    @property
    def values(self) -> str:
        """What the page shows beside the words of an act: what it was asked with, as recorded."""
        return self.what if self.is_act and self.what != self.said else ""

    @property
    def is_act(self) -> bool:
        """Whether somebody asked for it; of others `action` says no more than a kind."""
        return bool(self.does)


def lines_of(rows: Iterable[Sequence[Any]], lang: str, reader: PageReader | None = None) -> list[AuditLine]:
    """Return the lines of entries, in their order (newest first). A row is one of the history's `entries`; `reader` is the page's.

    An outcome is put to its intent; one whose intent is not among the rows stands by itself.
    """
    reader = reader or PageReader()
    outcomes: dict[bytes, tuple[int, str]] = {}
    ended: dict[bytes, Ended] = {}
    answered: set[bytes] = set()
    found: list[tuple[bytes | None, AuditLine]] = []
    for seq, wall_ms, kind, detail, groups, told in rows:
        if kind not in KINDS:
            continue
        act = bytes(detail[0]) if kind == Kind.COMMAND else None
        if act is not None and detail[1] != INTENT:
            outcomes[act] = seq, _outcome(detail, told, lang)
            ended[act] = str(detail[2]), (_read(detail, told) or {}).get("params", {})
            what, does = describe(kind, detail, lang), word("audit.earlier", None, lang)
            found.append((act, AuditLine(seq, wall_ms, "", "", what, "", outcomes[act][1], seq, does=does)))
        elif act is not None:
            answered.add(act)
            line = _intent(seq, wall_ms, detail, told, outcomes.get(act), lang)
            name, said = _worded(_read(detail, told), ended.get(act), reader, lang)
            found.append((None, replace(line, name=name, said=said, why=why(line.reason, line.who, lang))))
        elif kind == Kind.CONFIG:
            what = word("audit.revision", {"revision": detail[0]}, lang)
            who = str(detail[3])
            line = AuditLine(seq, wall_ms, who, "config", what, str(detail[4]), "", None, name=doer(who, lang), said=what)
            found.append((None, replace(line, why=why(line.reason, who, lang))))
        else:
            what, said = (describe(kind, detail, lang, groups=dict(groups), told=told, reader=each) for each in (None, reader))
            found.append((None, AuditLine(seq, wall_ms, "", word(f"web.kind.{int(kind)}", {}, lang), what, "", "", None, said=said)))
    return [line for act, line in found if act is None or act not in answered]


def chosen(lines: Iterable[AuditLine], text: str) -> list[AuditLine]:
    """Return those in which the text stands, whatever its case: in who, action and what, as recorded or in words, reason or outcome."""
    wanted = text.strip().casefold()

    def told(each: AuditLine) -> str:
        return f"{each.who}\n{each.name}\n{each.action}\n{each.does}\n{each.what}\n{each.said}\n{each.reason}\n{each.why}\n{each.outcome}"

    return [each for each in lines if wanted in told(each).casefold()]


def as_csv(lines: Iterable[AuditLine], origin: str, zone: tzinfo = UTC) -> bytes:
    """Return a table for a spreadsheet: UTF-8 with its mark, ISO 8601 times in the zone, no cell that could be a formula."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(["log", "entry", "time", "who", "action", "what", "reason", "outcome", "outcome_entry"])
    for each in lines:
        row = [origin, each.seq, iso(each.wall_ms, zone), each.who, each.action, each.what, each.reason, each.outcome, each.outcome_seq]
        table.writerow([_plain(cell) for cell in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _intent(
    seq: int, wall_ms: int, detail: Sequence[Any], told: bytes | None, outcome: tuple[int, str] | None, lang: str
) -> AuditLine:  # fmt: skip
    outcome_seq, text = outcome or (None, "")
    asked, does = _read(detail, told), action_text(str(detail[2]), lang)
    if asked is None:
        return AuditLine(seq, wall_ms, "", str(detail[2]), describe(Kind.COMMAND, detail, lang), "", text, outcome_seq, does=does)
    values = [f"{name} {value}" for name, value in asked["params"].items() if len(str(value)) <= VALUE_LENGTH_MAX]
    what = ", ".join([*filter(None, [asked["target"]]), *values])
    return AuditLine(seq, wall_ms, str(asked["session"]), str(asked["action"]), what, str(asked["reason"]), text, outcome_seq, does=does)


def _worded(asked: Mapping[str, Any] | None, ended: Ended | None, reader: PageReader, lang: str) -> tuple[str, str]:
    """Who and what of an act for the page's reader."""
    if asked is None:
        return "", ""
    return person(str(asked["session"]), lang), what_text(asked, ended, reader, lang, named=False)


def _outcome(detail: Sequence[Any], told: bytes | None, lang: str) -> str:
    said = _read(detail, told)
    return outcome_text(detail[2], None if said is None else said["params"], lang)


def _read(detail: Sequence[Any], told: bytes | None) -> Mapping[str, Any] | None:
    """Return what the body of a command entry says; None where it is not here or cannot be read."""
    try:
        from runtime.acts import read_command  # what signs approvals comes with it: 7 MB that most pages do not need

        return read_command(detail[1], told) if told is not None else None
    except FormatError:
        return None


def _plain(cell: object) -> object:
    return no_formula(cell) if isinstance(cell, str) else "" if cell is None else cell
