"""`witnessmark ledger show | verify | export | archive | fetch | new-epoch | replay`: the ledger as a file on the disk, for people.

Room: hall. They need the base install only, and work beside a running gateway or on a copy.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ledger_client.archive import drop_bodies, split_closed
from ledger_client.disk import RealDisk
from ledger_client.errors import LedgerError
from ledger_client.kinds import Kind
from ledger_client.prove import export_range
from ledger_client.reader import ledger_folder
from ledger_client.recovery import BODIES_SUFFIX, SEGMENT_SUFFIX
from runtime.cli.console import console, fail, print_json
from runtime.cli.evidence_verbs import AsJson, Epoch, PolicyFile, Quick, State, verify_place
from runtime.cli.fetch_verb import fetch_verb
from runtime.cli.ledger_view import KindName, Shown, newest_of, read_shown, show_one, show_rows
from runtime.cli.places import Place, fail_reading, open_place, read_policy, write_file
from runtime.cli.replay_verb import replay
from runtime.messages.catalogue import word
from runtime.messages.values import counted


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Look at the ledger, check it, take a part of it with you.")
    group.command("show")(show)
    group.command("verify")(verify)
    group.command("export")(export)
    group.command("archive")(archive)
    group.command("fetch")(fetch_verb)
    group.command("new-epoch")(new_epoch)
    group.command("replay")(replay)
    app.add_typer(group, name="ledger")


def show(
    state: State = Path("state"),
    seq: Annotated[int | None, typer.Option("--seq", help="One entry in full.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="How many of the newest.")] = 20,
    kind: Annotated[KindName | None, typer.Option("--kind", help="Only those of this kind.")] = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Show entries: the newest, the newest of a kind, or one in full."""
    if seq is not None and kind is not None:
        fail("ledger_show_seq_or_kind", as_json=as_json)
    place = open_place(state, epoch, as_json=as_json)
    try:
        size = place.reader.size()
        if seq is not None and not 0 <= seq < size:
            fail("range_invalid", {"start": seq, "end": seq, "size": size}, as_json=as_json)
        seqs = [seq] if seq is not None else newest_of(place.reader, Kind[kind.upper()] if kind else None, size, last)
        shown: list[Shown] = [read_shown(place.reader, each, full=seq is not None) for each in seqs]
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    if as_json:
        print_json({"epoch": place.epoch, "size": size, "entries": [each.as_json() for each in shown]})
    elif seq is None:
        show_rows(console(), shown, size)
    else:
        show_one(console(), shown[0])


def verify(
    state: State = Path("state"),
    policy: PolicyFile = None,
    epoch: Epoch = None,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Check the whole ledger: signatures, links, bodies, roots, receipts. Ends with 0, 1 or 2 as `verify` does."""
    verify_place(state, epoch, policy, quick=quick, as_json=as_json)


def export(
    first: Annotated[int, typer.Option("--from", help="First entry.")],
    last: Annotated[int, typer.Option("--to", help="Last entry.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .wmseg file to write.")],
    state: State = Path("state"),
    bodies: Annotated[bool, typer.Option("--bodies/--no-bodies", help="With what was measured, or the chain only.")] = True,
    policy: PolicyFile = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Write a range of entries that anybody can check with `witnessmark verify`."""
    place: Place = open_place(state, epoch, as_json=as_json)
    text = read_policy(policy, place.state, as_json=as_json)
    try:
        data = export_range(place.reader, text, first, last + 1, bodies=bodies, note=place.note())
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    write_file(out, data, as_json=as_json)
    if as_json:
        print_json({"file": str(out), "size_bytes": len(data), "from": first, "to": last})
    else:
        console().print(f"Written: {out} ({len(data)} bytes), entries {first} to {last}", markup=False)


def archive(
    state: State = Path("state"),
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the newest segments stay as they are.")] = 1,
    drop_before: Annotated[
        int | None, typer.Option("--drop-bodies-before", help="Delete for good what was measured before this entry, as far as segments go.")
    ] = None,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Split closed segments into entries and bodies; with --drop-bodies-before, let old readings go, and keep the chain and its times."""
    place = open_place(state, epoch, as_json=as_json)
    disk, folder = RealDisk(), ledger_folder(place.state, place.epoch)
    try:
        split = split_closed(disk, folder, keep=keep)
        firsts = list(place.reader.segments().items())
        ends = dict(zip([first for first, _ in firsts], [first for first, _ in firsts[1:]], strict=False))
        old = [] if drop_before is None else _split_before(firsts, ends, drop_before)
        if old and not sure and (as_json or not _agreed(word("ask_drop_bodies", {"start": old[0], "end": ends[old[-1]] - 1}))):
            fail("not_confirmed", as_json=as_json)
        dropped = [first for first in old if drop_bodies(disk, folder, first)]
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    if as_json:
        print_json({"split": split, "bodies_dropped": dropped})
    else:
        console().print(word("archived", {"split": len(split), "dropped": len(dropped)}), markup=False)


def _agreed(question: str) -> bool:
    """Ask; no answer at all is a no."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False


def _split_before(firsts: list[tuple[int, set[str]]], ends: dict[int, int], seq: int) -> list[int]:
    """Return the split segments that end at or before an entry and still have bodies."""
    whole = {SEGMENT_SUFFIX}
    return [first for first, found in firsts if BODIES_SUFFIX in found and not found & whole and first in ends and ends[first] <= seq]


def new_epoch(state: State = Path("state"), as_json: AsJson = False) -> None:
    """Open the next epoch, naming the old head: for an operator, after a quarantine, while the gateway does not run."""
    from runtime.clock import SystemClock
    from runtime.layout import Layout
    from runtime.new_epoch import new_epoch as open_epoch

    try:
        opened = asyncio.run(open_epoch(RealDisk(), Layout(state), SystemClock()))
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    facts = {"epoch": opened.epoch, "origin": opened.origin, "vkey": opened.vkey}
    origin, size, root = opened.previous
    if as_json:
        print_json(facts | {"previous": {"origin": origin, "size": size, "root": root.hex()}})
        return
    facts["previous"] = f"{origin}, {counted(size, 'entry', 'entries')}, root {root.hex()}"
    out = console()
    for name, value in facts.items():
        out.print(f"{name}  {value}", markup=False, soft_wrap=True)
    out.print(word("epoch_opened", {"vkey": opened.vkey}), markup=False, soft_wrap=True)
