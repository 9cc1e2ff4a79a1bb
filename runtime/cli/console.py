"""How the command line prints: words for people, JSON for programs, errors as words of their code.

Room: hall. Every verb prints through it. People's output goes to standard output in colour where that is a terminal; with --json
exactly one JSON value does, errors included. It words codes by the catalogue and never invents text. Rich and typer are imported when
something is printed by them: the core's process, which prints through this file too, does without.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ledger_client.errors import LedgerError
from runtime.cli.as_called import with_runnable
from runtime.messages.catalogue import word

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 160
CANNOT_TELL = 2
"""Exit code for "could not do what was asked"."""


def console(*, errors: bool = False) -> Console:
    """Return a console on standard output or standard error; one that no person looks at is wide, so that `grep` finds whole lines."""
    from rich.console import Console

    seen = (sys.stderr if errors else sys.stdout).isatty()
    width = None if seen or "COLUMNS" in os.environ else PIPE_WIDTH
    # Without emoji: Rich would print `holding:100:` with a picture in place of the address.
    return Console(stderr=errors, highlight=False, emoji=False, soft_wrap=not seen, width=width)


def print_json(value: Any) -> None:
    """Print one JSON value on one line. Bytes become hex; NaN and the infinities, which JSON lacks, become text."""
    print(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False), flush=True)


def fail(code: str, params: Mapping[str, Any] | None = None, *, as_json: bool = False, exit_code: int = CANNOT_TELL) -> NoReturn:
    """Say what went wrong and end."""
    import typer

    if as_json:
        print_json({"error": code, "params": dict(params or {}), "text": word(code, params)})
    else:
        console(errors=True).print(f"witnessmark: {with_runnable(word(code, params))}", style="red", markup=False)
    raise typer.Exit(exit_code)


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> dict[str, str]:
    """Return the parameters of `config_unreadable`: which file, and the system's own reason without its number."""
    if isinstance(error, UnicodeDecodeError):
        return {"path": str(path), "detail": "not UTF-8"}
    return {"path": str(error.filename or path), "detail": error.strerror or str(error)}


def fail_with(error: LedgerError, *, as_json: bool = False) -> NoReturn:
    """Say what an error of the ledger's room says, and end."""
    fail(error.code, error.params, as_json=as_json)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
