"""What was most likely meant by a key or a value that is none: the closest that there is, whatever its case. Pure.

Room: hall. `config_words` asks it for every such fault, and tag sheets for a column. It proposes and judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, get_args

from pydantic import BaseModel

LENGTH_MAX: Final = 40
"""Longer ones are no slip of the pen."""
CLOSE: Final = 0.65
OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "real": ("float32", "float64"), "float": ("float32", "float64"), "single": ("float32", "float64"), "lreal": ("float64",),
    "double": ("float64",), "sint": ("int8", "int"), "usint": ("uint8", "int"), "int": ("int16",), "uint": ("uint16", "int"),
    "word": ("uint16", "int"), "short": ("int16", "int"), "dint": ("int32", "int"), "udint": ("uint32", "int"), "dword": ("uint32", "int"),
    "integer": ("int16", "int"), "lint": ("int64", "int"), "ulint": ("uint64", "int"), "lword": ("uint64", "int"), "boolean": ("bool",),
    "bit": ("bool",), "string": ("text",),
}  # fmt: skip
"""What types are called elsewhere (IEC 61131-3 and languages) and, of ours, the first one that there is."""
ORDERS: Final[Mapping[str, tuple[str, str]]] = {
    "ABCD": ("big", "big"), "CDAB": ("little", "big"), "BADC": ("big", "little"), "DCBA": ("little", "little"),
}  # fmt: skip
"""Bytes of a number over two registers, A the most significant: order of its words, and of the bytes of each."""


def closest(given: str, known: Iterable[str]) -> str:
    """Return what there is that is closest to a text; empty when nothing is close."""
    return _closest(given.strip().casefold(), tuple(known)) if len(given) <= LENGTH_MAX else ""


def value_meant(key: object, given: object, expected: Collection[str], beside: Collection[str]) -> str:
    """Return how a value was most likely meant, as it would be written; `beside` are the keys that there are beside its own."""
    if not isinstance(given, str):
        return ""
    if key in ("word_order", "byte_order") and (order := ORDERS.get(given.strip().upper())):
        words, each = order
        return f'order = "{given.strip().upper()}"' if "order" in beside else f'word_order = "{words}", byte_order = "{each}"'
    named = next((each for each in OTHER_NAMES.get(given.strip().casefold(), ()) if each in expected), "")
    found = named or closest(given, expected)
    return f'"{found}"' if found else ""


def texts_of(expected: str) -> list[str]:
    """Return the texts of what pydantic lists as expected: `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", expected)


def keys_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> frozenset[str]:
    """Return the keys of the table in which the last part of a place within a model stands; none where that is not known."""
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field is not None else None
        if inner is None:
            return frozenset()
        model = inner
    return frozenset(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the one model within an annotation such as `list[Tag] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [each for each in map(_model_in, get_args(annotation)) if each is not None]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=512)
def _closest(given: str, known: tuple[str, ...]) -> str:
    folded = {each.casefold(): each for each in known}
    found = get_close_matches(given, folded, n=1, cutoff=CLOSE)
    return folded[found[0]] if found else ""
