"""What is wrong with a text that is no TOML, and what most likely has to be done. Pure.

Room: hall. `config` calls `toml_fault`. The words of `tomllib` are kept as the detail; the slips that are made most get advice: a
decimal comma, a text without straight quotation marks or without its end, what stands twice, a list without a comma, and an inline table
that lacks a comma, a quotation mark or a brace.
"""

from __future__ import annotations

import re
import tomllib
from typing import Final

from runtime.config_faults import Fault

_BLANK: Final = re.compile(r"^[^#\"']*=[^#\"']*(\{[a-z_]+\})", re.MULTILINE)
_AT: Final = re.compile(r"\(at line (\d+), column (\d+)\)")
_DECIMAL_COMMA: Final = re.compile(r"=\s*(([+-]?\d+),(\d+))\s*(?=[,}#]|$)")
_BARE: Final = re.compile(r"=[ \t]*([^\s\"'\[{#=,][^\"'#,=}\]]*)")
_LIKE_TEXT: Final = re.compile(
    r"(?!(?:true|false|yes|no|on|off|inf|nan)$)[^\W\d].*|\d+(\.\d+){3}(:\d+)?|[“”„‘’‚«`].*[“”‘’»`]", re.IGNORECASE
)
"""A word, an address, what stands in other quotation marks; no number with a unit or a slip in it."""
_DECLARED: Final = re.compile(r"Cannot (?:declare|mutate immutable namespace) \((.*?),?\)")
_CURLY: Final = "“”„‘’‚«»`"
_INLINE_FAULTS: Final = (
    "Unclosed inline table",
    "Expected '=' after a key",
    "Illegal character",
    "Invalid initial character",
    "Invalid value",
)


def toml_fault(text: str, error: tomllib.TOMLDecodeError) -> Fault:
    """Return the fault of a text that `tomllib` refused."""
    detail = str(error)
    at = _AT.search(detail)
    if at is None:
        return Fault("", "config_not_toml", {"detail": detail})
    number, column = int(at[1]), int(at[2])
    line = text.split("\n")[min(number, text.count("\n") + 1) - 1]
    if blank := _BLANK.match(line):
        return Fault("", "config_template", {"blank": blank[1]}, number)
    for comma in _DECIMAL_COMMA.finditer(line):
        if comma.start(1) < column <= comma.end() + 1:
            return Fault("", "config_decimal_comma", {"value": comma[1], "meant": f"{comma[2]}.{comma[3]}"}, number)
    for bare in _BARE.finditer(line):
        value = bare[1].rstrip()
        if bare.start(1) < column <= bare.end() + 1 and _LIKE_TEXT.fullmatch(value):
            return Fault("", "config_not_toml_bare", {"value": value[:60], "meant": value.strip(_CURLY)[:60]}, number)
    if "{" in line[:column] and "=" in line[:column].partition("{")[2] and detail.startswith(_INLINE_FAULTS):
        return Fault("", "config_not_toml_inline", {"detail": detail}, number)
    if name := _twice(detail, line):
        return Fault("", "config_not_toml_twice", {"name": name}, number)
    if detail.startswith("Unclosed array"):
        return Fault("", "config_not_toml_list", {"detail": detail}, number)
    if detail.startswith(r"Illegal character '\n'"):
        return Fault("", "config_not_toml_open", {}, number)
    return Fault("", "config_not_toml", {"detail": detail}, number)


def _twice(detail: str, line: str) -> str:
    """Return what stands twice, as the file writes it; nothing where that is not what is wrong."""
    if detail.startswith("Cannot overwrite a value"):
        key, equals, _ = line.partition("=")
        return key.strip()[:60] if equals else ""
    declared = _DECLARED.match(detail)
    return f"[{'.'.join(part.strip().strip(chr(39)) for part in declared[1].split(','))[:60]}]" if declared else ""
