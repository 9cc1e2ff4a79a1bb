"""Running a program until it is told to end, and saying why one could not start.

Room: hall. The verbs `run` and `demo` call `until_stopped`. It words codes by the catalogue; what is no fault of starting is raised again.
"""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ledger_client.errors import LedgerError
from runtime.cli.console import console, fail, print_json
from runtime.cli.streams import wants_stock_loop
from runtime.config_faults import ConfigError

START_FAULTS: Final[Mapping[int, str]] = {
    errno.ENOTDIR: "start_not_a_folder", errno.EEXIST: "start_not_a_folder", errno.EACCES: "start_no_permission",
    errno.EPERM: "start_no_permission", errno.EROFS: "start_read_only", errno.ENOSPC: "start_disk_full", errno.EDQUOT: "start_disk_full",
}  # fmt: skip


def until_stopped(main: Callable[[asyncio.Event], Awaitable[int | None]], *, config: Path, as_json: bool) -> int:
    """Run a program that ends when its event is set; SIGTERM and Ctrl-C set it. Return the exit code.

    `config` is the config file, to name it beside its faults.
    """

    async def with_signals() -> int:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return int(await main(stop) or 0)

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(with_signals())
    except (ConfigError, LedgerError, OSError, ExceptionGroup) as error:
        return _say_why(error, config, as_json=as_json)


def start_fault(error: OSError) -> tuple[str, dict[str, Any]]:
    """Return the message code and parameters for what the system refused: which path, and what to do."""
    path, reason = str(error.filename or ""), error.strerror or str(error)
    code = START_FAULTS.get(error.errno or 0, "start_failed_at") if path else "start_failed"
    return code, {"path": path, "reason": reason, "detail": reason}


def _say_why(error: Exception, config: Path, *, as_json: bool) -> int:
    """Say why a program could not start and return its exit code; what is no fault of that kind is raised again."""
    found: BaseException = error
    while isinstance(found, BaseExceptionGroup):  # a task group wraps the one that ended it
        found = found.exceptions[0]
    match found:
        case ConfigError():
            if as_json:
                print_json({"faults": [fault.plain() for fault in found.faults]})
            for fault in () if as_json else found.faults:
                console(errors=True).print(fault.text(str(config)), markup=False)
            return 1
        case LedgerError():
            fail(found.code, found.params, as_json=as_json)
        case OSError():
            fail(*start_fault(found), as_json=as_json)
    raise error


def loop_factory() -> Any:
    """Return uvloop's loop where there is a wheel of it, else asyncio's own; WITNESSMARK_EVENT_LOOP=asyncio asks for the latter."""
    if wants_stock_loop():
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
