"""Where log lines go: standard error, as words or as JSON. Codes stay codes; nothing secret is ever a field.

Room: hall. `run`, `demo`, `read` and the history process call it once, before anything else. Lines are written by a thread of its own: a
pipe that nobody empties, or a journal that stands still, keeps no reading waiting. What finds no room is dropped, counted and said.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from queue import Full, Queue
from threading import Thread
from typing import Any, Final, Protocol

import structlog
from structlog.typing import Processor

from runtime.diagnostics.log_ring import OWN, LogRing
from runtime.messages.catalogue import word

LINES_MAX: Final = 1_000
LINE_CHARS_MAX: Final = 16_384
LAST_S: Final = 1.0
"""How long the end of the process waits for lines that are not written yet."""
CONTROLS: Final = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0))} | {
    number: f"\\u{number:04x}" for number in (*range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
"""What would move a terminal's cursor or turn its text around -> how it is said."""
DROPPED: Final = "log_lines_dropped"
FOR_PEOPLE: Final = frozenset({"page_listens"})
"""Events of children that whoever started the gateway waits for: on a console they are said in words."""


class Lines(Protocol):
    """Where lines go in the end."""

    def write(self, text: str, /) -> object:
        """Write a text. May block."""
        ...

    def flush(self) -> object:
        """Write what is held back. May block."""
        ...


class LineWriter:
    """Looks like a file to loggers; `write` never waits. `dropped` counts what could not be written."""

    def __init__(self, out: Lines, *, json_lines: bool) -> None:
        """The thread starts at once; it does not keep the process from ending."""
        self._out, self._json = out, json_lines
        self._queue: Queue[str | None] = Queue(LINES_MAX)
        self.dropped = 0
        self._said = 0
        self._thread = Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Take a line. Beyond LINES_MAX waiting ones it is dropped."""
        try:
            self._queue.put_nowait(text if len(text) <= LINE_CHARS_MAX else text[:LINE_CHARS_MAX] + "\n")
        except Full:
            self.dropped += 1
        return len(text)

    def flush(self) -> None:
        """Nothing: see write."""

    def close(self) -> None:
        """Give what waits LAST_S to be written."""
        with contextlib.suppress(Full):
            self._queue.put(None, timeout=LAST_S)
            self._thread.join(LAST_S)

    def _run(self) -> None:
        while True:
            text = self._queue.get()
            try:
                self._out.write(text or "")
                if self.dropped > self._said:
                    said = self.dropped
                    self._out.write(self._words(said - self._said))
                    self._said = said
                if self._queue.empty():
                    self._out.flush()
            except (OSError, ValueError):  # whoever read it is gone
                self.dropped += 1
            if text is None:
                return

    def _words(self, count: int) -> str:
        if self._json:
            return json.dumps({"event": DROPPED, "level": "warning", "count": count}) + "\n"
        return f"[warning] {DROPPED} count={count}\n"


def set_up_log(*, json_lines: bool, ring: LogRing | None = None) -> None:
    """Send structlog and the libraries' warnings to standard error; `ring` keeps the newest, and passes on what children say."""
    # Plain tracebacks: structlog's own show the values of local variables, and a token may be one of them.
    words = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    last = structlog.processors.JSONRenderer() if json_lines else words
    processors: list[Processor] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), last]
    if json_lines:
        processors.insert(2, structlog.processors.format_exc_info)
    writer = LineWriter(sys.stderr, json_lines=json_lines)
    if ring is not None:
        processors.insert(1, _Keeper(ring))
        ring.pass_on = writer.write
        ring.worded = None if json_lines else lambda said: _plain_line(words, said)
    atexit.register(writer.close)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *names: _LineLogger(writer, names[0] if names else ""),
        cache_logger_on_first_use=True,
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(writer), *([_LibraryKeeper(ring)] if ring is not None else [])]
    logging.basicConfig(level=logging.ERROR, handlers=handlers)
    for name in ("asyncua", "pymodbus"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a device that is away is our own state, said once


def _plain_line(words: structlog.dev.ConsoleRenderer, said: Mapping[str, Any] | str) -> str:
    if not isinstance(said, str) and said.get("event") in FOR_PEOPLE:
        return word(f"log.{said['event']}", said).translate(CONTROLS)
    return said.translate(CONTROLS) if isinstance(said, str) else str(words(None, "", _without_controls(said)))


def _without_controls(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a child wrote as JSON for a renderer of plain lines: what would move a terminal's cursor is said, not done."""
    said = {name.translate(CONTROLS): value for name, value in event.items() if name not in ("exc_info", "stack_info", "stack")}
    said |= {name: str(said[name]) for name in ("level", "timestamp", "exception", "logger", "logger_name") if name in said}
    kept = {"exception": {number: text for number, text in CONTROLS.items() if number != ord("\n")}}
    return {name: value.translate(kept.get(name, CONTROLS)) if isinstance(value, str) else value for name, value in said.items()}


class _LineLogger:
    """What structlog writes a rendered line to."""

    def __init__(self, writer: LineWriter, name: str) -> None:
        self._writer, self.name = writer, name

    def msg(self, message: str) -> None:
        self._writer.write(message + "\n")

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


class _Keeper:
    """A processor that has a ring keep each event, before it becomes text."""

    def __init__(self, ring: LogRing) -> None:
        self._ring = ring

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        params = {name: value for name, value in event.items() if name not in OWN}
        source, text = str(getattr(logger, "name", "")) or "core", _traceback(event.get("exc_info"))
        self._ring.note(str(event.get("level", method)), source, str(event.get("event", "")), params, text)
        return event


class _LibraryKeeper(logging.Handler):
    """Has a ring keep what libraries log."""

    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        self._ring.note(record.levelname.lower(), record.name, "", text=self.format(record))


def _traceback(raised: Any) -> str:
    """Return the traceback of what a line is about: `True` means the exception at hand. No values of variables are in it."""
    error = sys.exc_info()[1] if raised is True else raised[1] if isinstance(raised, tuple) else raised
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
