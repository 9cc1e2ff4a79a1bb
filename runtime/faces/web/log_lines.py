"""Log lines as people read them: words where the catalogue has them for a code, else the code with its fields. Pure.

Room: hall, face. `diagnostics_pages` calls it. What the core sends is redacted already; a text stays a text, and the page escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from runtime.messages.catalogue import catalogue, word

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LOG: Final = "log."
"""Prefix of words that are for the log alone."""


class LogRow(msgspec.Struct, frozen=True):
    """One line. `text` is what happened, `more` what goes with it: a cause in words, fields, a traceback."""

    number: int
    wall_ms: int
    level: str
    source: str
    code: str
    text: str
    more: str = ""


def rows_of(lines: Sequence[Sequence[Any]], lang: str, level: str = LEVELS[0], find: str = "") -> list[LogRow]:
    """Return rows of [number, ms, level, source, code, params, text] in words; those of a level or worse in which `find` stands."""
    least, wanted = LEVELS.index(level), find.casefold()
    found = []
    for number, wall_ms, said, source, code, params, text in lines:
        if said in LEVELS and LEVELS.index(said) < least:
            continue
        row = _row(number, wall_ms, str(said), str(source), str(code), dict(params), str(text), lang)
        if not wanted or wanted in f"{row.source} {row.code} {row.text} {row.more}".casefold():
            found.append(row)
    return found


def _row(number: int, wall_ms: int, level: str, source: str, code: str, params: dict[str, Any], text: str, lang: str) -> LogRow:
    if not code:  # a line of a library or of a child that is no event
        first, _, rest = text.partition("\n")
        return LogRow(number, wall_ms, level, source, "", first, rest)
    known = next((each for each in (_LOG + code, code) if each in catalogue("en")), None)
    shown = word(known, params, lang) if known else code
    fields = " ".join(f"{name}={value}" for name, value in params.items()) if not known or "{" not in catalogue("en")[known] else ""
    return LogRow(number, wall_ms, level, source, code, shown, "\n".join(part for part in (fields, text) if part))
