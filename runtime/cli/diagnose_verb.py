"""`witnessmark diagnose`: what would go into a bundle for whoever helps, each file as it would be handed out, and the bundle itself.

Room: hall. It asks the running core over the feed's socket, and takes the bundle through the door; without a core that answers it takes
what the state folder tells, and says what it could not get. Exit codes: 0 all of it, 1 some could not be had, 2 nothing could.
"""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.console import console, fail, print_json
from runtime.cli.places import write_file
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.messages.catalogue import word
from runtime.run_folder import feed_of

ASK_S: Final = 30.0
ACT_S: Final = 60.0
AWAY: Final = frozenset({"core_away", "request_timeout"})
ARCHIVE_BYTES_MAX: Final = 8 << 20
File = tuple[str, bytes]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("diagnose")(diagnose)


def diagnose(
    out: Annotated[Path | None, typer.Option("--out", help="Write the bundle to this zip file; without it: list it.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="What it is for; stands in the ledger.")] = "",
    show: Annotated[str | None, typer.Option("--show", metavar="NAME", help="Print one file as it would be handed out.")] = None,
    leave_out: Annotated[list[str] | None, typer.Option("--leave-out", metavar="NAME", help="Leave a file out; may be repeated.")] = None,
    state: Annotated[Path, typer.Option("--state", help="The state folder.")] = Path("state"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.")] = False,
) -> None:
    """Show and write a bundle of diagnostics, without secrets, of a gateway that runs or does not."""
    without = list(leave_out or [])
    if out is not None and show is not None:
        fail("diagnose_show_or_write", as_json=as_json)
    try:
        asyncio.run(_of_core(feed_of(state), out, reason, show, without, as_json=as_json))
    except RequestRefusedError as error:
        if error.code not in AWAY:
            fail(error.code, error.params, as_json=as_json, exit_code=1)
        _at_rest(state, error, out, show, without, as_json=as_json)


async def _of_core(feed: Path, out: Path | None, reason: str, show: str | None, without: list[str], *, as_json: bool) -> None:
    """Do it with a running core. Raises RequestRefusedError."""
    seen = await ask_once(feed, "cli", "diag.preview", {}, ASK_S)
    if show is not None:
        part = await ask_once(feed, "cli", "diag.part", {"id": seen["id"], "name": show}, ASK_S)
        _print_file((show, part["data"]), as_json=as_json)
        return
    if out is None:
        rows = [[each["name"], each["size_bytes"], each["sha256"]] for each in seen["files"] if each["name"] not in without]
        _list(rows, as_json=as_json)
        return
    act = {
        "id": os.urandom(16), "action": "diag.bundle", "target": seen["id"], "params": {"leave_out": ",".join(without)}, "reason": reason,
    }  # fmt: skip
    outcome = await ask_once(feed, "cli", "act", act, ACT_S)
    if outcome["code"] != "done":
        raise RequestRefusedError(str(outcome["code"]), **outcome["params"])
    data = b""
    while True:
        piece = await ask_once(feed, "cli", "diag.archive", {"id": seen["id"], "offset": len(data)}, ASK_S)
        data += piece["data"]
        if len(data) >= min(piece["size_bytes"], ARCHIVE_BYTES_MAX) or not piece["data"]:
            break
    told = outcome["params"]
    _write(out, data, int(told["files"]), as_json=as_json, seq=outcome.get("seq"))


def _at_rest(
    state: Path, away: RequestRefusedError, out: Path | None, show: str | None, without: list[str], *, as_json: bool
) -> None:  # fmt: skip
    """Do it without a core, and end with 1; with 2 where there is no state folder either."""
    from runtime.cli.status_text import status_at_rest
    from runtime.diagnostics.archive import zip_of
    from runtime.diagnostics.at_rest import ONLY_LIVE, parts_at_rest
    from runtime.diagnostics.bundles import Bundle

    if not state.is_dir():
        fail("state_missing", {"path": str(state)}, as_json=as_json)
    if show in ONLY_LIVE:
        fail(away.code, away.params, as_json=as_json, exit_code=1)
    bundle = Bundle("", 0, parts_at_rest(state, away.code, status_at_rest))
    try:
        files = bundle.chosen(without)
        if show is not None:
            part = bundle.part(show)
            _print_file((part.name, part.data), as_json=as_json)
    except RequestRefusedError as error:
        fail(error.code, error.params, as_json=as_json, exit_code=1)
    missing = ", ".join(ONLY_LIVE)
    if not as_json:
        console(errors=True).print(word("diagnose_at_rest", {"why": word(away.code, away.params), "missing": missing}), markup=False)
    if out is not None:
        _write(out, zip_of(files), len(files), as_json=as_json, missing=list(ONLY_LIVE))
    elif show is None:
        _list([[each.name, len(each.data), each.sha256] for each in files], as_json=as_json, missing=list(ONLY_LIVE))
    raise typer.Exit(1)


def _list(rows: list[list[Any]], *, as_json: bool, missing: list[str] | None = None) -> None:
    if as_json:
        files = [{"name": name, "size_bytes": size, "sha256": digest} for name, size, digest in rows]
        print_json({"files": files, "missing": missing or []})
        return
    for name, size, digest in rows:
        print(f"{name:<16} {size:>9}  {digest[:16]}")
    print(word("diagnose_look"))


def _print_file(file: File, *, as_json: bool) -> None:
    name, data = file
    text = data.decode("utf-8", "replace")
    if as_json:
        print_json({"name": name, "sha256": sha256(data).hexdigest(), "text": text})
    else:
        print("".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text), end="")


def _write(path: Path, data: bytes, files: int, *, as_json: bool, seq: int | None = None, missing: list[str] | None = None) -> None:
    write_file(path, data, as_json=as_json)
    told = {"path": str(path), "files": files, "size_bytes": len(data), "sha256": sha256(data).hexdigest()}
    if as_json:
        print_json(told | {"seq": seq, "missing": missing or []})
    else:
        console().print(word("diagnose_written", told), markup=False)
