"""`witnessmark ledger fetch`: the ledger of a gateway that is lost, out of its mirror.

Room: hall. Needs the base install only. What comes is held against the checkpoint that the mirror's witness cosigned; `ledger verify` on
the folder then says what it is worth. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger_client.anchors.http import trusted_roots
from ledger_client.anchors.mirror import MirrorClient
from ledger_client.disk import RealDisk, write_atomically
from ledger_client.errors import AnchorError, FormatError, LedgerError
from ledger_client.policy import Policy, parse_policy
from ledger_client.recovered import Copy, fetch
from ledger_client.witnessing import Witnessed, witnessed
from runtime.cli.as_called import runnable
from runtime.cli.console import console, print_json
from runtime.cli.evidence_verbs import AsJson
from runtime.cli.places import NOTE_NAME, fail_reading, read_policy
from runtime.messages.catalogue import word

TRIES: Final = 4
CODES: Final = {True: ("fetched_confirmed", 0), False: ("fetched_differs", 1), None: ("fetched_not_confirmed", 2)}


def fetch_verb(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the mirror, as the gateway's configuration had it.")],
    into: Annotated[Path, typer.Option("--into", help="Folder to make; of an earlier attempt, to complete.")],
    policy: Annotated[Path, typer.Option("--policy", help="The gateway's policy: its key and its witnesses.")],
    token_file: Annotated[Path, typer.Option("--token-file", help="The mirror's token (file 0600).")],
    origin: Annotated[str | None, typer.Option("--origin", help="The log, where the policy names several.")] = None,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="Certificates to trust besides the system's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Get the ledger of a lost gateway from its mirror. Ends with 0: it is what was cosigned; 1: it is not; 2: that cannot be told."""
    text = read_policy(policy, None, as_json=as_json)
    try:
        parsed = parse_policy(text)
        wanted = origin or _only_origin(parsed)
        mirror = MirrorClient("mirror", url, token_file, context=trusted_roots(url, str(ca_file) if ca_file else None, "mirror"))
        mirror.load_token()
        disk = RealDisk()
        copy = Copy(disk, into, wanted)
        note, found = asyncio.run(_fetched(mirror, copy, wanted, parsed, quiet=as_json))
        confirmed = _is_confirmed(copy, found, parsed, wanted)
        if copy.size:
            write_atomically(disk, into / "policy.txt", text)
            write_atomically(disk, into / NOTE_NAME, note.encode())
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    code, exit_code = CODES[confirmed]
    facts: dict[str, Any] = {"origin": wanted, "state": str(into), "epoch": copy.epoch, "entries": copy.size}
    facts |= {"cosigned": found.checkpoint.size, "confirmed": confirmed}
    if as_json:
        print_json(facts)
    else:
        said = {"entries": copy.size, "size": found.checkpoint.size, "state": str(into)}
        said["command"] = runnable("witnessmark ledger verify", into)
        console().print(word(code, said), markup=False, soft_wrap=True)
    raise typer.Exit(exit_code)


async def _fetched(mirror: MirrorClient, copy: Copy, origin: str, policy: Policy, *, quiet: bool) -> tuple[str, Witnessed]:
    """Fetch with some patience; return the newest note, as text and with what the policy finds in it."""

    def said(size: int) -> None:
        if not quiet:
            console(errors=True).print(f"{size} entries", end="\r", markup=False)

    tried = 0
    while True:
        before, tried = copy.size, tried + 1
        try:
            note = await mirror.checkpoint(origin)
            found = witnessed(note, policy)
            await fetch(mirror, copy, origin, found.checkpoint.size, said)
            return note, found
        except AnchorError as error:
            if copy.size > before:
                tried = 0
            elif error.code != "anchor_busy" or tried == TRIES:
                raise
            await asyncio.sleep(2.0**tried)


def _is_confirmed(copy: Copy, found: Witnessed, policy: Policy, origin: str) -> bool | None:
    """Whether the copy holds the very entries that a witness of the policy cosigned; None when it holds fewer, or none of them did."""
    if found.checkpoint.origin != origin:
        return False
    if not found.cosigned or not policy.witnesses or copy.size < found.checkpoint.size:
        return None
    return copy.root_at(found.checkpoint.size) == found.checkpoint.root


def _only_origin(policy: Policy) -> str:
    names = {key.name for key in policy.logs}
    if len(names) != 1:
        raise FormatError("origin_needed", count=len(names))
    return names.pop()
