"""Anchor types by name: the built-in ones, then those that installed packages declare.

Room: ground, anchors. The runtime's wiring calls `make_anchor` for each anchor of the configuration. It imports a type only
when it is asked for and never guesses: an unknown type or one declared twice stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from ledger_client.anchors.anchor import Anchor, Clock
from ledger_client.errors import AnchorError

ENTRY_POINTS = "witnessmark.anchors"
BUILT_IN = {"tlog": "ledger_client.anchors.tlog:make"}

Make = Callable[[str, Mapping[str, Any], Clock], Anchor]
"""(name, options, clock) -> anchor; raises AnchorError for options that it does not accept."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def anchor_types() -> dict[str, str]:
    """Return type name -> `module:function`. Raises AnchorError when a name is declared twice."""
    from importlib.metadata import entry_points  # 1 MB that a gateway without anchors does not need

    found = dict(BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in found:
            raise AnchorError("anchor_type_twice", transient=False, type=point.name)
        found[point.name] = point.value
    return found


def make_anchor(type_name: str, name: str, options: Mapping[str, Any], clock: Clock) -> Anchor:
    """Make the anchor `name`, not yet entered.

    Args:
        type_name: one of `anchor_types`.
        name: unique among the anchors of a gateway; it names the cursor file, so letters, digits, `.`, `_`, `-` only.
        options: the type's own options.
        clock: the time to use.

    Raises:
        AnchorError: an unknown type, a bad name, or options that the type does not accept.
    """
    if not _NAME.fullmatch(name):
        raise AnchorError("anchor_name_invalid", transient=False, anchor=name[:80])
    target = anchor_types().get(type_name)
    if target is None:
        raise AnchorError("anchor_type_unknown", transient=False, type=type_name[:80])
    module, _, function = target.partition(":")
    try:
        make = cast("Make", getattr(import_module(module), function))
    except (ImportError, AttributeError) as error:
        raise AnchorError("anchor_library_missing", transient=False, type=type_name, reason=str(error)[:200]) from error
    return make(name, options, clock)
