"""`witnessmark prove` and `witnessmark verify`: make a proof on the gateway, check it anywhere.

Room: hall. They need the base install only. Judging is ledger_client's; this file finds files and prints.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ledger_client.claims import Report
from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError, LedgerError
from ledger_client.policy import parse_policy
from ledger_client.prove import prove_reading, tag_uid_at
from ledger_client.reader import older_epochs
from ledger_client.segment_file import RANGE_SIZE_MAX
from ledger_client.verify import verify_file, verify_ledger
from runtime.cli.console import console, fail, fail_with, print_json
from runtime.cli.places import fail_reading, open_place, read_evidence, read_policy, write_file
from runtime.cli.report_view import report_json, show_report
from runtime.cli.times import wall_ms
from runtime.messages.catalogue import word

State = Annotated[Path, typer.Option("--state", help="The gateway's state folder.")]
Epoch = Annotated[int | None, typer.Option("--epoch", help="Which epoch; the newest by default.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="Whom to trust: a policy file. Default: the state folder's policy.txt.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Quick = Annotated[bool, typer.Option("--quick", help="Check hashes of bodies only, not what is in them.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command("prove")(prove)
    app.command("verify")(verify)


def prove(
    tag: Annotated[str, typer.Option("--tag", help="device/tag, as in the config.")],
    state: State = Path("state"),
    at: Annotated[str, typer.Option("--at", help='"now", ms since 1970, or ISO 8601 (local time where it names no zone).')] = "now",
    out: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    policy: PolicyFile = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Write a proof of one reading: the newest of the tag, at or before a time, that witnesses have confirmed."""
    at_ms = wall_ms(at, as_json=as_json)
    place = open_place(state, epoch, as_json=as_json)
    text = read_policy(policy, place.state, as_json=as_json)
    target = out or Path(tag.replace("/", "-") + ".wmproof")
    try:
        reader = place.reader
        uid = tag_uid_at(reader, tag, at_ms)
        data = prove_reading(reader, text, uid, at_ms, note=place.note())
        report = verify_file(data, parse_policy(text))
    except FormatError as error:
        if error.code == "reading_not_found":
            fail("reading_not_found_before", {"tag": tag}, as_json=as_json)
        fail_with(error, as_json=as_json)
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    write_file(target, data, as_json=as_json)
    if as_json:
        print_json({"file": str(target), "size_bytes": len(data), **report_json(report)})
    else:
        show_report(console(), report)
        console().print(f"\nWritten: {target} ({len(data)} bytes)", markup=False)
    raise typer.Exit(report.exit_code)


def verify(
    path: Annotated[Path, typer.Argument(help="A .wmproof, a .wmseg, or a state folder.")],
    policy: PolicyFile = None,
    epoch: Epoch = None,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Check evidence against a policy. Ends with 0 when everything holds, 1 when a claim fails, 2 when it cannot be told."""
    if path.is_dir():
        verify_place(path, epoch, policy, quick=quick, as_json=as_json)
    text = read_policy(policy, None, as_json=as_json)
    data = read_evidence(path, RANGE_SIZE_MAX, as_json=as_json)
    try:
        report = verify_file(data, parse_policy(text), quick=quick)
    except FormatError as error:
        fail_with(error, as_json=as_json)
    _print(report, as_json=as_json)


def verify_place(path: Path, epoch: int | None, policy: Path | None, *, quick: bool, as_json: bool) -> None:
    """Judge the ledger under a folder and end; shows how far it is."""
    place = open_place(path, epoch, as_json=as_json)
    text = read_policy(policy, place.state, as_json=as_json)
    try:
        parsed = parse_policy(text)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
        with Progress(*columns, console=console(errors=True), transient=True, disable=as_json) as progress:
            task = progress.add_task("Checking entries", total=None)
            report = verify_ledger(
                place.reader,
                parsed,
                lambda done, total: progress.update(task, completed=done, total=total),
                quick=quick,
                fault=place.fault(),
                older=older_epochs(RealDisk(), place.state, place.epoch),
            )
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    if place.others and not as_json:
        console(errors=True).print(word("other_epochs", {"epoch": place.epoch, "others": ", ".join(map(str, place.others))}), markup=False)
    _print(replace(report, facts={**report.facts, "other_epochs": list(place.others)}), as_json=as_json)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(report_json(report))
    else:
        show_report(console(), report)
    raise typer.Exit(report.exit_code)
