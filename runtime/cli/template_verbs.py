"""`witnessmark templates list | show | test`: devices whose registers are known, and whether a template does what it says.

Room: hall. `cli.app` registers it. It reads template files and asks no device. Exit codes: 0 fine, 1 a recording differs, 2 it could not be
done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.console import console, fail, print_json
from runtime.cli.worded_faults import worded_faults
from runtime.messages.catalogue import word

Folder = Annotated[Path | None, typer.Option("--folder", help="Templates of your own, NAME.toml.", exists=True, file_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Templates of devices: list, show as configuration, test against their recordings.")
    group.command("list")(list_them)
    group.command("show")(show)
    group.command("test")(try_them)
    app.add_typer(group, name="templates")


def list_them(folder: Folder = None, as_json: AsJson = False) -> None:
    """Say which templates there are."""
    from drivers.templates import Library

    library = Library(folder)
    with worded_faults(folder or Path(), "", as_json=as_json):
        found = [library.find(name) for name in library.names()]
    if as_json:
        rows = [
            {"name": each.name, "title": each.template.title, "type": each.template.type, "source": each.template.source} for each in found
        ]
        print_json({"templates": rows})
    else:
        width = max(len(each.name) for each in found)
        for each in found:
            console().print(f"{each.name:<{width}}  {each.template.title}", markup=False)


def show(
    name: Annotated[str, typer.Argument(help="A template.")],
    device: Annotated[str, typer.Option("--as", help="Name of the device in the configuration.")] = "device",
    parameters: Annotated[list[str] | None, typer.Option("--set", help="A parameter, such as base=50069; may be given often.")] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Print a template as the configuration of a device, to paste and change; the only way to use one of your own."""
    from drivers.templates import Library, expanded
    from runtime.commissioning.drafts import toml_of

    with worded_faults(folder or Path(), "", as_json=as_json):
        template = Library(folder).find(name).template
        given = dict(_parameter(text, template.parameters) for text in parameters or [])
        raw = expanded({"parameters": given}, template)
    if as_json:
        print_json({"device": raw, "parameters": template.parameters, "source": template.source, "note": template.note})
    else:
        print(toml_of(device, raw, [template.title, *(f"source: {each}" for each in template.source), template.note]), end="")


def try_them(
    names: Annotated[list[str] | None, typer.Argument(help="Templates; none: all.")] = None, folder: Folder = None, as_json: AsJson = False
) -> None:
    """Read the recordings of templates through them and compare."""
    from drivers.templates import Library, try_template

    library = Library(folder)
    with worded_faults(folder or Path(), "", as_json=as_json):
        found = [library.find(name) for name in names or library.names()]
    trials = [(each.name, trial) for each in found for trial in try_template(each.template)]
    if as_json:
        rows = [{"template": name, "recording": trial.name, "tags": trial.tags, "faults": list(trial.faults)} for name, trial in trials]
        print_json({"trials": rows})
    else:
        for name, trial in trials:
            console().print(
                f"{name}: {trial.name}: {trial.tags} tags, " + word("template_differs" if trial.faults else "template_holds"), markup=False
            )
            for fault in trial.faults:
                console().print(f"  {fault}", markup=False)
    raise typer.Exit(int(any(trial.faults for _, trial in trials)))


def _parameter(text: str, usual: dict[str, Any]) -> tuple[str, Any]:
    """Return name and value of `name=value`, a number where the usual value is one."""
    name, _, value = text.partition("=")
    if isinstance(usual.get(name), int):
        try:
            return name, int(value, 0)
        except ValueError:
            fail("template_number", {"name": name, "value": value})
    return name, value
