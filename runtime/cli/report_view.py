"""A verifier's report for people: the verdict first, then what was shown, then each claim with its reason.

Room: hall. `prove`, `verify` and `ledger verify` print it. It words what the report says and adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from drivers.reading import status_name
from ledger_client.claims import Report
from runtime.messages.catalogue import sort_of, word
from runtime.messages.values import counted, moment, moment_s, value_text

MARKS: Final[Mapping[str, tuple[str, str]]] = {"holds": ("✓", "green"), "fails": ("✗", "bold red"), "unknown": ("?", "yellow")}
STYLES: Final[Mapping[str, str]] = {"holds": "green", "fails": "red", "cannot tell": "yellow"}
NOTES: Final[Mapping[str, str]] = {"yes": "cyan", "no": "yellow", "unknown": "yellow"}
FOLLOWS: Final = "depends_on_altered"
FINDINGS_SHOWN: Final = 5
APPROVALS_SHOWN: Final = 10


def show_report(out: Console, report: Report) -> None:
    """Print a whole report."""
    style = STYLES[report.verdict]
    parts: list[Any] = [Text(word(_verdict(report)), style=f"bold {style}")]
    if "reading" in report.facts:
        parts += [Text(""), _reading(report.facts)]
    subject = {"proof": "proof", "range": "range of entries", "ledger": "ledger"}[report.subject]
    out.print(Panel(Group(*parts), title=f"Witnessmark {subject}", title_align="left", border_style=style, padding=(0, 2), expand=False))
    out.print(_claims(report))
    facts = _facts(report)
    if facts.row_count:
        out.print(facts)
    if report.facts.get("witnesses"):
        out.print(_witnesses(report.facts["witnesses"]))


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as plain data with each claim's words."""
    plain = report.as_json()
    for name, claim in plain["claims"].items():
        claim["claim"] = word(f"claim.{name}")
        claim["text"] = word(claim["code"], claim["params"])
    return plain


def _verdict(report: Report) -> str:
    """Return the code of the box's sentence: whose witnesses they are is said beside "holds", since it is no claim that could fail."""
    if report.verdict == "holds" and report.witnesses_independent == "no":
        return "verdict.holds.own"
    return "verdict." + report.verdict.replace(" ", "_")


def _approval(row: Mapping[str, Any]) -> Text:
    """Return one approval in a line: whether it holds, who said what and when, and SELF-APPROVED where it was."""
    mark, style = MARKS[row["status"]]
    said = word(f"approval.{row['meaning']}", {"name": row["name"], "seq": row["seq"], "at": moment(row["time_ms"])})
    own = f" {word('approval.self')}" if row["self_approved"] else ""
    return Text(f"{mark} ", style=style).append(said + own).append(f"  {word(row['code'], row)}", style="dim")


def _reading(facts: Mapping[str, Any]) -> Table:
    tag, reading, time = facts["tag"], facts["reading"], facts["time"]
    table = Table.grid(padding=(0, 2))
    value = Text(value_text(reading["value"]), style="bold")
    value.append(f" {tag['unit']}".rstrip(), style="bold")
    value.append(f"  ({reading['quality']}, {status_name(reading['status'])})" if reading["status"] else "  (good)", style="dim")
    table.add_row("Tag", Text(tag["name"], style="bold"))
    table.add_row("Asset", tag["asset"] or "-")
    table.add_row("Value", value)
    if "superseded_by" in facts:
        newer = f"{value_text(facts['superseded_by']['value'])} {tag['unit']}".rstrip()
        table.add_row("Superseded", Text(word("proof_superseded", {"value": newer}), style="yellow"))
    table.add_row("Read at", Text(moment(reading["time_ms"])).append("  (as the gateway says)", style="dim"))
    if reading["source_ms"] is not None:
        table.add_row("Device time", moment(reading["source_ms"]))
    by = f"  (named by the entry, from {time['not_before_by']})" if time["not_before_by"] else ""
    complete = "" if time["not_after_s"] is None else "  (the quorum was complete)"
    table.add_row("Entry signed", Text(f"not before {moment_s(time['not_before_s'])}").append(by, style="dim"))
    table.add_row("", Text(f"not after  {moment_s(time['not_after_s'])}").append(complete, style="dim"))
    said = f"data={tag['type']}" in (tag["source"] or "").split()
    table.add_row("Source", Text(tag["source"] or "-").append("" if said else f"  read as {tag['type']}", style="dim"))
    if tag["calibration"]:
        table.add_row("Calibration", tag["calibration"])
    if facts["shown_beside"]:
        table.add_row("Shown beside", counted(len(facts["shown_beside"]), "neighbouring reading") + " of the same tag")
    return table


