"""`witnessmark frames [LINE]`: the last bytes on a line of the running gateway, what they mean, and a capture file of them.

Room: hall. It asks the core over the feed's socket and decides nothing. The frames are no evidence: nothing of them is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.pcap import capture
from drivers.recorder import Frame
from runtime.cli.console import CANNOT_TELL, console, fail, print_json
from runtime.cli.places import write_file
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.messages.catalogue import word
from runtime.run_folder import feed_of

ASK_S: Final = 5.0


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("frames")(frames)


def frames(
    line: Annotated[
        str | None, typer.Argument(metavar="[LINE]", help="host:port or a serial port; without it all lines are listed.")
    ] = None,
    fault: Annotated[int | None, typer.Option("--fault", min=1, help="Show what came before a fault: 1 is the oldest kept.")] = None,
    pcap: Annotated[
        Path | None, typer.Option("--pcap", help="Write a capture file for Wireshark, and the meaning beside it as .txt.")
    ] = None,
    state: Annotated[Path, typer.Option("--state", help="The state folder of the running gateway.")] = Path("state"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.")] = False,
) -> None:
    """Show the last frames of a line, or those before a fault."""
    if line is None and (fault is not None or pcap is not None):
        fail("frames_needs_line", as_json=as_json)
    try:
        found: Any = asyncio.run(ask_once(feed_of(state), "cli", "frames", {} if line is None else {"line": line}, ASK_S))
    except RequestRefusedError as error:
        away = error.code in ("core_away", "request_timeout")
        fail(error.code, error.params, as_json=as_json, exit_code=CANNOT_TELL if away else 1)
    if line is None:
        _list(found, as_json=as_json)
        return
    rows = found["frames"]
    if fault is not None:
        if fault > len(found["faults"]):
            fail("frames_no_fault", {"number": fault, "kept": len(found["faults"])}, as_json=as_json, exit_code=1)
        rows = found["faults"][fault - 1]["frames"]
    if pcap is not None:
        _write(pcap, found["framing"], rows, as_json=as_json)
    if as_json:
        shown = [row_plain(row) for row in rows]
        told = [{key: each[key] for key in ("cause", "params", "wall_ms")} for each in found["faults"]]
        print_json({"line": found["line"], "framing": found["framing"], "frames": shown, "faults": told})
        return
    if pcap is not None:
        said = {"count": len(rows), "path": str(pcap), "text": str(meaning_of(pcap))}
        console().print(word("frames_written", said), markup=False)
        return
    for row in rows:
        print(row_text(row))
    for number, each in enumerate(found["faults"], 1):
        console().print(f"{number}  {_time(each['wall_ms'])}  {word(each['cause'], each['params'])}", markup=False)


def meaning_of(path: Path) -> Path:
    """Return where the meaning of a capture file's frames is written: beside it, and never over it."""
    return path.with_name(path.name + ".txt") if path.suffix == ".txt" else path.with_suffix(".txt")


def row_text(row: Sequence[Any]) -> str:
    """Return one frame as a line of text: time, direction, bytes, meaning."""
    wall_ms, connection, sent, data, meaning = row
    arrow = ">" if sent else "<"
    return f"{_time(wall_ms)} {arrow * (1 + connection):<2} {data.hex(' ')}" + (f"  | {meaning}" if meaning else "")


def row_plain(row: Sequence[Any]) -> dict[str, Any]:
    """Return one frame as plain data."""
    wall_ms, connection, sent, data, meaning = row
    return {"wall_ms": wall_ms, "connection": connection, "sent": sent, "data": data.hex(), "meaning": meaning}


def _list(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"lines": lines})
        return
    for each in lines:
        faults = ", ".join(f"{cause} {_time(at)}" for cause, at in each["faults"])
        print(f"{each['line']}  {each['framing']}  {each['frames']} frames" + (f"  {faults}" if faults else ""))


def _write(path: Path, framing: str, rows: list[list[Any]], *, as_json: bool) -> None:
    pieces = [Frame(wall_ms, connection, sent, data) for wall_ms, connection, sent, data, _ in rows]
    write_file(path, capture(framing, pieces), as_json=as_json)
    write_file(meaning_of(path), "".join(row_text(row) + "\n" for row in rows).encode(), as_json=as_json)


def _time(wall_ms: float) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3] + "Z"
