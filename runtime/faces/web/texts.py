"""Texts that a body carries, and which of them must say something: blanks alone are as good as nothing.

Room: hall, face. `guard` asks `blank_in` of every body that decodes, so that blanks alone get the answer that nothing gets. It changes no
text.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Final

import msgspec
from msgspec import inspect

AS_TYPED: Final = {"blank": "as typed"}
"""`extra` of a text whose blanks count, as a password's do."""
NOT_BLANK: Final = {"blank": "no"}
"""`extra` of a text that may be left out, but says something where it is given."""
Reason = Annotated[str, msgspec.Meta(max_length=500, extra=NOT_BLANK)]
"""Why something is done, of acts whose forms ask for it and whose API does not."""


def blank_in(body: msgspec.Struct) -> str | None:
    """Return the name of the first text of a decoded body that has only blanks and must not, None where there is none.

    Those that must not: texts of at least one character, unless they are `AS_TYPED`, and those that are `NOT_BLANK`.
    """
    return next((name for name in _said(type(body)) if (text := getattr(body, name)) and not text.strip()), None)


@cache
def as_typed(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of a body's texts whose blanks count."""
    info = inspect.type_info(kind)
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    return frozenset(each.name for each in fields if isinstance(each.type, inspect.Metadata) and each.type.extra == AS_TYPED)


@cache
def _said(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of a body's texts that must say something."""
    info = inspect.type_info(kind)
    return tuple(each.name for each in info.fields if _must_say(each.type)) if isinstance(info, inspect.StructType) else ()


def _must_say(kind: inspect.Type) -> bool:
    extra = None
    if isinstance(kind, inspect.Metadata):
        extra, kind = kind.extra, kind.type
    if not isinstance(kind, inspect.StrType) or extra == AS_TYPED:
        return False
    return bool(kind.min_length) or extra == NOT_BLANK
