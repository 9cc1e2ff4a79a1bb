"""The PackML state machine (ISA-TR88.00.02): states, commands and which command leads where.

Room: ground, sim board; pure. `capper.py` drives it. The numbers are those of the PackTags Status.StateCurrent and
Command.CntrlCmd.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """Status.StateCurrent."""

    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETE = 17


class Command(IntEnum):
    """Command.CntrlCmd."""

    RESET = 1
    START = 2
    STOP = 3
    HOLD = 4
    UNHOLD = 5
    SUSPEND = 6
    UNSUSPEND = 7
    ABORT = 8
    CLEAR = 9


class Mode(IntEnum):
    """Status.UnitModeCurrent."""

    PRODUCTION = 1
    MAINTENANCE = 2
    MANUAL = 3


AFTER: Final = {
    State.CLEARING: State.STOPPED,
    State.STARTING: State.EXECUTE,
    State.STOPPING: State.STOPPED,
    State.ABORTING: State.ABORTED,
    State.HOLDING: State.HELD,
    State.UNHOLDING: State.EXECUTE,
    State.SUSPENDING: State.SUSPENDED,
    State.UNSUSPENDING: State.EXECUTE,
    State.RESETTING: State.IDLE,
    State.COMPLETING: State.COMPLETE,
}
"""Acting state -> the state that it reaches by itself."""

_FROM: Final = {
    (State.STOPPED, Command.RESET): State.RESETTING,
    (State.COMPLETE, Command.RESET): State.RESETTING,
    (State.IDLE, Command.START): State.STARTING,
    (State.EXECUTE, Command.HOLD): State.HOLDING,
    (State.EXECUTE, Command.SUSPEND): State.SUSPENDING,
    (State.SUSPENDED, Command.UNSUSPEND): State.UNSUSPENDING,
    (State.SUSPENDED, Command.HOLD): State.HOLDING,
    (State.HELD, Command.UNHOLD): State.UNHOLDING,
    (State.ABORTED, Command.CLEAR): State.CLEARING,
}
_ABORTED: Final = frozenset({State.ABORTING, State.ABORTED})
_NOT_STOPPABLE: Final = _ABORTED | {State.CLEARING, State.STOPPING, State.STOPPED}


def after_command(state: State, command: Command) -> State | None:
    """Return the state that a command leads to, or None when the machine ignores it there."""
    if command is Command.ABORT:
        return None if state in _ABORTED else State.ABORTING
    if command is Command.STOP:
        return None if state in _NOT_STOPPABLE else State.STOPPING
    return _FROM.get((state, command))
