"""What an event entry of alarms says, in one line of words. Pure.

Room: hall. `event_words` calls it for entries, pages and notices word their rows with it. It words what stands there and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from ledger_client.alarm_bodies import AlarmsBody
from runtime.messages.catalogue import word
from runtime.messages.page_reader import PageReader, said_by

NAMED_MAX: Final = 3


def alarms_text(body: AlarmsBody, lang: str = "en", reader: PageReader | None = None) -> str:
    """Return one line: the change, or how many and the first of them."""
    lost = [word("entry.event.alarms.lost", {"count": body.lost}, lang)] if body.lost else []
    if len(body.rows) <= NAMED_MAX:
        return "; ".join([*lost, *(happening_text(asdict(row), lang, reader) for row in body.rows)])
    first = "; ".join(happening_text(asdict(row), lang, reader) for row in body.rows[:NAMED_MAX])
    return "; ".join([*lost, word("entry.event.alarms.more", {"count": len(body.rows), "first": first}, lang)])


def short(value: object, lang: str = "en") -> str:
    """Return a value as people read it: six digits of a number, of what is one of two the word that Live has for it."""
    if isinstance(value, bool):
        return word("value.yes" if value else "value.no", None, lang)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def happening_text(row: Mapping[str, Any], lang: str = "en", reader: PageReader | None = None) -> str:
    """Return what happened to one alarm; `row` has the members of an AlarmRow."""
    name = row["name"] if reader is None else reader.title(row["name"])
    text = word(f"entry.event.alarms.what.{row['what']}", {"name": name}, lang)
    if row["what"] in {"raised", "cleared"} and row["value"] is not None and row["limit"] is not None:
        text += word("entry.event.alarms.value", {"value": short(row["value"], lang), "limit": short(row["limit"], lang)}, lang)
    if row["by"]:
        text += word("entry.event.alarms.by", {"by": said_by(row["by"], reader, lang)}, lang)
    if row["note"]:
        text += word("entry.event.alarms.note", {"note": row["note"]}, lang)
    return text + (word("entry.event.alarms.hidden", None, lang) if row["hidden"] and row["what"] == "raised" else "")
