"""What the core remembers of its models: state, manifest, last scored cell, refusal, labels. The ledger is the truth, this its summary.

Room: hall, judgement. `desk` and `tenants` ask it and tell it of every entry that they append; at a start it reads the entries that came
after its file was written. It never imports numpy, opens no model and decides nothing. `load`, `catch_up` and `save` block.

    models/book.cbor    cbor [1, epoch, next seq, [* row]]; a row as `_row` writes it

The release before reads this file strictly: what it does not know goes into a file of its own, see `label_file`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from ledger_client import cbor
from ledger_client.body_words import is_name, pairs_of
from ledger_client.details import is_hash, is_int, is_uint
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.entry import parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.event_bodies import (
    MODEL_STATES,
    EventBody,
    FindingBody,
    LabelBody,
    ModelBody,
    ScoreReceipt,
    read_event,
)
from ledger_client.kinds import Kind
from runtime.judgement.kept_findings import Told, kept
from runtime.judgement.label_file import LabelFile
from runtime.judgement.labels import LabelTally

VERSION: Final = 1
FILE_NAME: Final = "book.cbor"
SIZE_MAX: Final = 1 << 20
MODELS_MAX: Final = 32
LOOK_BACK: Final = 200_000
"""Entries looked through when the file is missing or old: at one in two seconds, the last four days."""
OURS: Final = b"https://witnessmark.example/event/"
SCORING: Final = frozenset({"checking", "shadow", "armed"})


class Entries(Protocol):
    """The part of `ledger_client.reader.LedgerReader` that is used here. Blocking."""

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored entries."""
        ...

    def entry(self, seq: int) -> bytes:
        """Return a stored entry."""
        ...

    def body(self, seq: int) -> bytes | None:
        """Return an entry's body."""
        ...


@dataclass(slots=True)
class ModelPage:
    """One model. `state` is what was asked for; with a `refusal` it does not score. `trust`: epoch and seq of the entry that names it.

    `since_seq`: cells that entries up to here closed are not its business. `receipt_seq`: its newest receipt. `checked`: what the newest
    check said, by the names of a manifest's coverage, and `at_ms` when.
    """

    name: str
    state: str = "off"
    manifest: bytes | None = None
    model: bytes | None = None
    trust: tuple[int, int] | None = None
    since_seq: int = 0
    last_cell: int | None = None
    receipt_seq: int | None = None
    refusal: tuple[str, dict[str, Any]] | None = None
    checked: dict[str, Any] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    finding_seqs: list[int] = field(default_factory=list)
    labels: LabelTally = field(default_factory=LabelTally)

    @property
    def scores(self) -> bool:
        """Whether the judge is to score with it; one that was refused is tried again with every start of the judge."""
        return self.state in SCORING and self.manifest is not None


