"""Standard output and error that outlive their reader, and the last line of a command that failed by itself.

Room: hall. `cli.app` calls it around every verb. An exit code is a verdict: neither `| head -1` nor a fault of this program may
turn it into 1, which means that a claim fails. It decides nothing else and words nothing itself.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

TRACEBACK: Final = "WITNESSMARK_TRACEBACK"
"""Set to 1, this variable of the environment shows where in the program a fault of its own arose."""


def outlive_readers() -> None:
    """Let what is written after a pipe's reader has gone vanish, so that the verb goes on and ends with its own exit code."""
    sys.stdout = _outliving(sys.stdout)
    sys.stderr = _outliving(sys.stderr)


def let_go() -> None:
    """Give up what could not be written, so that the end of the process does not try again and change what was said."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Pipe):
        raw.is_given_up = True


def fault_params(error: Exception) -> Mapping[str, Any]:
    """Return what the one line about a fault of our own tells: its kind, its words, and the innermost place in the program."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return {"kind": type(error).__name__, "detail": " ".join(str(error).split())[:200], "at": at}


def wants_traceback() -> bool:
    """Tell whether the environment asks for the traceback too."""
    return os.environ.get(TRACEBACK) == "1"


def wants_stock_loop() -> bool:
    """Tell whether the environment asks for asyncio's own event loop where there is another: the benchmarks compare them."""
    return os.environ.get("WITNESSMARK_EVENT_LOOP") == "asyncio"


class _Pipe(io.FileIO):
    """A file descriptor whose reader may go away; `is_given_up` drops all that is written from then on."""

    is_given_up = False

    def write(self, data: Any, /) -> int:
        """Write, or drop what nobody reads any more."""
        if self.is_given_up:
            return len(data)
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            return len(data)


def _outliving(stream: TextIO | None) -> Any:
    """Return a stream over the same descriptor; terminals, missing streams and those of a test stay as they are."""
    try:
        number = -1 if stream is None or stream.isatty() else stream.fileno()
    except (OSError, ValueError):
        number = -1
    if stream is None or number < 0:
        return stream
    stream.flush()
    raw = io.BufferedWriter(_Pipe(number, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=stream is sys.stderr)
