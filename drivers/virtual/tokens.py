"""A formula's text, cut into words. Pure.

Room: ground, driver `virtual`. `formula.py` calls `tokens_of`. Any text gives tokens or a FormulaError; nothing is looked up here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LENGTH_MAX: Final = 500
"""Characters of a formula. It bounds everything else: how many operations there can be, and how long a reckoning takes."""

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>0x[0-9a-fA-F]{1,16}|\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?)(?![\w.])"
    r"|\[(?P<tag>[^\[\]]{1,140})\]"
    r"|\"(?P<text>[^\"\\]{0,100})\""
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|//|<<|>>|<=|>=|==|!=|[-+*/%&|^~<>(),]))"
)


class FormulaError(ValueError):
    """A formula that means nothing: `code` (worded by the runtime) and `params` say what, and at which character (from 1)."""

    def __init__(self, code: str, /, **params: str | int) -> None:
        """Keep the code and what fills its blanks."""
        self.code, self.params = code, params
        super().__init__(f"{code} {params}")


@dataclass(frozen=True, slots=True)
class Token:
    """One word. `kind` is number, tag, text, word, sign or end."""

    kind: str
    text: str
    at: int


def tokens_of(formula: str) -> list[Token]:
    """Return the words of a formula, `end` last. Raises FormulaError."""
    if len(formula) > LENGTH_MAX:
        raise FormulaError("config_formula_long", length=len(formula), most=LENGTH_MAX)
    found, at = [], 0
    while formula[at:].strip():
        match = _TOKEN.match(formula, at)
        if match is None:
            start = at + len(formula[at:]) - len(formula[at:].lstrip())
            raise FormulaError("config_formula_sign", found=formula[start : start + 12], at=start + 1)
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind], match.start(kind) + 1))
        at = match.end()
    return [*found, Token("end", "", len(formula) + 1)]
