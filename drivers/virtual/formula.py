"""From a formula's text to a calculation: a small parser of our own, so that nothing in a configuration is ever run as code. Pure.

Room: ground, driver `virtual`. `config.py` calls `parse` to judge a tag, `driver.py` to reckon. A formula has no variables, no loops and no
names but those of `operations.py`; its length, its depth and every number are bounded, so its cost is.

    choice      if a then b else c
    loosest     or   and   not   < <= > >= == !=   |   ^   &   << >>   + -   * / // %   - + ~ (sign)   **   tightest
    values      12.5  0xFF  true  false  "text"  [device/tag]  (…)  min(…) max(…) abs round floor ceil sqrt exp ln log10
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.reading import Value
from drivers.virtual.operations import BINARY, FUNCTIONS, UNARY, not_exact, truth
from drivers.virtual.tokens import FormulaError, Token, tokens_of

DEPTH_MAX: Final = 40
SIGNS_MAX: Final = 4
"""In front of one value."""
LEVELS: Final = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/", "//", "%"))
"""Signs that join from the left, the loosest first."""
COMPARISONS: Final = ("<", "<=", ">", ">=", "==", "!=")
Get = Callable[[str], Value]
"""Gives the value of an input; may raise."""
Calculation = Callable[[Get], Value]
_NOT_ZERO: Final = re.compile(r"[0.]*[1-9]")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that makes sense. `inputs` are its tags (`device/tag`), each once, in their order."""

    text: str
    inputs: tuple[str, ...]
    reckon: Calculation
    """Return the value, asking only for the inputs that decide it. Raises ReckonError, and what `Get` raises."""


def parse(text: str) -> Formula:
    """Return a formula. Raises FormulaError."""
    parser = _Parser(tokens_of(text))
    calculation = parser.expression()
    parser.end()
    return Formula(text, tuple(dict.fromkeys(parser.inputs)), calculation)


class _Parser:
    """Reads tokens from the left; every method returns the calculation of what it read."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0
        self.inputs: list[str] = []

    def end(self) -> None:
        if self._token.kind != "end":
            raise self._unexpected()

    def expression(self) -> Calculation:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise FormulaError("config_formula_deep", most=DEPTH_MAX)
        found = self._choice() if self._took("if") else self._either()
        self._depth -= 1
        return found

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _took(self, *texts: str) -> str:
        """Go past the next token when it is one of these words or signs, and return it; else return nothing."""
        token = self._token
        if token.kind not in ("word", "sign") or token.text not in texts:
            return ""
        self._at += 1
        return token.text

    def _need(self, text: str) -> None:
        if not self._took(text):
            raise self._unexpected(text)

    def _unexpected(self, wanted: str = "") -> FormulaError:
        token = self._token
        found = token.text[:20] or "…"
        if wanted:
            return FormulaError("config_formula_needs", wanted=wanted, found=found, at=token.at)
        return FormulaError("config_formula_unexpected", found=found, at=token.at)

    def _choice(self) -> Calculation:
        condition = self.expression()
        self._need("then")
        yes = self.expression()
        self._need("else")
        no = self.expression()
        return lambda get: yes(get) if truth(condition(get)) else no(get)

    def _either(self) -> Calculation:
        found = self._both()
        while self._took("or"):
            found = _or(found, self._both())
        return found

    def _both(self) -> Calculation:
        found = self._negation()
        while self._took("and"):
            found = _and(found, self._negation())
        return found

    def _negation(self) -> Calculation:
        negated = 0
        while self._took("not"):
            negated += 1
        found = self._comparison()
        for _ in range(min(negated, 2 - negated % 2)):
            found = _apply(UNARY["not"], found)
        return found

    def _comparison(self) -> Calculation:
        found = self._level(0)
        if sign := self._took(*COMPARISONS):
            found = _apply(BINARY[sign], found, self._level(0))
            if self._token.text in COMPARISONS and self._token.kind == "sign":
                raise self._unexpected()  # 1 < x < 5 means something else in every language
        return found

    def _level(self, level: int) -> Calculation:
        if level == len(LEVELS):
            return self._signed()
        found = self._level(level + 1)
        while sign := self._took(*LEVELS[level]):
            found = _apply(BINARY[sign], found, self._level(level + 1))
        return found

    def _signed(self) -> Calculation:
        signs = []
        while sign := self._took("-", "+", "~"):
            signs.append(sign)
            if len(signs) > SIGNS_MAX:
                raise FormulaError("config_formula_deep", most=SIGNS_MAX)
        found = self._value()
        if self._took("**"):
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise FormulaError("config_formula_deep", most=DEPTH_MAX)
            found = _apply(BINARY["**"], found, self._signed())
            self._depth -= 1
        for sign in reversed(signs):
            found = _apply(UNARY[sign], found)
        return found

    def _value(self) -> Calculation:
        token = self._token
        if self._took("("):
            found = self.expression()
            self._need(")")
            return found
        if token.kind in {"end", "sign"}:
            raise self._unexpected()
        self._at += 1
        if token.kind == "tag":
            self.inputs.append(token.text)
            return lambda get: get(token.text)
        if token.kind == "word" and token.text in FUNCTIONS:
            return self._call(token)
        if token.kind == "word" and token.text not in ("true", "false"):
            raise FormulaError("config_formula_word", word=token.text[:20], at=token.at, known=", ".join(sorted(FUNCTIONS)))
        constant = _constant(token)
        return lambda _get: constant

    def _call(self, token: Token) -> Calculation:
        operation, fewest, most = FUNCTIONS[token.text]
        self._need("(")
        arguments = [self.expression()]
        while self._took(","):
            arguments.append(self.expression())
        self._need(")")
        if not fewest <= len(arguments) <= most:
            raise FormulaError("config_formula_arguments", function=token.text, count=len(arguments), fewest=fewest, most=most)
        return _apply(operation, *arguments)


def _constant(token: Token) -> Value:
    if token.kind == "text":
        return token.text
    if token.kind == "word":
        return token.text == "true"
    if token.text.startswith("0x"):
        return int(token.text, 16)
    if token.text.isdigit():
        return int(token.text)
    found = float(token.text)
    if math.isinf(found) or (not found and _NOT_ZERO.match(token.text)):
        raise FormulaError("config_formula_number", found=token.text[:20], at=token.at)
    return not_exact(found)


def _apply(operation: Callable[..., Value], *parts: Calculation) -> Calculation:
    if len(parts) == 2:
        one, other = parts
        return lambda get: operation(one(get), other(get))
    return lambda get: operation(*[part(get) for part in parts])


def _or(one: Calculation, other: Calculation) -> Calculation:
    return lambda get: truth(one(get)) or truth(other(get))


def _and(one: Calculation, other: Calculation) -> Calculation:
    return lambda get: truth(one(get)) and truth(other(get))
