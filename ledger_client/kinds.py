"""The numbered vocabulary of entries: kinds and clock states. Numbers are for ever (docs/ledger-format.md section 3.1).

Room: ground, bottom floor; imports nothing of ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """What an entry says."""

    GENESIS = 0
    BATCH = 1
    BOOT = 2
    CLOCK = 3
    ROTATE = 4
    SCHEMA = 5
    GAP = 6
    RECEIPTS = 7
    COMMAND = 8
    CLOSE = 9
    EVENT = 10
    PLAN = 11
    CONFIG = 12


FOREIGN_KIND_MIN = 128
"""Kinds from here on may be passed over by a verifier that does not know them."""


KINDS_KEPT: Final = frozenset({Kind.RECEIPTS, Kind.SCHEMA})
"""Kinds whose bodies stay where the others are deleted or held back: they hold no readings, and times and tags hang on them."""

INTENT: Final = 0
"""The phase of a command entry that says what was asked for."""
OUTCOME: Final = 1
"""The phase of one that says what came of it."""


class ClockState(IntEnum):
    """How far the wall clock can be trusted."""

    UNSET = 0
    RTC = 1
    NTP = 2
    """The kernel says that something disciplines it. It cannot say what: NTP, or PTP through phc2sys."""
    PTP = 3
    """Reserved. Nothing that the kernel tells would justify it, so it is never written."""
    STEPPED = 4
