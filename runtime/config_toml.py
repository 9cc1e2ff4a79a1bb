"""The tables of a config text, or what is wrong with one that is no TOML, and what most likely has to be done. Pure.

Room: hall. `config` and the drafts of commissioning call `tables_of`. The words of `tomllib` are kept as the detail; the slips that are
made most get advice: a byte order mark, a decimal comma, a text without straight quotation marks or without its end, `True` and `yes`, a
value that is missing, what stands behind a value or twice, headings with one bracket and with two, a list without a comma or an end, and
an inline table that lacks a comma, a quotation mark or a brace.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from runtime.config_faults import HEADER, KEY, ConfigError, Fault, Faults, Place, dotted, parts_of
from runtime.config_reached import Reached, reached

SHOWN_MAX: Final = 60
DETAIL_MAX: Final = 300
WHOLE_MIN, WHOLE_MAX = -(1 << 63), (1 << 64) - 1
"""Whole numbers of 64 bits, with a sign or without one: no setting and no value of a device has more."""
DIGITS_MANY: Final = 1000
"""In decimal; Python refuses to read some thousands."""
_NOT_PLAIN: Final = re.compile("[#\"']")
"""A comment or a text begins here."""
_DIGITS: Final = re.compile(r"\d[\d_]*")
_BLANK: Final = re.compile(r"\{[a-z_]+\}")
_AT: Final = re.compile(r"\(at line (\d+), column (\d+)\)$")
_DECIMAL_COMMA: Final = re.compile(r"=\s*(([+-]?\d+),(\d+))\s*(?=[,}#]|$)")
_BARE: Final = re.compile(r"=[ \t]*([^\s\"'\[{#=,][^\"'#,=}\]]*)")
_ONE_OF_LIST: Final = re.compile(r"\s*([^\"'#,=}{\]\[]*)")
_NAME: Final = re.compile(r"[\w.\"' \t-]+")
_LIKE_TEXT: Final = re.compile(
    r"(?!(?:true|false|yes|no|on|off|inf|nan)$)[^\W\d].*|\d+(\.\d+){3}(:\d+)?|[“”„‘’‚«`].*[“”‘’»`]", re.IGNORECASE
)
"""A word, an address, what stands in other quotation marks; no number with a unit or a slip in it."""
_TRUTHS: Final = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_DECLARED: Final = re.compile(r"Cannot declare (\(.*\)) twice \(at [^()]*\)$")
_REPEATED: Final = re.compile(r"Duplicate inline table key ('.*'|\".*\") \(at [^()]*\)$")
_CURLY: Final = "“”„‘’‚«»`"
_LEFT_OPEN: Final = (r"Illegal character '\n'", r"Found invalid character '\n'", "Unterminated string", "Expected \"'")
_INLINE_FAULTS: Final = (
    "Unclosed inline table",
    "Expected '=' after a key",
    "Illegal character",
    "Invalid initial character",
    "Invalid value",
)


@dataclass(frozen=True, slots=True)
class _Slip:
    """Where `tomllib` gave up: at a column of a line, both from 1, or at the end of the text; and what it came through before."""

    detail: str
    lines: list[str]
    number: int
    column: int
    at_end: bool
    before: Reached

    @property
    def line(self) -> str:
        return self.lines[self.number - 1]

    @property
    def rest(self) -> str:
        return self.line[self.column - 1 :]

    @property
    def inmost(self) -> tuple[str, int]:
        """The bracket that was opened last and is still open, with its line; nothing and 0 where none is."""
        return self.before.brackets[-1] if self.before.brackets else ("", 0)


def tables_of(text: str, *, anew: bool = False) -> dict[str, Any]:
    """Return the tables of a config text. Raises ConfigError: what makes it no TOML; `anew` each whole number of more than 64 bits.

    One that was recorded before they were refused may have them (where a float is meant), and is read as it was.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([toml_fault(text, error)]) from error
    except RecursionError as error:
        raise ConfigError([Fault("", "config_not_toml", {"detail": "nested too deeply"})]) from error
    except ValueError as error:  # of Python itself, for which a number has too many digits
        raise ConfigError([Fault("", "config_number_long", {}, _line_of_digits(text))]) from error
    if anew and (long := _long_numbers(raw)):
        faults = Faults(text)
        for place, where in long:
            faults.add(place, dotted(where), "config_number_long")
        raise ConfigError(sorted(faults.found, key=lambda fault: (fault.line or 0, fault.where)))
    return raw