class ModelBook:
    """All pages by name. `next_seq` is the first entry that it has not seen."""

    def __init__(self, disk: Disk, folder: Path, epoch: int) -> None:
        self._disk, self._path, self.epoch = disk, folder / FILE_NAME, epoch
        self.pages: dict[str, ModelPage] = {}
        self.next_seq: int | None = None
        self.changed = False
        self._label_file = LabelFile(disk, folder, epoch)

    def page(self, name: str) -> ModelPage:
        """Return a model's page, a new one for a name that is not known."""
        return self.pages.setdefault(name, ModelPage(name))

    def load(self) -> None:
        """Read the files; one that is damaged counts as missing: what matters is in the ledger. Raises OSError."""
        self._load()
        for name, told in self._label_file.load().items():
            if name in self.pages:
                labels = self.pages[name].labels
                labels.told |= {seq: each for seq, each in told.items() if (seq, 0, 0) in labels.labels}

    def _load(self) -> None:
        data = read_whole(self._disk, self._path, SIZE_MAX)
        if data is None:
            return
        with suppress(FormatError):
            match cbor.decode(data, size_max=SIZE_MAX, what=FILE_NAME):
                case [version, epoch, seq, list() as rows] if version == VERSION and is_uint(epoch) and is_uint(seq):
                    pages = [_page(row) for row in rows[:MODELS_MAX]]
                    self.pages = {page.name: page for page in pages}
                    self.next_seq = seq if epoch == self.epoch else None
                    if epoch != self.epoch:
                        for page in pages:
                            page.receipt_seq, page.since_seq = None, 0
                            page.finding_seqs.clear()
                            page.told.clear()

    def catch_up(self, entries: Entries, size: int) -> None:
        """Take in what was recorded since the file was written. Raises LedgerError, OSError."""
        start = max(0, size - LOOK_BACK)
        if self.next_seq is not None:
            start = max(start, min(self.next_seq, size))
        unsigned = start if self._label_file.next_seq is None else max(0, size - LOOK_BACK, min(self._label_file.next_seq, start))
        for seq, raw in enumerate(entries.entries(unsigned, size), unsigned):
            if OURS not in raw:
                continue
            with suppress(FormatError):
                payload = parse(raw).payload
                body = entries.body(seq) if payload.kind == Kind.EVENT else None
                found = None if body is None else read_event(payload.detail[0], payload.detail[1], body)
                if found is not None and seq >= start:
                    self.apply(seq, found, payload.wall_ms)
                elif isinstance(found, LabelBody) and found.name in self.pages:  # a release took it in that notes no names
                    self.pages[found.name].labels.signed(found, payload.wall_ms)
        self.next_seq = size

    def apply(self, seq: int, body: EventBody, at_ms: int = 0) -> None:
        """Take in one entry, which was written at a time (ms)."""
        if body.name not in self.pages and len(self.pages) >= MODELS_MAX:
            return
        page = self.page(body.name)
        self.changed = True
        match body:
            case ModelBody():
                self._apply_model(page, seq, body, at_ms)
            case ScoreReceipt() if body.manifest_hash == page.manifest:
                page.last_cell = max(body.last_cell, -1 if page.last_cell is None else page.last_cell)
                page.receipt_seq = seq
            case FindingBody():
                page.told.append((body.rule, body.tag, body.at_ms, body.phase))
                page.finding_seqs.append(seq)
                page.told, page.finding_seqs = kept(page.told, page.finding_seqs)
                page.labels.found(seq, body)
            case LabelBody():
                page.labels.said(body, at_ms)

    def _apply_model(self, page: ModelPage, seq: int, body: ModelBody, at_ms: int) -> None:
        if body.state == "refused":
            page.refusal = (body.code, dict(body.params))
            return
        is_other = body.manifest_hash is not None and body.manifest_hash != page.manifest
        if is_other or body.code == "accepted" or body.state == "off" or (body.state in SCORING and page.state not in SCORING):
            page.refusal = None  # by what is another piece of work for the judge; anything else leaves a model that does not score
        if body.code == "checked":
            page.checked = {**body.params, "at_ms": at_ms}
        if is_other:
            page.manifest, page.model, page.trust = body.manifest_hash, body.model_sha256, (self.epoch, seq)
            page.since_seq, page.last_cell, page.receipt_seq, page.checked = seq, None, None, {}
            page.told.clear()  # what the model of before found goes on in nobody's eyes, and keeps this one from telling nothing
        elif body.state in SCORING and page.state not in SCORING:
            page.since_seq, page.receipt_seq = seq, None
        if body.state != "learning" or page.state == "off":
            page.state = body.state

    def save(self, size: int) -> None:
        """Make it durable; `size`: entries that it has seen. Raises OSError."""
        self.changed, self.next_seq = False, size
        self._disk.mkdir(self._path.parent)
        self._label_file.save({page.name: page.labels.told for page in self.pages.values()}, size)
        write_atomically(self._disk, self._path, cbor.encode([VERSION, self.epoch, size, [_row(page) for page in self.pages.values()]]))


def event_at(entries: Entries, seq: int) -> EventBody | None:
    """Return what an event entry says; None for another entry, or one that cannot be read or is withheld. Blocking."""
    try:
        payload = parse(entries.entry(seq)).payload
        body = entries.body(seq) if payload.kind == Kind.EVENT else None
        return None if body is None else read_event(payload.detail[0], payload.detail[1], body)
    except (LedgerError, IndexError, OSError):
        return None


def _row(page: ModelPage) -> list[Any]:
    refusal = None if page.refusal is None else [page.refusal[0], _pairs(page.refusal[1])]
    return [
        page.name, page.state, page.manifest, page.model, page.trust, page.since_seq, page.last_cell, page.receipt_seq, refusal,
        _pairs(page.checked), list(page.told), list(page.finding_seqs), page.labels.rows(),
    ]  # fmt: skip


def _page(row: Any) -> ModelPage:
    """Read one row strictly. Raises FormatError."""
    match row:
        case [name, state, manifest, model, trust, since, cell, receipt, refusal, list() as checked, list() as told, list() as seqs,
              list() as labels]:  # fmt: skip
            good = (
                is_name(name)
                and state in MODEL_STATES
                and is_uint(since)
                and all(each is None or is_hash(each) for each in (manifest, model))
            )
            good = good and (cell is None or is_int(cell)) and (receipt is None or is_uint(receipt))
            good = good and (trust is None or (isinstance(trust, list) and len(trust) == 2 and all(map(is_uint, trust))))
            pairs, why = pairs_of(checked), _refusal(refusal)
            good = good and all(isinstance(each, list) and len(each) == 4 for each in told) and all(map(is_uint, seqs))
            if good and pairs is not None:
                return ModelPage(
                    name, state, manifest, model, trust and (trust[0], trust[1]), since, cell, receipt, why, dict(pairs),
                    *kept([(a, b, c, d) for a, b, c, d in told], seqs), LabelTally.of(labels),
                )  # fmt: skip
    raise FormatError("models_book_invalid")


def _refusal(row: Any) -> tuple[str, dict[str, Any]] | None:
    match row:
        case None:
            return None
        case [str(code), list(params)] if (pairs := pairs_of(params)) is not None:
            return code, dict(pairs)
    raise FormatError("models_book_invalid")


def _pairs(params: dict[str, Any]) -> list[list[Any]]:
    return [[name, value] for name, value in sorted(params.items())]
