"""`witnessmark read DEVICE holding:100 --all`: what the registers at an address say under every type and order of bytes.

Room: hall. The verb `read` calls it. It reads once, through the running gateway or else directly, and records nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.table import Table

from drivers.modbus.notation import read_notation
from drivers.option_error import OptionError
from runtime.cli.as_called import with_runnable
from runtime.cli.console import console, fail, print_json
from runtime.cli.read_once import config_of
from runtime.cli.registers import registers_of
from runtime.cli.worded_faults import worded_faults
from runtime.commissioning.ways import WIDEST, readings_at, shown
from runtime.messages.catalogue import word


def show_every_way(device: str, address: str | None, state: Path, config: Path | None, *, every: bool, as_json: bool) -> NoReturn:
    """Print the table and end: with 0, or 1 when no register could be read."""
    if address is None or not every:
        if address is not None and not _is_address(address):
            fail("read_tag_meant", {"device": device.partition("/")[0], "tag": address}, as_json=as_json)
        fail("read_all_needs", as_json=as_json)
    with worded_faults(config or state, device, as_json=as_json):
        found = asyncio.run(readings_of(device, address, state, config or config_of(state)))
    if as_json:
        print_json(found)
    elif not found["readings"]:
        console().print(word("read_all_nothing", {"address": address}), markup=False)
    else:
        console().print("  ".join(f"{at} = 0x{held:04X}" for at, held in found["registers"].items()))
        table = Table("", "data", "order", "value", box=None, pad_edge=False)
        for row in found["readings"]:
            table.add_row("*" if row["plausible"] else "", row["data"], row["order"], shown(row["value"]))
        console().print(table)
        console().print(with_runnable(word("read_all_mark")), markup=False)
    raise typer.Exit(0 if found["readings"] else 1)


async def readings_of(device: str, address: str, state: Path, file: Path) -> dict[str, Any]:
    """Return {"registers": {address: word}, "readings": rows of data, order, value, plausible}, plausible ones first.

    Raises OptionError for an address that is none of a register, and what `registers_of` raises.
    """
    table, start = read_notation(address)
    if table not in ("holding", "input"):
        raise OptionError("detect_no_registers", table=table)
    async with registers_of(device, state, file) as fetch:
        words = await fetch(table, start, min(WIDEST, 0x10000 - start))
    registers = {(table, at): word for at, word in words.items()}
    return {"registers": {f"{table}:{at}": word for at, word in sorted(words.items())}, "readings": readings_at(table, start, registers)}


def _is_address(text: str) -> bool:
    """Tell whether a text is an address of registers, also one that is not clear; else it is most likely the name of a tag."""
    try:
        read_notation(text)
    except OptionError as error:
        return error.code != "config_modbus_address"
    return True
