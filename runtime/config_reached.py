"""How far a text is TOML before the place where its parser gave up: which statements began, and what is still open there. Pure.

Room: hall. `config_toml` asks it once for a text that `tomllib` refused. It looks at brackets, texts, comments and line ends only, each
character once, so that it is exact for all that stands before the first fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r"[\[\]{}#\"'\n]")
_ENDS: Final = {
    '"': re.compile(r"\\.|[\"\n]"),
    "'": re.compile(r"['\n]"),
    '"""': re.compile(r"\\.|\"{3,5}", re.DOTALL),
    "'''": re.compile(r"'{3,5}"),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """What a text has come to. Lines count from 1; the last of `statements` is the line on which the statement in question begins."""

    statements: tuple[int, ...]
    brackets: tuple[tuple[str, int], ...]
    """Those that are open, each `[` or `{` with its line."""
    text: int | None
    """The line on which a text begins that does not end; what stands behind it is not looked at."""


def reached(source: str) -> Reached:
    """Return what is open at the end of a text whose lines end without carriage returns. A line without a statement counts as one."""
    statements, brackets = [1], list[tuple[str, int]]()
    number, at = 1, 0
    while token := _TOKEN.search(source, at):
        sign, at = token[0], token.end()
        if sign == "\n":
            number += 1
            if not brackets:
                statements.append(number)
        elif sign == "#":
            at = source.find("\n", at)
            if at < 0:
                break
        elif sign in "[{":
            brackets.append((sign, number))
        elif sign in "]}":
            del brackets[-1:]
        else:
            end = _end_of_text(source, token.start(), sign)
            if end is None:
                return Reached(tuple(statements), tuple(brackets), number)
            number += source.count("\n", at, end)
            at = end
    return Reached(tuple(statements), tuple(brackets), None)


def _end_of_text(source: str, start: int, quote: str) -> int | None:
    """Return where the text ends that begins at `start`; None where it does not."""
    quotes = quote * 3 if source.startswith(quote * 3, start) else quote
    at = start + len(quotes)
    while end := _ENDS[quotes].search(source, at):
        if end[0][0] == quote:
            return end.end()
        if end[0] == "\n":
            return None
        at = end.end()
    return None
