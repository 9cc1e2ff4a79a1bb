"""Entries for people: one line each, or one in full with what its body holds.

Room: hall. `ledger show` prints it. It shows what stands in the files; whether that holds is `verify`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger_client.body import read_body
from ledger_client.details import body_commitment
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.kinds import FOREIGN_KIND_MIN, ClockState, Kind
from ledger_client.reader import LedgerReader
from ledger_client.receipt import parse_receipts
from runtime.acts import read_command
from runtime.messages.entries import describe
from runtime.messages.event_words import plain_of, told_of
from runtime.messages.values import counted, moment, value_text

STYLES: Final = {
    Kind.GAP: "yellow", Kind.BOOT: "cyan", Kind.CLOSE: "cyan", Kind.CLOCK: "yellow", Kind.RECEIPTS: "green", Kind.GENESIS: "bold cyan",
    Kind.COMMAND: "magenta", Kind.CONFIG: "magenta", Kind.ROTATE: "bold magenta", Kind.SCHEMA: "blue",
}  # fmt: skip
TAGS_SHOWN: Final = 200
KindName = Literal[
    "genesis", "batch", "boot", "clock", "rotate", "schema", "gap", "receipts", "command", "close", "event", "plan", "config",
]  # fmt: skip
"""What `--kind` takes: the kinds of entries that this version knows."""
WIDE: Final = 100
"""Columns from which the clock, the size and full times are shown too."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry and, when asked for in full, what its body holds (plain data)."""

    entry: Entry
    body_bytes: int | None
    inside: dict[str, Any] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)
    asked: Mapping[str, Any] | None = None
    """Of a command's intent: what its body says."""
    told: bytes | None = None
    """Of an event: its body."""

    @property
    def kind_name(self) -> str:
        """The kind in words, its number when this version does not know it."""
        kind = self.entry.payload.kind
        return Kind(kind).name.lower() if kind in list(Kind) else str(kind)

    @property
    def text(self) -> str:
        """The detail in words."""
        return describe(self.entry.payload.kind, self.entry.payload.detail, groups=self.groups, asked=self.asked, told=self.told)

    def as_json(self) -> dict[str, Any]:
        """Return plain data; bytes are left for the printer."""
        payload = self.entry.payload
        return {
            "seq": payload.seq,
            "kind": self.kind_name,
            "wall_ms": payload.wall_ms,
            "boot": payload.boot,
            "mono_ms": payload.mono_ms,
            "clock": ClockState(payload.clock).name.lower(),
            "prev": payload.prev,
            "hash": self.entry.hash,
            "seen": payload.seen,
            "kid": self.entry.kid,
            "entry_bytes": len(self.entry.raw),
            "body_bytes": self.body_bytes,
            "detail": payload.detail,
            "text": self.text,
            **({"body": self.inside} if self.inside else {}),
        }


def newest_of(reader: LedgerReader, kind: Kind | None, size: int, last: int) -> list[int]:
    """Return the numbers of the newest entries of this kind (None: of any), oldest first. Raises what reading the ledger raises."""
    if kind is None:
        return list(range(max(0, size - last), size))
    found = (seq for seq in range(size - 1, -1, -1) if parse(reader.entry(seq)).payload.kind == kind)
    return sorted(islice(found, last))


def read_shown(reader: LedgerReader, seq: int, *, full: bool) -> Shown:
    """Read one entry; with `full` its body too. Raises what reading the ledger raises."""
    entry = parse(reader.entry(seq))
    kind, detail = entry.payload.kind, entry.payload.detail
    commitment = body_commitment(kind, detail) if kind < FOREIGN_KIND_MIN else None
    size = None if commitment is None else commitment[0]
    groups = _groups(reader, seq) if kind == Kind.GAP else {}
    if not full or not size:
        return Shown(entry, size, groups=groups, asked=_asked(reader, entry), told=_told(reader, entry))
    body = reader.body(seq)
    if body is None:
        return Shown(entry, size, {"withheld": True})
    try:
        return Shown(entry, size, _inside(reader, entry, body), groups, _asked(reader, entry), _told(reader, entry))
    except FormatError as error:
        return Shown(entry, size, {"damaged": error.code, **error.params})


def _asked(reader: LedgerReader, entry: Entry) -> dict[str, Any] | None:
    """Return what the body of an intent or an outcome says; None of other entries, and where the ledger cannot say."""
    if entry.payload.kind != Kind.COMMAND:
        return None
    try:
        body = reader.body(entry.seq)
        return read_command(entry.payload.detail[1], body) if body else None
    except LedgerError:
        return None


def _told(reader: LedgerReader, entry: Entry) -> bytes | None:
    """Return an event's body; None of other entries, and where the ledger cannot say."""
    try:
        return reader.body(entry.seq) if entry.payload.kind == Kind.EVENT else None
    except LedgerError:
        return None


