"""What faces are shown of the models: one row each, and the newest findings. Kept in memory, from the judge's live word and the ledger.

Room: hall, judgement. `desk` feeds it; it records nothing and asks nobody. Shapes as `faces.feed.JudgementSource` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ledger_client.event_bodies import EventBody, FindingBody, LabelBody, ModelBody
from models.manifest import Manifest
from runtime.config_model import Models
from runtime.judgement.book import ModelBook, ModelPage
from runtime.judgement.judge_words import LiveRow
from runtime.judgement.kept_findings import OPEN_MAX as GOING_MAX

FINDINGS_MAX: Final = 50
OPEN_MAX: Final = 20
ONSET: Final = 0
NUMBERS: Final = ("value", "low", "high")
"""Of the evidence of a finding that goes on, what a sentence says of it."""
MANIFESTS_MAX: Final = 64
LEARNED: Final = "learned"
IMPORTED: Final = frozenset({"imported", "imported_signed"})
"""How a model came that this gateway did not learn: what its manifest says of coverage is its maker's word."""
MAKER: Final = "maker"
TOLD: Final = ("rows", "left_out", "settling", "unlike_from_ms", "unlike_to_ms")
"""What is told of a learning: rows learned from, rows that were not normal, rows right after a start of the gateway; of a model that would
find hardly anything, from when to when the rows are that are most unlike the rest."""


class ModelRows:
    """`generation` counts changes that faces see, `orders` those that the judge must hear of."""

    def __init__(self, book: ModelBook, models: Callable[[], Models]) -> None:
        self._book, self._models = book, models
        self._live: dict[str, LiveRow] = {}
        self._progress: dict[str, dict[str, Any]] = {}
        self._manifests: dict[bytes, Manifest] = {}
        self._ended: dict[str, dict[str, Any]] = {}
        self._learned: dict[str, tuple[bytes | None, dict[str, Any]]] = {}
        self._imported: dict[str, bytes | None] = {}
        self._findings: deque[tuple[bytes, dict[str, Any]]] = deque(maxlen=FINDINGS_MAX)
        self._going: dict[str, dict[tuple[str, str], tuple[bytes, dict[str, Any]]]] = {}
        """Of each model the findings that have not ended, also those that are no longer among the newest."""
        self.generation = 0
        self.orders = 0

    def take_live(self, rows: Iterable[LiveRow]) -> None:
        """The judge's newest scores."""
        self._live = {row.name: row for row in rows}
        self.generation += 1

    def take_progress(self, name: str, stage: str | None, share: float) -> None:
        """How far learning is; stage None: it has ended."""
        self._progress.pop(name, None)
        if stage is not None:
            self._progress[name] = {"stage": stage, "share": round(share, 3)}
        self.generation += 1

    def take_ended(self, name: str, code: str, params: Mapping[str, Any], seq: int) -> None:
        """How the newest learning of a model ended: `learned`, or why not; `seq` is the entry that says so."""
        self._ended[name] = {"code": code, "params": dict(params), "seq": seq}
        self.generation += 1

    def take_manifest(self, manifest_hash: bytes, manifest: Manifest) -> None:
        """A manifest whose hash was checked."""
        self._manifests[manifest_hash] = manifest
        while len(self._manifests) > MANIFESTS_MAX:
            del self._manifests[next(iter(self._manifests))]
        self.generation += 1

    def take_entry(self, seq: int, body: EventBody) -> None:
        """An entry was appended, or is read again at a start."""
        match body:
            case FindingBody():
                row = finding_row(seq, body)
                self._findings.appendleft((body.manifest_hash, row))
                self._take_going(body, row)
                self.generation += 1
            case ModelBody():
                if body.code == LEARNED:
                    self._learned[body.name] = (body.manifest_hash, {key: body.params[key] for key in TOLD if key in body.params})
                if body.code in IMPORTED:
                    self._imported[body.name] = body.manifest_hash
                self.generation += 1
                self.orders += 1
            case LabelBody():
                self.generation += 1

    def _take_going(self, body: FindingBody, row: dict[str, Any]) -> None:
        going = self._going.setdefault(body.name, {})
        going.pop((body.rule, body.tag), None)
        if body.phase == ONSET:
            going[body.rule, body.tag] = (body.manifest_hash, row)
            while len(going) > GOING_MAX:
                del going[next(iter(going))]

    def _begun(self, page: ModelPage) -> list[dict[str, Any]]:
        """Return what began and did not end of the model that a page names, since it names it, in the order of the ledger."""
        epoch, since = page.trust or (self._book.epoch, -1)
        found = self._going.get(page.name, {}).values()
        return [row for manifest, row in found if manifest == page.manifest and (row["seq"] > since or epoch != self._book.epoch)]

    def _open(self, page: ModelPage) -> list[dict[str, Any]]:
        """Return what goes on of a model; of one that is off, or refused, nobody looks for the end, and nothing is said to go on."""
        return self._begun(page) if page.scores and page.refusal is None else []

    def goes_on(self, name: str) -> bool | None:
        """Whether a finding that a model made while it was armed has begun and not ended; None while the model is refused: who knows."""
        page = self._book.pages.get(name)
        if page is None or not page.scores or not any(row["evidence"]["armed"] for row in self._begun(page)):
            return False
        return True if page.refusal is None else None

    def is_imported(self, page: ModelPage) -> bool:
        """Whether the model that a page names came from outside."""
        return page.manifest is not None and self._imported.get(page.name) == page.manifest

    def knows(self, manifest_hash: bytes) -> bool:
        """Whether a manifest is at hand."""
        return manifest_hash in self._manifests

    def manifest(self, manifest_hash: bytes | None) -> Manifest | None:
        """Return a manifest that was taken, None where it was not."""
        return None if manifest_hash is None else self._manifests.get(manifest_hash)

    def newest_cell_ms(self) -> int | None:
        """Return the end of the newest cell that any model has judged."""
        return max((row.cell_ms for row in self._live.values()), default=None)

    def findings(self) -> list[dict[str, Any]]:
        """Return the newest findings, newest first; `open` are those whose model looks for their end."""
        going = {row["seq"] for page in self._book.pages.values() for row in self._open(page)}
        return [row | {"band": self._band(manifest, row["tag"]), "open": row["seq"] in going} for manifest, row in self._findings]

    def _band(self, manifest_hash: bytes | None, tag: str) -> list[float | None]:
        """Return what is normal for a tag by a model, [low, high]; None for what is not known."""
        manifest = self.manifest(manifest_hash)
        places = [] if manifest is None else [place for place, each in enumerate(manifest.plan.tags) if each.name == tag]
        return list(manifest.bands[places[0]]) if manifest is not None and places else [None, None]

    def _open_rows(self, page: ModelPage) -> list[dict[str, Any]]:
        """Return what goes on of a model as faces are shown it: with the numbers of its onset that a sentence says, and its tag's band."""
        return [
            {
                **{key: row[key] for key in ("seq", "rule", "tag", "at_ms")}, "band": self._band(page.manifest, row["tag"]),
                "evidence": {key: row["evidence"][key] for key in NUMBERS if key in row["evidence"]},
            }
            for row in self._open(page)[-OPEN_MAX:]
        ]  # fmt: skip

    def models(self) -> list[dict[str, Any]]:
        """Return a row for each model that is defined or known."""
        names = dict.fromkeys([*(each.name for each in self._models().define), *self._book.pages])
        return [self._row(self._book.pages.get(name) or ModelPage(name)) for name in names]

    def _row(self, page: ModelPage) -> dict[str, Any]:
        manifest, live, progress = self.manifest(page.manifest), self._live.get(page.name), self._progress.get(page.name)
        if live is not None and live.manifest != page.manifest:
            live = None  # what the model of before said is no score of this one, whose threshold is another
        state = "refused" if page.refusal is not None else page.state
        learned_by, learned = self._learned.get(page.name, (None, {}))
        return {
            "name": page.name, "state": "learning" if progress is not None and state == "off" else state, "progress": progress,
            "score": live.score if live else None, "threshold": manifest.threshold if manifest else None,
            "alarming": bool(live and live.alarming), "abstained": live.abstained if live else None,
            "cell_ms": live.cell_ms if live else None, "contributions": [list(each) for each in live.contributions] if live else [],
            "coverage": coverage_of(page, manifest, MAKER if self.is_imported(page) else LEARNED), "imported": self.is_imported(page),
            "grid_ms": manifest.plan.grid_ms if manifest else None,
            "ended": self._ended.get(page.name), "learned": learned if learned and learned_by == page.manifest else None,
            "model_sha256": page.model.hex() if page.model else None, "manifest_hash": page.manifest.hex() if page.manifest else None,
            "refused": {"code": page.refusal[0], "params": dict(page.refusal[1])} if page.refusal else None,
            "open": self._open_rows(page),
            "gates": gates_of(manifest), "labels": page.labels.plain(), "labelled": page.labels.labelled(),
            "drift": live.drift if live else None,
        }  # fmt: skip