def _long_numbers(raw: dict[str, Any]) -> list[tuple[Place, tuple[str, ...]]]:
    """Return where the whole numbers of more than 64 bits stand, by keys and indexes and by names."""
    found: list[tuple[Place, tuple[str, ...]]] = []
    left: list[tuple[Place, tuple[str, ...], Any]] = [((), (), raw)]
    while left:
        place, where, value = left.pop()
        if isinstance(value, dict):
            left += [((*place, key), (*where, key), each) for key, each in value.items() if not isinstance(each, str)]
        elif isinstance(value, list):
            left += [((*place, at), (*where, _name_of(each, at)), each) for at, each in enumerate(value) if not isinstance(each, str)]
        elif isinstance(value, int) and not WHOLE_MIN <= value <= WHOLE_MAX:
            found.append((place, where))
    return found


def _name_of(row: Any, at: int) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) else str(at)


def _line_of_digits(text: str) -> int | None:
    """Return the line of the first number of very many digits that stands in no comment and no text, as far as its line shows."""
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > DIGITS_MANY:
            plain = _NOT_PLAIN.split(line, maxsplit=1)[0]
            if any(len(digits[0]) > DIGITS_MANY for digits in _DIGITS.finditer(plain)):
                return number
    return None


def toml_fault(text: str, error: tomllib.TOMLDecodeError) -> Fault:
    """Return the fault of a text that `tomllib` refused."""
    slip = _slip(text.replace("\r\n", "\n"), str(error))
    found = (fault for advice in _ADVICE if (fault := advice(slip)) is not None)
    return next(found, Fault("", "config_not_toml", {"detail": _short(slip.detail)}, None if slip.at_end else slip.number))


def _slip(source: str, detail: str) -> _Slip:
    at, lines = _AT.search(detail), source.split("\n")
    number = min(int(at[1]), len(lines)) if at else len(lines)
    column = int(at[2]) if at else len(lines[-1]) + 1
    position = sum(map(len, lines[: number - 1])) + number - 1 + column - 1
    return _Slip(detail, lines, number, column, at is None, reached(source[:position]))


def _mark(slip: _Slip) -> Fault | None:
    return Fault("", "config_not_toml_bom", {}, 1) if slip.number == 1 and slip.column == 1 and slip.line.startswith("\ufeff") else None


def _template(slip: _Slip) -> Fault | None:
    plain = re.split(r"[#\"']", slip.line, maxsplit=1)[0]
    blank = _BLANK.search(plain.partition("=")[2])
    return Fault("", "config_template", {"blank": blank[0]}, slip.number) if blank else None


def _list_end(slip: _Slip) -> Fault | None:
    """A list of an earlier line goes on where the text ends, or where a heading or a key stands."""
    if not slip.detail.startswith(("Unclosed array", "Invalid value")):
        return None
    if slip.at_end:
        sign, start = slip.inmost
        return Fault("", "config_not_toml_list_end", {"start": start}, start) if sign == "[" else None
    sign, start = next((each for each in reversed(slip.before.brackets) if each[1] < slip.number), ("", 0))
    heading, key = HEADER.match(slip.line), KEY.match(slip.line)
    is_heading = heading is not None and slip.line.startswith("[") and _NAME.fullmatch(heading[2]) is not None
    is_key = key is not None and slip.inmost[1] < slip.number and slip.column <= slip.line.index("=") + 1
    if sign != "[" or not (is_heading or (is_key and not _is_closed(slip))):
        return None
    return Fault("", "config_not_toml_list_end", {"start": start}, slip.number)


def _is_closed(slip: _Slip) -> bool:
    """Tell whether a line that begins with the end of a list stands before the next heading."""
    for line in slip.lines[slip.number :]:
        if line.startswith("[") and HEADER.match(line):
            return False
        if line.lstrip().startswith("]"):
            return True
    return False


def _decimal_comma(slip: _Slip) -> Fault | None:
    for comma in _DECIMAL_COMMA.finditer(slip.line):
        if comma.start(1) < slip.column <= comma.end() + 1:
            params: dict[str, str | int | float] = {"value": comma[1], "meant": f"{comma[2]}.{comma[3]}"}
            digits = comma[2].strip("+-")
            if len(comma[3]) == 3 and len(digits) <= 3 and not digits.startswith("0"):
                return Fault("", "config_comma_of_three", {**params, "whole": comma[2] + comma[3]}, slip.number)
            return Fault("", "config_decimal_comma", params, slip.number)
    return None


def _bare(slip: _Slip) -> Fault | None:
    """A value, or an item of a list, that is a text without quotation marks, or a true or false in other words."""
    value = _value_at(slip)
    if (truth := _TRUTHS.get(value.casefold())) and value != truth:
        return Fault("", "config_not_toml_bool", {"value": value, "meant": truth}, slip.number)
    if _LIKE_TEXT.fullmatch(value):
        return Fault("", "config_not_toml_bare", {"value": value[:SHOWN_MAX], "meant": value.strip(_CURLY)[:SHOWN_MAX]}, slip.number)
    return None


