"""Equal values that never change, kept once: of a thousand tags nearly all have the same rules, forms and scaling.

Room: drivers; `runtime` uses it too. It holds the last KEPT values that it was given, whoever still needs them.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Final, TypeVar, cast

KEPT: Final = 512
Value = TypeVar("Value", bound=Hashable)


@lru_cache(maxsize=KEPT)
def _first(value: Hashable) -> Hashable:
    return value


def one_of_a_kind(value: Value) -> Value:
    """Return the first value equal to this one that is still kept. It must be frozen, and equal only to what means the same."""
    return cast(Value, _first(value))
