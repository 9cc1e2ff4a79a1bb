"""Every `witnessmark …` that our documents, configurations and words name is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from runtime.cli.app import make_app
from tests.tidy.source import ROOT, name_of, plain_text

DOCS: Final = (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("boards/**/*.md"), *ROOT.glob("drivers/**/*.md"))
TOMLS: Final = (ROOT / "witnessmark.example.toml", *ROOT.glob("boards/**/*.toml"), *ROOT.glob("runtime/messages/*.toml"))
QUOTED: Final = re.compile(r"`witnessmark ([^`]+)`")
LINE: Final = re.compile(r"^(?:\$ |\.venv/bin/)?witnessmark ((?!ALL=).+)$", re.MULTILINE)
AFTER: Final = re.compile(r" {2,}(?=[^-]).*|\s[#|>;&(].*|\\$")
"""What stands behind a command on its line: what it does, or another command."""


def commands_in(path: Path) -> Iterator[str]:
    text = plain_text(path)
    for found in (*QUOTED.findall(text), *(LINE.findall(text) if path.suffix == ".md" else ())):
        yield AFTER.sub("", " ".join(found.split("\n")))


def fault_of(words: list[str]) -> str | None:
    """Return why the command line does not take these words; None where it does. What is left out may be left out in a text.

    What stands behind `anchor` is for the command line of another room.
    """
    if words[0] == "anchor":
        return None
    command: Any = get_command(make_app())
    context = typer.Context(command, info_name="witnessmark")
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        if inner is None:
            return f"no verb {words[0]}"
        command, context, words = inner, typer.Context(inner, info_name=words[0], parent=context), words[1:]
    words = ["x" if word == "…" else word.strip("[]") for n, word in enumerate(words) if word != "…" or words[n - 1].startswith("-")]
    try:
        _, rest, _ = command.make_parser(context).parse_args([*words])
    except typer.TyperException as error:
        return str(getattr(error, "message", error))
    return f"too many: {rest}" if rest else None


@pytest.mark.parametrize("path", sorted({*DOCS, *TOMLS}), ids=name_of)
def test_commands_that_are_named_are_commands(path: Path) -> None:
    wrong = {text: fault for text in commands_in(path) if (fault := fault_of(shlex.split(text))) is not None}
    assert not wrong


def test_the_check_sees_a_wrong_option() -> None:
    assert fault_of(["fault", "drift", "--tag", "product_temperature"]) == "No such option: --tag"
    assert fault_of(["flaut"]) == "no verb flaut"
    assert fault_of(["fault", "filler", "drift", "on", "now"]) == "too many: ['now']"
    assert fault_of(["fault", "filler", "drift", "on"]) is None


def test_the_examples_for_the_simulated_meter_name_registers_that_it_has() -> None:
    text = (ROOT / "docs/commissioning.md").read_text()
    named = re.findall(r"witnessmark (?:detect meter --near|read meter) (\S+) [^`\n]*--state state-demo", text)
    config = (ROOT / "boards/sim/config.toml").read_text()
    assert len(named) == 2
    assert all(f'name = "import_reactive", address = "{address}"' in config for address in named)
