"""`witnessmark detect DEVICE --near holding:100 --shows "Voltage L1=230.4 V"`: which reading makes registers say what the display shows.

Room: hall. `cli.app` registers it. It reads registers (through the running gateway, else directly), asks the driver's detective and words
its findings; it writes nothing but the case file that was named. Exit codes: 0 every quantity is settled, 1 something is open or fits
nothing, 2 it could not be done.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.console import console, fail, print_json
from runtime.messages.catalogue import word

SHOWN_MAX: Final = 6
LEAST: Final = 1e-9
MOST: Final = 1e16
"""Numbers between these are written without a power of ten: no display shows others."""


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command()(detect)


def detect(
    device: Annotated[str, typer.Argument(help="A device of the config file.")],
    near: Annotated[list[str], typer.Option("--near", help="Where the manual puts it, such as holding:100; once for each --shows.")],
    shows: Annotated[list[str], typer.Option("--shows", help='What the display shows right now: "Voltage L1=230.4 V", all its digits.')],
    case: Annotated[Path | None, typer.Option("--case", help="File that keeps the looks; run again when the display has changed.")] = None,
    state: Annotated[Path, typer.Option("--state", help="The state folder.")] = Path("state"),
    config: Annotated[Path | None, typer.Option("--config", help="The config file; default: that of STATE, as with `read`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="en or zh")] = "en",
) -> None:
    """Find out how to read a value, from what the device's display shows."""
    from drivers.modbus.detective import judge
    from runtime.cli.detect_case import save_case, saved_case
    from runtime.cli.log import set_up_log
    from runtime.cli.read_once import config_of
    from runtime.cli.worded_faults import worded_faults
    from runtime.commissioning.looks import CaseError, plain, question_of

    set_up_log(json_lines=as_json)
    if len(near) != len(shows):
        fail("detect_pairs", {"near": len(near), "shows": len(shows)}, as_json=as_json)
    with worded_faults(config or state, device, as_json=as_json):
        try:
            known = saved_case(case)
        except CaseError as error:
            fail("detect_case_file", {"path": str(case), "detail": str(error)}, as_json=as_json)
        asyncio.run(_look(known, device, state, config or config_of(state), near, shows))
        try:
            save_case(case, known)
        except OSError as error:
            fail("file_not_written", {"path": str(case), "reason": error.strerror or "?"}, as_json=as_json)
        findings = judge(question_of(known))
    if as_json:
        print_json({"findings": [plain(each) for each in findings], "looks": len(known["looks"])})
    else:
        for finding in findings:
            _print(finding, lang)
    raise typer.Exit(0 if all(each.verdict == "sure" for each in findings) else 1)


async def _look(case: dict[str, Any], device: str, state: Path, file: Path, near: list[str], shows: list[str]) -> None:
    from runtime.cli.registers import registers_of
    from runtime.commissioning.looks import add_look, asked

    asked(case, near, shows)  # before anything is opened
    async with registers_of(device, state, file) as fetch:
        await add_look(case, fetch, near, shows, time.time())


def sentences(finding: Any, lang: str) -> list[str]:
    """Return what to tell a person about a finding: the verdict, what is open, what to do."""
    said = [word(f"detect_{finding.verdict}", {"quantity": finding.quantity, "count": len(finding.candidates)}, lang)]
    first, last = finding.same_within or (0, 0)
    told = {"look": finding.odd_look or 0, "first": first, "last": last}
    said += [word(f"detect_doubt_{doubt}", told, lang) for doubt in finding.doubts]
    for broken in finding.broken:
        names = ", ".join(broken.quantities)
        said.append(word("detect_broken", {"relation": word(f"detect_relation_{broken.name}", {}, lang), "quantities": names}, lang))
    return said


def number_said(value: float, kind: str) -> str:
    """Return a number with all digits that it has as this type, and no more, to be compared with a display; the point never moves."""
    if isinstance(value, int):
        return str(value)
    digits = next((each for each in (6, 7, 8, 9) if _as_float32(float(f"{value:.{each}g}")) == _as_float32(value)), 15)
    text = f"{value:.{digits if kind in ('float32', 'float16') else 15}g}"
    return f"{Decimal(text):f}" if value == 0 or LEAST <= abs(value) < MOST else text


def _as_float32(value: float) -> float:
    return ctypes.c_float(value).value


def _print(finding: Any, lang: str) -> None:
    from rich.table import Table
    from rich.text import Text

    first, *others = sentences(finding, lang)
    console().print(first, markup=False)
    table = Table(*(word(f"detect_column_{name}", {}, lang) for name in ("share", "options", "value")), box=None, pad_edge=False)
    for each in finding.candidates[:SHOWN_MAX]:
        options = ", ".join(
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in each.hypothesis.options().items()
        )
        table.add_row(*map(Text, (f"{each.share:.1%}", options, number_said(each.values[-1], each.hypothesis.shape.kind))))
    if finding.candidates:
        console().print(table)
    if len(finding.candidates) > SHOWN_MAX:
        console().print(word("detect_more", {"count": len(finding.candidates) - SHOWN_MAX}, lang), markup=False)
    for sentence in others:
        console().print("- " + sentence, markup=False)
