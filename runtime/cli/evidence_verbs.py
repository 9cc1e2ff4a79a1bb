"""`witnessmark prove`, `verify` and `verify-page`: make a proof on the gateway, check it anywhere.

Room: hall. They need the base install only. Judging is ledger_client's; this file finds files and prints.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ledger_client.claims import Report
from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError, LedgerError
from ledger_client.policy import parse_policy
from ledger_client.proof_link import proof_link
from ledger_client.prove import prove_reading, tag_uid_at
from ledger_client.reader import older_epochs
from ledger_client.segment_file import RANGE_SIZE_MAX
from ledger_client.verifier_page import verifier_page
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

Verifier = Annotated[str | None, typer.Option("--verifier", help="Where a verifier page is: also give the proof as a link to it.")]
QrFile = Annotated[Path | None, typer.Option("--qr", help="Write the link as a QR code, SVG; needs --verifier.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command("prove")(prove)
    app.command("verify")(verify)
    app.command("verify-page")(verify_page)


def prove(
    tag: Annotated[str, typer.Option("--tag", help="device/tag, as in the config.")],
    state: State = Path("state"),
    at: Annotated[str, typer.Option("--at", help='"now", ms since 1970, or ISO 8601 (local time where it names no zone).')] = "now",
    out: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    policy: PolicyFile = None,
    epoch: Epoch = None,
    verifier: Verifier = None,
    qr: QrFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a proof of one reading: the newest of the tag, at or before a time, that witnesses have confirmed."""
    if qr is not None and verifier is None:
        fail("link_needs_verifier", {}, as_json=as_json)
    at_ms = wall_ms(at, as_json=as_json)
    place = open_place(state, epoch, as_json=as_json)
    text = read_policy(policy, place.state, as_json=as_json)
    target = out or Path(tag.replace("/", "-") + ".wmproof")
    try:
        reader = place.reader
        uid = tag_uid_at(reader, tag, at_ms)
        data = prove_reading(reader, text, uid, at_ms, note=place.note())
        report = verify_file(data, parse_policy(text))
        link = proof_link(data, verifier, text) if verifier is not None else None
    except FormatError as error:
        if error.code == "reading_not_found":
            fail("reading_not_found_before", {"tag": tag}, as_json=as_json)
        fail_with(error, as_json=as_json)
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    write_file(target, data, as_json=as_json)
    if link is not None and qr is not None:
        write_file(qr, _drawn(link, as_json=as_json), as_json=as_json)
    if as_json:
        print_json({"file": str(target), "size_bytes": len(data), "link": link, "qr": str(qr) if qr else None, **report_json(report)})
    else:
        show_report(console(), report)
        console().print(f"\nWritten: {target} ({len(data)} bytes)" + (f" and {qr}" if qr else ""), markup=False)
        if link is not None:
            print(link)  # whole, however narrow the terminal: it is there to be copied
    raise typer.Exit(report.exit_code)


def verify_page(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("verify.html"),
    policy: Annotated[
        Path | None, typer.Option("--policy", help="A policy to put into the page: whom its readers trust by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the verifier as one HTML file: it needs no network and no installation."""
    text = read_policy(policy, None, as_json=as_json) if policy is not None else None
    try:
        page = verifier_page(text)
    except FormatError as error:
        fail_with(error, as_json=as_json)
    write_file(path, page, as_json=as_json)
    digest = sha256(page).hexdigest()
    if as_json:
        print_json({"file": str(path), "size_bytes": len(page), "sha256": digest})
    else:
        console().print(f"Written: {path} ({len(page)} bytes)", markup=False)
        print(f"SHA-256: {digest}")


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


def _drawn(link: str, *, as_json: bool) -> bytes:
    """Return a link as a QR code."""
    try:
        from runtime.qr import qr_svg
    except ModuleNotFoundError:
        fail("qr_library_missing", {}, as_json=as_json)
    try:
        return qr_svg(link).encode()
    except FormatError as error:
        fail_with(error, as_json=as_json)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(report_json(report))
    else:
        show_report(console(), report)
    raise typer.Exit(report.exit_code)