def _value_at(slip: _Slip) -> str:
    for bare in _BARE.finditer(slip.line):
        if bare.start(1) < slip.column <= bare.end() + 1:
            return bare[1].rstrip("; \t")
    if slip.inmost[0] != "[" or not slip.detail.startswith(("Unclosed array", "Invalid value")):
        return ""
    before = slip.line[: slip.column - 1]
    listed = _ONE_OF_LIST.match(slip.line, max(before.rfind("["), before.rfind(",")) + 1)
    if listed is None or not listed.start(1) < slip.column <= listed.end() + 1 or slip.line.startswith("=", listed.end()):
        return ""
    return listed[1].rstrip("; \t")


def _empty(slip: _Slip) -> Fault | None:
    rest = slip.rest.strip()
    if not slip.detail.startswith("Invalid value") or (rest and rest[0] not in "#,}"):
        return None
    is_after_equals = slip.line[: slip.column - 1].rstrip().endswith("=")
    return Fault("", "config_not_toml_empty", {}, slip.number) if is_after_equals else None


def _inline(slip: _Slip) -> Fault | None:
    sign, start = slip.inmost
    if sign != "{" or not slip.detail.startswith(_INLINE_FAULTS):
        return None
    line = slip.line[: slip.column] if start == slip.number else slip.lines[start - 1]
    number = start if slip.at_end else slip.number
    return Fault("", "config_not_toml_inline", {"detail": slip.detail}, number) if "=" in line.partition("{")[2] else None


def _twice(slip: _Slip) -> Fault | None:
    """What stands twice, as the file writes it; nothing where that is not what is wrong or cannot be known."""
    if repeated := _REPEATED.match(slip.detail):
        return Fault("", "config_not_toml_twice", {"name": dotted([str(_literal(repeated[1]))])[:SHOWN_MAX]}, slip.number)
    if (declared := _DECLARED.match(slip.detail)) and isinstance(key := _literal(declared[1]), tuple):
        return _heading_twice(slip, list(map(str, key)), said=True)
    if not slip.detail.startswith("Cannot overwrite a value"):
        return None
    begins = slip.before.statements[-1]
    if begins == slip.number and (heading := HEADER.match(slip.line)):
        return _heading_twice(slip, parts_of(heading[2]), said=False)
    written = KEY.match(slip.lines[begins - 1])
    if written is None or written[2] or slip.before.brackets:
        return None
    params: dict[str, str | int | float] = {"name": written[1][:SHOWN_MAX]}
    for number in reversed(slip.before.statements[:-1]):
        line = slip.lines[number - 1]
        if line.lstrip().startswith("["):
            break
        if (other := KEY.match(line)) and not other[2] and other[1].strip('"') == written[1].strip('"'):
            params["first"] = number
    return Fault("", "config_not_toml_twice", params, begins)


def _heading_twice(slip: _Slip, name: list[str], *, said: bool) -> Fault | None:
    """A heading with one bracket among those with two, or the reverse; else, where the parser has said so, one that stands twice."""
    here = HEADER.match(slip.line)
    params: dict[str, str | int | float] = {"name": f"[{dotted(name)[:SHOWN_MAX]}]"}
    for number in slip.before.statements[:-1]:
        other = HEADER.match(slip.lines[number - 1])
        if here is None or other is None or parts_of(other[2]) != name:
            continue
        if other[1] != here[1]:
            return Fault("", "config_not_toml_brackets", {"name": dotted(name)[:SHOWN_MAX], "other": number}, slip.number)
        params.setdefault("first", number)
    return Fault("", "config_not_toml_twice", params, slip.number) if said else None


def _behind(slip: _Slip) -> Fault | None:
    """A sign of another language behind a value."""
    if not slip.detail.startswith("Expected newline"):
        return None
    rest = slip.rest
    found = next((sign for sign in ("//", "/*", ";") if rest.startswith(sign)), "")
    if rest.startswith(",") and rest[1:].lstrip()[:1] in ("", "#"):
        found = ","
    return Fault("", "config_not_toml_behind", {"found": found}, slip.number) if found else None


def _open(slip: _Slip) -> Fault | None:
    begins = slip.before.text
    return Fault("", "config_not_toml_open", {}, begins) if begins is not None and slip.detail.startswith(_LEFT_OPEN) else None


def _list(slip: _Slip) -> Fault | None:
    return Fault("", "config_not_toml_list", {"detail": slip.detail}, slip.number) if slip.detail.startswith("Unclosed array") else None


_ADVICE: Final[tuple[Callable[[_Slip], Fault | None], ...]] = (
    _mark, _template, _list_end, _decimal_comma, _bare, _empty, _inline, _twice, _behind, _open, _list,
)  # fmt: skip
"""The first one that has something to say is heard."""


def _literal(text: str) -> object:
    """Return what a `repr` of texts stands for; nothing for what is none."""
    try:
        found: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return found


def _short(detail: str) -> str:
    return detail if len(detail) <= DETAIL_MAX else detail[: DETAIL_MAX - 1] + "…"
