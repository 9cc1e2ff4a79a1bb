"""Where log lines go: standard error, as words or as JSON. Codes stay codes; nothing secret is ever a field.

Room: hall. `run`, `demo`, `read` and the history process call it once, before anything else.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor


def set_up_log(*, json_lines: bool) -> None:
    """Send structlog and the libraries' warnings to standard error."""
    # Plain tracebacks: structlog's own show the values of local variables, and a token may be one of them.
    words = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    last = structlog.processors.JSONRenderer() if json_lines else words
    processors: list[Processor] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), last]
    if json_lines:
        processors.insert(2, structlog.processors.format_exc_info)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    for name in ("asyncua", "pymodbus"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a device that is away is our own state, said once
