"""The core's own process: what `witnessmark run` becomes once it knows what it was asked.

Room: hall. `cli.gateway_verbs` executes it in its own place, so that the libraries of a command line (10 MB) are not kept for years by what
polls. It starts `app`, and gives words and exit codes back to the command line when that does not go well.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

from runtime.cli.streams import outlive_readers

LAUNCH: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from runtime.core_process import main; main()"
"""`-I -m runtime.core_process` with the very package that runs here, installed or not."""

ALLOCATOR: Final = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "2"}
"""For glibc (mallopt(3)): what a start and each large batch need for a moment goes back to the system. Left to itself, glibc raises both
thresholds after the first 8 MB segment that it sees freed, and keeps 16 MB for good. What the environment already says stands."""


SWITCH_S: Final = 0.0005
"""After so long a thread that computes (an edit's parsing, say) gives way to the loop; left to itself, Python lets it wait for 5 ms, and
that at every system call that it makes."""


def become(state: Path, config: Path | None, *, as_json: bool) -> NoReturn:
    """Replace this process by the core's. Its standard streams, working folder and process id stay."""
    root = str(Path(__file__).resolve().parents[1])
    arguments = [str(state), str(config or ""), *(["--json"] if as_json else [])]
    command = [sys.executable, "-I", "-X", "no_debug_ranges", "-c", LAUNCH, root, "run", *arguments]
    os.execve(sys.executable, command, {**ALLOCATOR, **os.environ})  # noqa: S606  there is no shell on purpose


def main() -> NoReturn:
    """Run on `sys.argv` as `become` filled it: run STATE CONFIG [--json]."""
    outlive_readers()
    state, config = sys.argv[2:4]
    try:
        try:
            code = _run(Path(state), Path(config) if config else None, as_json="--json" in sys.argv)
        finally:
            sys.stdout.flush()
    except Exception as error:
        from runtime.cli.app import end_with

        end_with(error)
    sys.exit(code)


def _run(state: Path, config: Path | None, *, as_json: bool) -> int:
    sys.setswitchinterval(SWITCH_S)
    _import_structlog_alone()
    _leave_out_plugins()
    from runtime.app import run_gateway
    from runtime.cli.as_called import runnable
    from runtime.cli.claim_notice import claim_notice
    from runtime.cli.console import print_json
    from runtime.cli.log import set_up_log
    from runtime.cli.until_stopped import until_stopped
    from runtime.clock import SystemClock
    from runtime.config import Config
    from runtime.diagnostics.log_ring import LogRing
    from runtime.layout import Layout

    log = LogRing(SystemClock().wall_ms)
    set_up_log(json_lines=as_json, ring=log)

    def ready(config: Config) -> None:
        if as_json:
            print_json({"state": str(state), "ready": True})
        else:
            sys.stdout.write(f"running on {state}; `{runnable('witnessmark status', state)}` tells how it is, Ctrl-C stops it\n")
            notice = claim_notice(Layout(state), has_page=config.web.enabled)
            sys.stdout.write(f"{notice}\n" if notice else "")
            sys.stdout.flush()

    async def serve(stop: asyncio.Event) -> None:
        await run_gateway(state, config, stop, ready, log)

    return until_stopped(serve, config=config or Layout(state).config, as_json=as_json)


def _import_structlog_alone() -> None:
    """Keep structlog from importing rich (for tracebacks in colour, 5 MB) and greenlet, which it does when it can: the core uses neither.

    An import of what stands as None in `sys.modules` fails, as where it is not installed.
    """
    absent = {"rich", "greenlet"} - set(sys.modules)
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        import structlog  # noqa: F401
    finally:  # also where structlog is not installed, which is said by means of rich
        for name in absent:
            del sys.modules[name]


def _leave_out_plugins() -> None:
    """Keep pydantic from looking for plugins in every installed package: that takes 1 MB, and nobody's code runs in the core unasked."""
    finder = ModuleType("pydantic.plugin._loader")
    finder.get_plugins = lambda: ()  # type: ignore[attr-defined]
    sys.modules.setdefault(finder.__name__, finder)
