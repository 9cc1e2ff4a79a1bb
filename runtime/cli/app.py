"""The root of the command line: which verb lives in which module, and what to say when its libraries are not installed.

Room: hall. It imports a verb's module only when that verb is asked for (or all are listed), so that `witnessmark verify` starts
fast and needs the base install only. It holds no verb itself.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_group

from runtime.cli.console import CANNOT_TELL, fail
from runtime.cli.streams import fault_params, let_go, outlive_readers, wants_traceback
from runtime.version import VERSION

VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("runtime.cli.demo_verbs", "gateway"),
    "fault": ("runtime.cli.demo_verbs", ""),
    "run": ("runtime.cli.gateway_verbs", "gateway"),
    "check": ("runtime.cli.gateway_verbs", "gateway"),
    "read": ("runtime.cli.gateway_verbs", "gateway"),
    "templates": ("runtime.cli.template_verbs", "gateway"),
    "detect": ("runtime.cli.detect_verb", "gateway"),
    "scan": ("runtime.cli.scan_verb", "gateway"),
    "identify": ("runtime.cli.scan_verb", "gateway"),
    "tags": ("runtime.cli.tags_verb", "gateway"),
    "browse": ("runtime.cli.browse_verb", "gateway"),
    "status": ("runtime.cli.gateway_verbs", "gateway"),
    "diagnose": ("runtime.cli.diagnose_verb", "gateway"),
    "write": ("runtime.cli.write_verbs", ""),
    "approve": ("runtime.cli.write_verbs", ""),
    "read-only": ("runtime.cli.write_verbs", ""),
    "accounts": ("runtime.cli.accounts_verbs", ""),
    "act": ("runtime.cli.act_verbs", ""),
    "enter": ("runtime.cli.enter_verb", ""),
    "network": ("runtime.cli.network_verbs", ""),
    "alarm": ("runtime.cli.alarm_verbs", ""),
    "frames": ("runtime.cli.frames_verb", ""),
    "learned": ("runtime.cli.learned_verbs", ""),
    "model": ("runtime.cli.model_verbs", ""),
    "prove": ("runtime.cli.evidence_verbs", ""),
    "verify": ("runtime.cli.evidence_verbs", ""),
    "verify-page": ("runtime.cli.evidence_verbs", ""),
    "ledger": ("runtime.cli.ledger_verbs", ""),
    "keys": ("runtime.cli.key_verbs", ""),
    "anchor": ("runtime.cli.anchor_verbs", "anchor"),
}
"""Verb -> the module whose `add_to(app)` registers it, and the extra that it needs; empty: none, or GATEWAY for a part of what it does."""
GATEWAY: Final = "gateway"
OURS: Final = frozenset({"runtime", "ledger_client", "drivers", "models", "anchor", "boards"})


class Verbs(TyperGroup):
    """A group whose commands are looked up in VERBS."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order in which people meet them."""
        return [verb for verb, (module, _) in VERBS.items() if find_spec(module) is not None]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a verb's command, a stand-in when its libraries are missing, None when there is no such verb."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module_name, extra = VERBS[cmd_name]
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        try:
            import_module(module_name).add_to(app)
        except ModuleNotFoundError as error:
            if _library_of(error) in OURS:
                raise
            _add_stand_in(app, cmd_name, extra or GATEWAY, _library_of(error))
        return get_group(app).commands[cmd_name]


def make_app() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(name="witnessmark", cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help="Signed, provable readings from machines, and a verifier for everybody else.")(_root)
    return app


def main() -> NoReturn:
    """Run the command line on sys.argv; never returns. A fault of the program itself ends with 2: it cannot be told."""
    outlive_readers()
    try:
        try:
            make_app()(prog_name="witnessmark")
        finally:
            sys.stdout.flush()
    except Exception as error:
        end_with(error)
    sys.exit(CANNOT_TELL)


def end_with(error: Exception) -> NoReturn:
    """End the process because of what a verb raised: with the exit code that it chose, or saying what failed."""
    if isinstance(error, typer.Exit):
        sys.exit(error.exit_code)
    if wants_traceback():
        traceback.print_exception(error)
    try:
        _say_fault(error)
    except typer.Exit:
        pass
    except Exception:  # not even the words can be read or written
        os.write(2, f"witnessmark: {type(error).__name__}\n".encode())
    let_go()
    sys.exit(CANNOT_TELL)


def _say_fault(error: Exception) -> NoReturn:
    """Say in one line what ended the verb. A verb imports what it needs when it runs, so that is where it may be missing."""
    as_json = "--json" in sys.argv
    if isinstance(error, ModuleNotFoundError) and (library := _library_of(error)) not in OURS:
        verb = next((word for word in sys.argv[1:] if word in VERBS), "")
        extra = VERBS[verb][1] if verb else ""
        fail("extra_missing", {"verb": verb, "library": library, "extra": extra or GATEWAY}, as_json=as_json)
    fail("system_fault" if isinstance(error, OSError) else "program_fault", fault_params(error), as_json=as_json)


def _library_of(error: ModuleNotFoundError) -> str:
    return (error.name or "?").partition(".")[0]


def _say_version(value: bool) -> None:
    if value:
        print(VERSION)
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_say_version)] = False,
) -> None:
    """Take the options before any verb."""


def _add_stand_in(app: typer.Typer, verb: str, extra: str, library: str) -> None:
    from rich.markup import escape  # what stands in brackets is markup to it

    def stand_in(ctx: typer.Context) -> None:
        fail("extra_missing", {"verb": verb, "library": library, "extra": extra}, as_json="--json" in ctx.args)

    anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(verb, help=escape(f"(needs witnessmark[{extra}])"), context_settings=anything)(stand_in)
