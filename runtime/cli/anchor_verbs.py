"""`witnessmark anchor …`: hands everything over to the anchor's own command line.

Room: hall. The anchor is another room that this one never imports, so it is executed as a module of its own, and
given the path of the catalogue of messages.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer

import runtime
from runtime.cli.console import fail

LIBRARIES: Final = ("starlette", "uvicorn")
LAUNCH: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'anchor'; runpy.run_module('anchor', run_name='__main__')"
)
"""`-I -m anchor` with the very package that runs here, installed or not."""


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    anything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command("anchor", help="Run a witness for gateways: serve, vkey, enroll, list.", context_settings=anything)(anchor)


def anchor(ctx: typer.Context) -> None:
    """Become the anchor's process."""
    for library in LIBRARIES:
        if find_spec(library) is None:
            fail("extra_missing", {"verb": "anchor", "library": library, "extra": "anchor"}, as_json="--json" in ctx.args)
    here = Path(runtime.__file__).resolve().parent.parent
    words = ("--words", str(here / "runtime" / "messages" / "en.toml"))
    os.execv(sys.executable, [sys.executable, "-I", "-c", LAUNCH, str(here), *words, *ctx.args])  # noqa: S606  there is no shell on purpose