def _groups(reader: LedgerReader, seq: int) -> dict[int, str]:
    """Return the tag groups in force at an entry by number; none where the ledger cannot say."""
    try:
        return {group.uid: f"{group.device}/{group.name}" for group in reader.schema_at(seq).groups.values()}
    except LedgerError:
        return {}


def show_rows(out: Console, shown: list[Shown], size: int) -> None:
    """Print one line an entry where it fits; a narrow screen gets fewer columns and shorter times."""
    wide = out.width >= WIDE
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("seq", justify="right")
    for heading in ("time (UTC)", "kind", "clock") if wide else ("UTC", "kind"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it says", overflow="fold", ratio=1)
    if wide:
        table.add_column("bytes", justify="right")
    for each in shown:
        table.add_row(*_cells(each, wide=wide))
    out.print(table)
    out.print(f"{len(shown)} of {counted(size, 'entry', 'entries')}", style="dim")


def _cells(each: Shown, *, wide: bool) -> list[Text]:
    payload = each.entry.payload
    style = STYLES.get(Kind(payload.kind), "") if payload.kind in list(Kind) else "dim"
    time = moment(payload.wall_ms)
    cells = [Text(str(payload.seq)), Text(time[:-1] if wide else time[5:19]), Text(each.kind_name, style=style), Text(each.text)]
    if wide:
        cells.insert(3, Text(ClockState(payload.clock).name.lower()))
        cells.append(Text(str(len(each.entry.raw) + (each.body_bytes or 0))))
    return cells


def show_one(out: Console, shown: Shown) -> None:
    """Print one entry in full."""
    payload, entry = shown.entry.payload, shown.entry
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("Entry", str(payload.seq)),
        ("Kind", f"{shown.kind_name} ({payload.kind})"),
        ("Says", shown.text),
        ("Time", moment(payload.wall_ms)),
        ("Clock", ClockState(payload.clock).name.lower()),
        ("Boot", f"{payload.boot}, {payload.mono_ms / 1000:.3f} s after it"),
        ("Hash", entry.hash.hex()),
        ("Previous", payload.prev.hex()),
        ("Receipt seen", payload.seen.hex() if payload.seen else "none"),
        ("Signed by", f"{entry.kid.hex()} ({ {-19: 'Ed25519', -9: 'P-256'}[entry.alg] })"),
        ("Bytes", f"{len(entry.raw)} and a body of {shown.body_bytes or 0}"),
    ):
        table.add_row(Text(name, style="dim"), Text(value))
    out.print(table)
    tags = shown.inside.get("tags")
    if tags:
        out.print(_tags(tags))
    elif shown.inside:
        out.print_json(data=shown.inside, default=_hex)


def _inside(reader: LedgerReader, entry: Entry, body: bytes) -> dict[str, Any]:
    kind, detail = entry.payload.kind, entry.payload.detail
    if kind == Kind.BATCH:
        read = read_body(body, detail, reader.schema_at(entry.seq), check_root=True)
        tags: dict[str, dict[str, Any]] = {}
        for reading in read.readings():
            row = tags.setdefault(reading.descriptor.name, {"unit": reading.descriptor.unit, "readings": 0, "uncertain": 0, "bad": 0})
            row["readings"] += 1
            row["uncertain"] += reading.status >> 30 == 1
            row["bad"] += reading.status >> 31
            row["last"], row["last_ms"] = reading.value, reading.time_ms
        return {"sections": len(read.sections), "offset_ms": read.offset_ms, "tags": tags}
    if kind == Kind.SCHEMA:
        state = reader.schema_at(entry.seq + 1)
        groups = {f"{g.device}/{g.name}": {"period_ms": g.period_ms, "tags": len(g.tag_uids)} for g in state.groups.values()}
        return {"groups": groups, "descriptors": len(state.descriptors)}
    if kind == Kind.RECEIPTS:
        receipts = parse_receipts(body, detail)
        return {"receipts": [{"anchor": r.anchor_id, "size": r.size, "root": r.root, "got_wall_ms": r.got_wall_ms} for r in receipts]}
    if kind == Kind.COMMAND:
        return read_command(detail[1], body)
    told = told_of(detail[0], detail[1], body) if kind == Kind.EVENT else None
    return {"bytes": body} if told is None else plain_of(told)


def _tags(tags: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for heading in ("tag", "readings", "uncertain", "bad", "last value", "unit", "at (UTC)"):
        right = heading in {"readings", "uncertain", "bad", "last value"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold" if heading == "tag" else "ellipsis")
    for name, row in list(tags.items())[:TAGS_SHOWN]:
        last, unit = Text(value_text(row["last"])), Text(row["unit"])
        table.add_row(Text(name), str(row["readings"]), str(row["uncertain"]), str(row["bad"]), last, unit, moment(row["last_ms"])[11:-1])
    return table


def _hex(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
