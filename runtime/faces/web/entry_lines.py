"""Entries of the ledger as its page says them: in words first, with the numbers of acts and sessions beside them. Pure.

Room: hall, face. `screen_pages` calls it with rows of the history's `entries`. It words what entries say, for the page's reader, and judges
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger_client.kinds import INTENT, Kind
from runtime.faces.web.acts_told import asked_of, outcomes
from runtime.messages.act_words import Ended, action_text, end_text, what_text
from runtime.messages.catalogue import word
from runtime.messages.entries import describe, outcome_text
from runtime.messages.page_reader import PageReader, doer


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry. `what` is for people; `recorded` says by which numbers the ledger names an act and who did it, if by any."""

    seq: int
    wall_ms: int
    kind: int
    what: str
    recorded: str


def entry_lines(rows: Sequence[Sequence[Any]], lang: str, reader: PageReader) -> list[EntryLine]:
    """Return entries in words, in their order. A row is one of the history's `entries`."""
    ended = outcomes((row[3], row[5]) for row in rows if row[2] == Kind.COMMAND)
    asked = {bytes(row[3][0]): (int(row[0]), asked_of(row[5])) for row in rows if row[2] == Kind.COMMAND and row[3][1] == INTENT}
    found = []
    for seq, wall_ms, kind, detail, groups, told in rows:
        if kind != Kind.COMMAND:
            text = describe(kind, detail, lang, groups=dict(groups), told=told, reader=reader)
            recorded = _recorded(kind, detail, lang, reader)
        elif detail[1] == INTENT:
            text, recorded = _intent(detail, asked_of(told), ended, lang, reader)
        else:
            text, recorded = _outcome(detail, asked.get(bytes(detail[0])), ended, lang, reader)
        found.append(EntryLine(seq, wall_ms, kind, text, recorded))
    return found


def _intent(
    detail: Sequence[Any], asked: Mapping[str, Any] | None, ended: Mapping[bytes, Ended], lang: str, reader: PageReader
) -> tuple[str, str]:  # fmt: skip
    act = bytes(detail[0])
    if asked is None:
        return action_text(detail[2], lang), word("web.ledger.act", {"act": act.hex()[:8]}, lang)
    text = describe(Kind.COMMAND, detail, lang, asked=asked, reader=reader, ended=ended.get(act))
    if not reader.may_know(asked["action"]):
        return text, word("web.ledger.act", {"act": act.hex()[:8]}, lang)
    return text, word("web.ledger.act.by", {"act": act.hex()[:8], "who": f"{asked['face']} {asked['session']}"}, lang)


def _outcome(
    detail: Sequence[Any], intent: tuple[int, Mapping[str, Any] | None] | None, ended: Mapping[bytes, Ended], lang: str, reader: PageReader
) -> tuple[str, str]:  # fmt: skip
    """What became of an act, after what it was for, where its intent is among the rows and the reader may know."""
    act = bytes(detail[0])
    seq, asked = intent or (None, None)
    code = "web.ledger.act" if seq is None else "web.ledger.act.end"
    recorded = word(code, {"act": act.hex()[:8], "seq": seq}, lang)
    if asked is None or not reader.may_know(asked["action"]):
        return word("web.ledger.end", {"end": outcome_text(str(detail[2]), None, lang)}, lang), recorded
    end = ended.get(act)
    said = {"what": what_text(asked, end, reader, lang), "end": end_text(asked, end, reader, lang)}
    return word("web.ledger.end.of", said, lang), recorded


def _recorded(kind: int, detail: Sequence[Any], lang: str, reader: PageReader) -> str:
    """Whom a configuration's entry names, where the page's words leave something out, for whoever may see it in the audit trail."""
    actor = str(detail[3]) if kind == Kind.CONFIG and reader.audits else ""
    return actor if actor != doer(actor, lang) else ""