def gates_of(manifest: Manifest | None) -> list[list[Any]]:
    """Return [tag, values] of what must be so for the model to give a score: the machine runs, this recipe is in it."""
    plan = manifest.plan if manifest else None
    return [] if plan is None else [[plan.tags[plan.index_of(gate.uid)].name, list(gate.values)] for gate in plan.gates]


def coverage_of(page: ModelPage, manifest: Manifest | None, by: str = LEARNED) -> dict[str, Any] | None:
    """Return {covered, alarmed_share, rows_wanted, blind, by, at_ms}: what the newest check said, else what its manifest says, and when.

    `alarmed_share`: None where it was learned from too few rows to be tried on any. `blind`: it would find hardly anything, so that it is
    covered by nothing, whatever a check says; `rows_wanted` are then those that it lacked when it was learned, as no row that it scores
    mends that.
    """
    blind = manifest is not None and manifest.is_blind
    if page.checked:
        checked = {key: page.checked.get(key) for key in ("covered", "alarmed_share", "rows_wanted", "at_ms")}
        if manifest is not None and blind:
            checked["rows_wanted"] = manifest.coverage.rows_wanted
        return checked | {"covered": bool(checked["covered"]) and not blind, "blind": blind, "by": "check"}
    if manifest is None:
        return None
    coverage = manifest.coverage
    share = coverage.alarmed_share if by == MAKER else manifest.alarmed_share
    return {
        "covered": coverage.covered and not blind, "alarmed_share": share, "rows_wanted": coverage.rows_wanted,
        "blind": blind, "by": by, "at_ms": manifest.made_ms,
    }  # fmt: skip


def finding_row(seq: int, body: FindingBody) -> dict[str, Any]:
    """Return a finding as faces show it."""
    return {
        "seq": seq, "at_ms": body.at_ms, "model": body.name, "rule": body.rule, "tag": body.tag,
        "evidence": dict(body.evidence) | {"phase": body.phase, "armed": body.armed, "score": body.score, "threshold": body.threshold},
        "contributions": [list(each) for each in body.contributions],
    }  # fmt: skip