def _claims(report: Report) -> Table:
    """Each claim with its reason; those that only follow from the first share a line. Below them, a note and no claim: whose witnesses."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    idle = [name for name, claim in report.claims.items() if claim.code == FOLLOWS]
    for name, claim in report.claims.items():
        if len(idle) > 1 and name in idle:
            continue
        mark, style = MARKS[claim.status]
        text = Text(word(claim.code, claim.params))
        for finding in claim.findings[1:FINDINGS_SHOWN] if claim.count > 1 else ():
            text.append("\n· " + _finding(finding.code, finding.seq, finding.params), style="dim")
        if claim.count > FINDINGS_SHOWN:
            text.append(f"\n· … {claim.count - FINDINGS_SHOWN} more", style="dim")
        table.add_row(Text(mark, style=style), Text(word(f"claim.{name}"), style=style), text)
    if len(idle) > 1:
        mark, style = MARKS["unknown"]
        others = Text(word("claims_that_follow", {"count": len(idle)}), style=style)
        table.add_row(Text(mark, style=style), others, word("they_depend_on_altered"))
    if report.facts.get("witnesses") or report.facts.get("confirmed", {}).get("witnesses"):
        style = NOTES[report.witnesses_independent]
        table.add_row(Text("•", style=style), Text(word("independent"), style=style), word(f"independent.{report.witnesses_independent}"))
    return table


def _finding(code: str, seq: int | None, params: Mapping[str, Any]) -> str:
    return word(code, params if seq is None else {"seq": seq, **params})


def _facts(report: Report) -> Table:
    facts = report.facts
    table = Table.grid(padding=(0, 2))
    if "origin" in facts:
        table.add_row("Log", str(facts["origin"]))
    if facts.get("previous"):
        table.add_row("Follows", f"{facts['previous']['origin']}, {facts['previous']['size']} entries")
    if "seq" in facts:
        table.add_row("Entry", f"{facts['seq']} of {facts['checkpoint']['size']} in the cosigned tree")
    if "from_seq" in facts:
        table.add_row("Entries", f"{facts['from_seq']} to {facts['to_seq']}, in a cosigned tree of {facts['checkpoint']['size']}")
    if "kinds" in facts:
        table.add_row("Entries", f"{facts['entries']}: " + ", ".join(f"{n} {kind}" for kind, n in facts["kinds"].items()))
        table.add_row("Time", f"{moment(facts.get('from_ms'))} to {moment(facts.get('to_ms'))}")
        table.add_row("Gaps", "; ".join(f"{sort_of(cause)}: {n}" for cause, n in facts["gaps"].items()) or "none")
    if "readings" in facts:
        table.add_row("Readings", f"{facts['readings']}, of which {facts['readings_bad']} bad")
    for row in facts.get("approvals", {}).get("rows", [])[-APPROVALS_SHOWN:]:
        table.add_row("Approval", _approval(row))
    if facts.get("root"):
        table.add_row("Root", facts["root"])
    confirmed = facts.get("confirmed")
    if confirmed and confirmed["size"]:
        names = ", ".join(w["name"] for w in confirmed["witnesses"])
        table.add_row("Confirmed", f"{confirmed['size']} entries at {moment_s(confirmed['time_s'])} by {names}")
    return table


def _witnesses(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Witnesses", title_justify="left", title_style="bold", box=None, header_style="dim", padding=(0, 1))
    for heading in ("name", "run by", "cosigned at", "key"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row["name"], row["operator"] or "?", moment_s(row["time_s"]), row["key"].split("+")[0])
    return table
