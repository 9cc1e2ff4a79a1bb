"""One option of a tag as the cell of a table, and back: what a cell may mean is told by the option's type. Pure.

Room: hall, tag sheets. `rows` and `into_config` call it. It judges no value; the configuration's own models do that afterwards.
"""

from __future__ import annotations

import contextlib
import json
import re
import types
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from drivers.option_error import OptionError
from runtime.config_model import Tag

TRUE_WORDS: Final = frozenset({"true", "yes", "1", "wahr", "ja", "vrai", "oui", "verdadero", "vero", "是"})
FALSE_WORDS: Final = frozenset({"false", "no", "0", "falsch", "nein", "faux", "non", "falso", "否"})
"""Spreadsheets write TRUE in the language of their user."""
_DAY: Final = re.compile(r"(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})|(?P<d2>\d{1,2})\.(?P<m2>\d{1,2})\.(?P<y2>\d{4})")
"""Years first with any mark, or days first with points; 1/2/2026 is one day in some countries and another elsewhere."""
_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_WHOLE: Final = re.compile(r"[+-]?\d+([.,]0*)?")
GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")
"""How thousands may be told apart."""
DIGITS_MAX: Final = 400
"""A float written out in full has no more."""
INFINITY: Final = float("inf")
Kinds = frozenset[str]


def option_kinds(tag_options: type[BaseModel]) -> dict[str, Kinds]:
    """Return column -> what its cells may hold (text, whole, number, truth, day, list), the driver's own options of a tag first."""
    found = {name: kinds_of(field.annotation) for name, field in tag_options.model_fields.items()}
    for name, field in Tag.model_fields.items():
        inner = _table_of(field.annotation)
        if inner is not None:
            found |= {f"{name}.{key}": kinds_of(each.annotation) for key, each in inner.model_fields.items()}
        elif name not in ("name", "was"):
            found[name] = kinds_of(field.annotation)
    return found


def needed_options(tag_options: type[BaseModel]) -> list[str]:
    """Return the driver's options that no tag can do without."""
    return [name for name, field in tag_options.model_fields.items() if field.is_required()]


def kinds_of(annotation: Any) -> Kinds:
    """Return what a type accepts; a type that is none of the plain ones is written as JSON, like a list."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kinds_of(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return frozenset().union(*(kinds_of(each) for each in get_args(annotation) if each is not type(None)))
    if origin is Literal:
        return frozenset().union(*(kinds_of(type(each)) for each in get_args(annotation)))
    plain = {str: "text", int: "whole", float: "number", bool: "truth", date: "day"}
    return frozenset({plain.get(annotation, "list")})


def _sayable(value: Any) -> Any:
    """Return a value of JSON that TOML can say as well. Raises ValueError for null, what is no finite number, and half characters."""
    if isinstance(value, list):
        return [_sayable(each) for each in value]
    if isinstance(value, dict):
        return {_sayable(key): _sayable(each) for key, each in value.items()}
    if value is None or (isinstance(value, float) and not abs(value) < INFINITY):
        raise ValueError(value)
    if isinstance(value, str):
        value.encode()
    return value


def _table_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of an option that is a table, None for any other."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def cell_of(value: Any) -> object:
    """Return what stands in a cell for a value: numbers, truth and text as they are, days as 2026-11-25, anything else as JSON."""
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)


def value_of(cell: str, kinds: Kinds, *, decimal_comma: bool | None) -> Any:
    """Return what a cell means for an option of these kinds. Raises OptionError `sheet_…` when it means nothing, or two things."""
    if "list" in kinds and cell[:1] in ("[", "{"):
        try:
            return _sayable(json.loads(cell))
        except (ValueError, RecursionError) as error:
            raise OptionError("sheet_not_list", value=cell[:60]) from error
    if "text" in kinds:
        return cell
    if "truth" in kinds:
        known = cell.casefold()
        if known not in TRUE_WORDS | FALSE_WORDS:
            raise OptionError("sheet_not_truth", value=cell[:60])
        return known in TRUE_WORDS
    if "day" in kinds:
        return day_of(cell)
    if kinds & {"whole", "number"}:
        return number_of(cell, whole="number" not in kinds, decimal_comma=decimal_comma)
    raise OptionError("sheet_not_list", value=cell[:60])


def number_of(cell: str, *, whole: bool, decimal_comma: bool | None) -> int | float:
    """Return the number of a cell. `1.234` beside decimal commas, and `1,234` without them, may be thousands: refused. None: not known."""
    text = cell.replace("\u2212", "-")
    if not (_WHOLE if whole else _NUMBER).fullmatch(text) or len(text) > DIGITS_MAX:
        raise OptionError("sheet_not_whole" if whole else "sheet_not_number", value=cell[:60])
    decimal = "" if decimal_comma is None else "," if decimal_comma else "."
    if GROUPED.fullmatch(text) and (not decimal or text.strip("+-0123456789") != decimal):
        raise OptionError("sheet_number_unclear", value=cell[:60])
    if "," in text and decimal_comma is False:
        raise OptionError("sheet_number_comma", value=cell[:60])
    text = text.replace(",", ".")
    value = int(text.partition(".")[0]) if _WHOLE.fullmatch(text) and (whole or "." not in text) else float(text)
    if value in (INFINITY, -INFINITY):
        raise OptionError("sheet_not_whole" if whole else "sheet_not_number", value=cell[:60])
    return value


def day_of(cell: str) -> date:
    """Return the day of a cell. Raises OptionError `sheet_not_day`."""
    found = _DAY.fullmatch(cell)
    if found is not None:
        year, month, day = (int(found[key] or found[key + "2"]) for key in "ymd")
        with contextlib.suppress(ValueError):
            return date(year, month, day)
    raise OptionError("sheet_not_day", value=cell[:60])


def option(raw: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column (`unit`, `report.deadband`) in the table of a tag, None when it is not given."""
    key, _, inner = column.partition(".")
    value = raw.get(key)
    return value if not inner else value.get(inner) if isinstance(value, Mapping) else None


def set_option(raw: dict[str, Any], column: str, value: Any) -> None:
    """Set a column in the table of a tag, or with None take it away; a nested table that becomes empty goes too."""
    key, _, inner = column.partition(".")
    if inner:
        nested = dict(raw[key]) if isinstance(raw.get(key), Mapping) else {}
        set_option(nested, inner, value)
        value = nested or None
    if value is None:
        raw.pop(key, None)
    else:
        raw[key] = value
