"""The bodies of the event entries that judgement writes: score receipts, findings, states of models, labels. Pure.

Room: ground. The core encodes them, the judge and the replay read them, verifiers check their shape through `check_event`. It scores
nothing and knows no model: numbers and names in, bytes out. Source: docs/ledger-format.md section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ledger_client import cbor
from ledger_client.access_events import ACCESS, read_access
from ledger_client.alarm_bodies import ALARMS, read_alarms
from ledger_client.body_words import Plain, is_name, is_number, pairs_of, rows_of
from ledger_client.details import is_hash, is_int, is_text, is_uint
from ledger_client.errors import FormatError

SCORES: Final = "https://witnessmark.example/event/scores"
FINDING: Final = "https://witnessmark.example/event/finding"
MODEL: Final = "https://witnessmark.example/event/model"
LABEL: Final = "https://witnessmark.example/event/label"
VERSION: Final = 1
SIZE_MAX: Final = 64 << 10
CELLS_MAX: Final = 4_096
"""Cells of one receipt."""
RUNS_MAX: Final = 256
DECISION_MAX: Final = 2_048
"""Numbers of a decision's state."""
ALARMING: Final = 0x80
SCORED, MISSING, FILLING, GATE, NOT_FINITE = range(5)
"""Why a cell has no score: tags missing, window not full, another running state or recipe, an output that is no number."""
MODEL_STATES: Final = ("off", "learning", "checking", "shadow", "armed", "refused")
TRUSTING: Final = frozenset({"learned", "imported"})
"""Codes of a model entry by which the device vouches for the manifest that it names."""
LABELS: Final = ("normal", "not_normal", "unsure")


@dataclass(frozen=True, slots=True)
class ScoreReceipt:
    """What one model said of the cells that the batches of entries [from_seq, to_seq] closed; of more cells than fit, the first ones.

    `runs` = (first cell, count) each, in order; a cell is [cell * grid_ms - grid_ms, cell * grid_ms). `scores` and `cells` run over them
    all. `cells[i]`: the low bits say why there is no score, ALARMING whether the decision stands at alarm. `windows` = SHA-256 over the
    window hashes of the cells. `decision` is the state of the decision after the last cell. `skipped` = (first cell, count, why).
    """

    name: str
    model_sha256: bytes
    manifest_hash: bytes
    from_seq: int
    to_seq: int
    grid_ms: int
    runs: tuple[tuple[int, int], ...]
    scores: tuple[float | None, ...]
    cells: bytes
    windows: bytes
    decision: tuple[int, ...] = ()
    skipped: tuple[tuple[int, int, str], ...] = ()

    @property
    def last_cell(self) -> int:
        """The newest cell that it speaks of, scored or skipped."""
        return max([first + count - 1 for first, count in self.runs] + [first + count - 1 for first, count, _ in self.skipped])

    @property
    def first_cell(self) -> int:
        """The oldest cell that it speaks of."""
        return min([first for first, _ in self.runs] + [first for first, _, _ in self.skipped])

    def numbers(self) -> list[int]:
        """Return the number of each cell of `scores`."""
        return [first + i for first, count in self.runs for i in range(count)]

    def encode(self) -> bytes:
        """Return the body."""
        row = [
            VERSION, self.name, self.model_sha256, self.manifest_hash, self.from_seq, self.to_seq, self.grid_ms, self.runs, self.scores,
            self.cells, self.windows, self.decision, self.skipped,
        ]  # fmt: skip
        return cbor.encode(row)


@dataclass(frozen=True, slots=True)
class FindingBody:
    """Something that a rule or a model found. `armed` False: found in shadow. `phase` 0 onset, 1 end. `tag` is `device/tag` or empty.

    `contributions` = (tag, share, value, low, high) of the tags that weigh most: first whom the alarm names, then the heaviest.
    """

    name: str
    manifest_hash: bytes
    rule: str
    tag: str
    at_ms: int
    phase: int
    armed: bool
    score: float | None
    threshold: float | None
    contributions: tuple[tuple[str, float, float | None, float | None, float | None], ...] = ()
    evidence: Mapping[str, Plain] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self) -> bytes:
        """Return the body."""
        row = [
            VERSION, self.name, self.manifest_hash, self.rule, self.tag, self.at_ms, self.phase, int(self.armed), self.score,
            self.threshold, self.contributions, rows_of(self.evidence),
        ]  # fmt: skip
        return cbor.encode(row)


@dataclass(frozen=True, slots=True)
class ModelBody:
    """A model came into a state, and why: `code` and `params` as messages, `act` the act that asked for it, None when nobody did."""

    name: str
    state: str
    code: str
    manifest_hash: bytes | None = None
    model_sha256: bytes | None = None
    params: Mapping[str, Plain] = field(default_factory=lambda: MappingProxyType({}))
    act: bytes | None = None

    def encode(self) -> bytes:
        """Return the body."""
        return cbor.encode(
            [VERSION, self.name, self.state, self.code, self.manifest_hash, self.model_sha256, rows_of(self.params), self.act]
        )


@dataclass(frozen=True, slots=True)
class LabelBody:
    """What a person says of a finding (`finding_seq`) or of a span of time: whether the machine was as it should be."""

    name: str
    manifest_hash: bytes | None
    finding_seq: int | None
    from_ms: int
    to_ms: int
    label: str
    by: str

    def encode(self) -> bytes:
        """Return the body."""
        return cbor.encode([VERSION, self.name, self.manifest_hash, self.finding_seq, self.from_ms, self.to_ms, self.label, self.by])


