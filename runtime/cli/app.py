"""The root of the command line: which verb lives in which module, and what to say when its libraries are not installed.

Room: hall. It imports a verb's module only when that verb is asked for (or all are listed), so that `witnessmark verify` starts
fast and needs the base install only. It holds no verb itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from runtime.cli.console import fail
from runtime.version import VERSION

VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("runtime.cli.gateway_verbs", "gateway"),
    "run": ("runtime.cli.gateway_verbs", "gateway"),
    "check": ("runtime.cli.gateway_verbs", "gateway"),
    "read": ("runtime.cli.gateway_verbs", "gateway"),
    "status": ("runtime.cli.gateway_verbs", "gateway"),
    "prove": ("runtime.cli.evidence_verbs", ""),
    "verify": ("runtime.cli.evidence_verbs", ""),
    "ledger": ("runtime.cli.ledger_verbs", ""),
    "keys": ("runtime.cli.key_verbs", ""),
    "anchor": ("runtime.cli.anchor_verbs", "anchor"),
}
"""Verb -> the module whose `add_to(app)` registers it, and the extra that it needs."""


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
        app = typer.Typer(add_completion=False)
        try:
            import_module(module_name).add_to(app)
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.partition(".")[0] in {"runtime", "ledger_client", "drivers", "anchor", "boards"}:
                raise
            _add_stand_in(app, cmd_name, extra, error.name or "?")
        return get_group(app).commands[cmd_name]


def make_app() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(name="witnessmark", cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help="Signed, provable readings from machines, and a verifier for everybody else.")(_root)
    return app


def main() -> None:
    """Run the command line on sys.argv; never returns."""
    make_app()(prog_name="witnessmark")


def _say_version(value: bool) -> None:
    if value:
        print(VERSION)
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_say_version)] = False,
) -> None:
    """Take the options before any verb."""


def _add_stand_in(app: typer.Typer, verb: str, extra: str, library: str) -> None:
    def stand_in(ctx: typer.Context) -> None:
        fail("extra_missing", {"verb": verb, "library": library, "extra": extra}, as_json="--json" in ctx.args)

    anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(verb, help=f"(needs witnessmark[{extra}])", context_settings=anything)(stand_in)