EventBody = ScoreReceipt | FindingBody | ModelBody | LabelBody


def read_event(type_uri: str, version: int, body: bytes) -> EventBody | None:
    """Return what an event entry's body says; None for a type or version that is not known. Raises FormatError `event_body_invalid`."""
    read = READERS.get(type_uri)
    if read is None or version != VERSION:
        return None
    row = cbor.decode(body, size_max=SIZE_MAX, what="event body")
    if not isinstance(row, list) or not row or not is_uint(row[0]) or row[0] != VERSION:
        raise FormatError("event_body_invalid", type=type_uri)
    found = read(row[1:])
    if found is None:
        raise FormatError("event_body_invalid", type=type_uri)
    return found


def _scores(row: list[Any]) -> ScoreReceipt | None:
    match row:
        case [name, model, manifest, first, last, grid, list() as runs, list() as scores, bytes() as cells, windows, list() as decision,
              list() as skipped]:  # fmt: skip
            pass
        case _:
            return None
    good = is_name(name) and is_hash(model) and is_hash(manifest) and is_hash(windows) and is_uint(first) and is_uint(last)
    good = good and first <= last + 1 and is_uint(grid) and 0 < grid <= 86_400_000 and len(decision) <= DECISION_MAX
    good = good and all(type(each) is int and -(1 << 63) <= each < 1 << 64 for each in decision)
    good = good and len(runs) <= RUNS_MAX and len(skipped) <= RUNS_MAX and bool(runs or skipped)
    good = good and all(isinstance(run, list) and len(run) == 2 and is_int(run[0]) and is_count(run[1]) for run in runs)
    good = good and all(isinstance(each, list) and len(each) == 3 and is_int(each[0]) and is_text(each[2]) for each in skipped)
    good = good and all(is_count(each[1], 1 << 40) for each in skipped)
    if not good or not sum(run[1] for run in runs) == len(scores) == len(cells) <= CELLS_MAX:
        return None
    after: int | None = None
    for start, count in runs:
        if after is not None and start < after:
            return None
        after = start + count
    for score, cell in zip(scores, cells, strict=True):
        reason = cell & ~ALARMING
        if reason > NOT_FINITE or (score is None) == (reason == SCORED) or not (score is None or is_number(score)):
            return None
    return ScoreReceipt(
        name, model, manifest, first, last, grid, tuple((a, b) for a, b in runs), tuple(scores), cells, windows, tuple(decision),
        tuple((a, b, why) for a, b, why in skipped),
    )  # fmt: skip


def _finding(row: list[Any]) -> FindingBody | None:
    match row:
        case [name, manifest, rule, tag, at_ms, phase, armed, score, threshold, list() as tags, list() as evidence]:
            pass
        case _:
            return None
    good = is_name(name) and is_hash(manifest) and is_name(rule) and is_text(tag) and is_int(at_ms)
    good = good and is_uint(phase) and is_uint(armed) and phase <= 1 and armed <= 1
    good = good and all(value is None or is_number(value) for value in (score, threshold)) and len(tags) <= 16
    if not good or not all(is_contribution(each) for each in tags):
        return None
    pairs = pairs_of(evidence)
    if pairs is None:
        return None
    found = tuple((each[0], each[1], each[2], each[3], each[4]) for each in tags)
    return FindingBody(name, manifest, rule, tag, at_ms, phase, bool(armed), score, threshold, found, MappingProxyType(pairs))


def _model(row: list[Any]) -> ModelBody | None:
    match row:
        case [name, state, code, manifest, model, list() as params, act]:
            pairs = pairs_of(params)
            good = is_name(name) and state in MODEL_STATES and is_name(code)
            good = good and (act is None or (isinstance(act, bytes) and len(act) == 16))
            if good and pairs is not None and all(each is None or is_hash(each) for each in (manifest, model)):
                return ModelBody(name, state, code, manifest, model, MappingProxyType(pairs), act)
    return None


def _label(row: list[Any]) -> LabelBody | None:
    match row:
        case [name, manifest, seq, from_ms, to_ms, label, by]:
            good = is_name(name) and (manifest is None or is_hash(manifest)) and (seq is None or is_uint(seq))
            if good and is_int(from_ms) and is_int(to_ms) and from_ms <= to_ms and label in LABELS and is_text(by):
                return LabelBody(name, manifest, seq, from_ms, to_ms, label, by)
    return None


def check_event(type_uri: str, version: int, body: bytes) -> None:
    """Check a body of any type that is known. Raises FormatError `event_body_invalid`."""
    if type_uri == ALARMS:
        read_alarms(version, body)
    elif type_uri == ACCESS:
        read_access(type_uri, version, body)
    else:
        read_event(type_uri, version, body)


READERS: Final[Mapping[str, Callable[[list[Any]], EventBody | None]]] = MappingProxyType(
    {SCORES: _scores, FINDING: _finding, MODEL: _model, LABEL: _label}
)
EVENT_TYPES: Final = frozenset(READERS) | {ALARMS, ACCESS}
"""Types that `check_event` knows."""


def is_count(value: object, most: int = CELLS_MAX) -> bool:
    """A whole number from 1 on."""
    return isinstance(value, int) and is_uint(value) and 0 < value <= most


def is_contribution(value: object) -> bool:
    """(tag, share, value, low, high); the last three may be unknown."""
    match value:
        case [tag, share, *known] if len(known) == 3:
            return is_name(tag) and is_number(share) and all(each is None or is_number(each) for each in known)
    return False
