"""The core's side of judgement: takes the judge's word, records what may be recorded, and tells faces what models say.

Room: hall, judgement. `app` makes and runs it, the feed's `judgement` request ends here, `tenants` record through it. It never imports
numpy, never scores, and never waits for the judge: a judge that is slow, dead or lying costs the field nothing, and is shown in health.
What the judge sends is checked as a stranger's word; what a model is allowed to be (its state, its trust) is decided here alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog

from ledger_client.disk import Disk
from ledger_client.errors import FormatError, LedgerError
from ledger_client.event_bodies import (
    FINDING,
    LABEL,
    MODEL,
    SCORES,
    SIZE_MAX,
    VERSION,
    EventBody,
    FindingBody,
    LabelBody,
    ModelBody,
    ScoreReceipt,
    read_event,
)  # fmt: skip
from ledger_client.kinds import Kind
from models.model_fault import ModelFault
from runtime.clock import Clock
from runtime.config_model import Models
from runtime.faces.feed import JUDGE, RequestRefusedError, Session
from runtime.judgement.book import Entries, ModelBook, ModelPage, event_at
from runtime.judgement.installed import models_installed
from runtime.judgement.judge_words import Learned, Live, Progress, Recorded, Refused, read_word
from runtime.judgement.model_rows import ModelRows
from runtime.judgement.pace import Pace
from runtime.judgement.store import ModelStore
from runtime.judgement.unbroken import Unbroken

SAVE_S: Final = 30.0
AWAY_MS: Final = 5_000
BEHIND_MS: Final = 30_000
BURST: Final = 60
PER_S: Final = 20.0
ENTRIES_MAX: Final = 16
"""Entries of the judge under way at once."""
CELL_MS_MAX: Final = 1 << 60
"""A time that no clock shows: nothing is scored beyond it, see `models.grid`."""
FINDING_BYTES_MAX: Final = 8 << 10
"""Of one finding: a face is shown FINDINGS_MAX of them in one frame."""
INLINE_MAX: Final = 2_048
"""Bodies up to this size are read on the loop; longer ones by a thread."""
TYPES: Final[Mapping[type[Any], str]] = {ScoreReceipt: SCORES, FindingBody: FINDING, ModelBody: MODEL, LabelBody: LABEL}
Result = TypeVar("Result")


class Appended(Protocol):
    """What an append gives back."""

    @property
    def seq(self) -> int:
        """The entry's number."""
        ...


class Ledger(Protocol):
    """The part of `ledger_client.chain.Chain` that is used here."""

    @property
    def size(self) -> int:
        """Durable entries."""
        ...

    @property
    def epoch(self) -> int:
        """Which ledger."""
        ...

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        """Make an entry durable. Raises LedgerError."""
        ...


class JudgementDesk:
    """Implements `faces.feed.JudgementSource`. `pending` = (act, who asked) of the models that are being learned."""

    def __init__(
        self, ledger: Ledger, entries: Entries, disk: Disk, folder: Path, clock: Clock, work: Executor, models: Callable[[], Models]
    ) -> None:
        """`entries` is read by nobody else, in `work`; `models` gives the configuration in force; `folder` is `models` of the state."""
        self._ledger, self._entries, self._clock, self.work = ledger, entries, clock, work
        self.models = models
        self.book = ModelBook(disk, folder, ledger.epoch)
        self.store = ModelStore(disk, folder)
        self.rows = ModelRows(self.book, models)
        self.ready = False
        self.pending: dict[str, tuple[bytes, str]] = {}
        self._recording = asyncio.Lock()
        self._unbroken = Unbroken(ENTRIES_MAX)
        self._pace = Pace(BURST, PER_S)
        self._heard_ms: int | None = None
        self._heard_mono_ms = 0
        self._behind_ms = 0
        self.refused_words = 0
        self._installed = models_installed()
        self.needs_restart = False
        """Models were off when the gateway started, so that no judge runs, whatever the configuration says since."""

    @property
    def generation(self) -> int:
        """See JudgementSource."""
        return self.rows.generation

    def model_rows(self) -> list[dict[str, Any]]:
        """See JudgementSource."""
        return self.rows.models()

    def finding_rows(self) -> list[dict[str, Any]]:
        """See JudgementSource."""
        return self.rows.findings()

    def goes_on(self, name: str) -> bool | None:
        """Whether a finding of a model that is armed has begun and not ended; None while that cannot be told."""
        if not self.ready and self.models().enabled:
            return None
        return self.rows.goes_on(name)

    def health(self) -> dict[str, Any]:
        """Return what health shows of the judge."""
        heard = self._heard_ms is not None
        away = heard and self._clock.mono_ms() - self._heard_mono_ms > AWAY_MS
        off = not self.models().enabled or not self._installed or self.needs_restart
        state = "off" if off else "starting" if not heard else "away" if away else "ok"
        if state == "ok" and self._behind_ms > BEHIND_MS:
            state = "behind"
        cause = {"away": "judge_away", "behind": "judge_behind"}.get(state)
        if self.models().enabled and off:
            cause = "models_need_restart" if self._installed else "models_not_installed"
        return {
            "state": state, "cause": cause, "params": {"seconds": self._behind_ms // 1000} if state == "behind" else {},
            "heard_ms": self._heard_ms, "cell_ms": self.rows.newest_cell_ms(), "refused_words": self.refused_words,
            "models": {page.name: "refused" if page.refusal else page.state for page in self.book.pages.values()},
        }  # fmt: skip

    async def run(self) -> None:
        """Learn from the ledger what models there are, then write that down now and then, until cancelled. Without models, nothing."""
        if not self.models().enabled:
            self.needs_restart = True
            return
        if not self.ready:
            await self.open()
        async with self._unbroken:
            while True:
                await asyncio.sleep(SAVE_S)
                if self.book.changed:
                    with contextlib.suppress(OSError):
                        await self.save()

    async def open(self) -> None:
        """Read the book, and what the ledger has since. Raises LedgerError, OSError."""
        await self._blocking(self._open)
        await self.look_at_manifests()
        self.ready = True

    async def save(self) -> None:
        """Write the book. Raises OSError."""
        if self.ready:
            async with self._recording:
                await self._blocking(lambda: self.book.save(self._ledger.size))

    async def answer(self, session: Session, params: Mapping[str, Any]) -> Any:
        """Answer the judge. Raises RequestRefusedError for anybody else, for what is no word of the judge, and for too many of them."""
        if session.face != JUDGE or session.uid not in {0, os.getuid()}:
            raise RequestRefusedError("permission_denied", action="judgement")
        if not self.ready:
            raise RequestRefusedError("models_not_ready")
        if not self._pace.allows(self._clock.mono_ms()):
            self.refused_words += 1
            raise RequestRefusedError("judge_too_many")
        match params:
            case {"what": "sync", "fresh": bool(fresh)} if len(params) == 2:
                return await self._unbroken.carry_out(self._sync(fresh=fresh))
        word = read_word(params, SIZE_MAX)
        if word is None:
            self.refused_words += 1
            raise RequestRefusedError("judge_word_invalid")
        self._heard_ms, self._heard_mono_ms = self._clock.wall_ms(), self._clock.mono_ms()
        match word:
            case Live(rows, behind_ms):
                self._behind_ms = behind_ms
                self.rows.take_live(rows)
                return {"book": self.book_number}
            case Recorded():
                return {"seq": await self._unbroken.carry_out(self._record_word(word))}
            case Refused():
                await self._unbroken.carry_out(self._refused(word))
            case Progress():
                if self._is_pending(word.name, word.act):
                    self.rows.take_progress(word.name, word.stage, word.share)
            case Learned():
                await self._unbroken.carry_out(self._learned(word))
        return {}

    @property
    def book_number(self) -> int:
        """Grows with every change of what the judge is to do."""
        return self.rows.orders

    async def record(self, body: EventBody) -> int:
        """Append an event and take it in; return its seq. Raises LedgerError, FormatError of them for what no verifier would read."""
        read_event(TYPES[type(body)], VERSION, body.encode())  # of an act, or out of a manifest: an entry is for ever
        async with self._recording:
            return await self._append(body)

    async def look_at_manifests(self) -> None:
        """Read the manifests that pages name, for what faces show of them; one that cannot be read is the judge's to refuse."""
        for page in list(self.book.pages.values()):
            if page.manifest is not None and not self.rows.knows(page.manifest):
                with contextlib.suppress(ModelFault, OSError):
                    kept = await self._blocking(lambda: self.store.load(page.manifest or b""))  # noqa: B023  awaited before the next
                    self.rows.take_manifest(page.manifest, kept.manifest)

    def forget_learning(self, name: str) -> None:
        """Learning of a model has ended."""
        self.pending.pop(name, None)
        self.rows.take_progress(name, None, 0.0)

    async def _append(self, body: EventBody) -> int:
        encoded = body.encode()
        detail = (TYPES[type(body)], VERSION, sha256(encoded).digest(), len(encoded))
        seq = (await self._ledger.append(Kind.EVENT, detail, encoded)).seq
        self.book.apply(seq, body, self._clock.wall_ms())
        self.rows.take_entry(seq, body)
        page = self.book.pages.get(body.name)
        if isinstance(body, ModelBody) and page is not None and page.trust == (self.book.epoch, seq) and body.manifest_hash is not None:
            manifest_hash = body.manifest_hash
            with contextlib.suppress(OSError):
                await self._blocking(lambda: self.store.put_entry(manifest_hash, encoded))
        return seq

    async def _sync(self, *, fresh: bool) -> dict[str, Any]:
        """The judge has started (`fresh`), or looks again: say what it is to do. What an earlier one was learning has come to nothing."""
        models = self.models()
        async with self._recording:  # what an earlier judge has said is taken in first
            pass
        for name in [name for name in self.pending if fresh and name not in self.book.pages]:
            self.forget_learning(name)
        for page in [page for page in self.book.pages.values() if fresh and (page.name in self.pending or page.state == "learning")]:
            act, _ = self.pending.get(page.name, (None, ""))
            self.forget_learning(page.name)
            with contextlib.suppress(LedgerError):
                await self.record(ModelBody(page.name, "off" if page.state == "learning" else page.state, "learn_interrupted", act=act))
        rows = [
            {
                "name": page.name, "state": page.state, "manifest": page.manifest, "trust": page.trust and list(page.trust),
                "since_seq": page.since_seq,
                "last_cell": page.last_cell, "receipt_seq": page.receipt_seq, "refused": page.refusal is not None,
                "told": [list(each) for each in page.told],
            }
            for page in self.book.pages.values() if page.scores
        ]  # fmt: skip
        return {
            "models": rows, "book": self.book_number, "trusted_keys": [bytes.fromhex(key) for key in models.trusted_keys],
            "receipt_every_ms": round(models.receipt_every_s * 1000),
        }  # fmt: skip

    async def _record_word(self, word: Recorded) -> int:
        """Record a receipt or a finding of the judge, if it is about a model that scores, in its order, and not said before."""
        type_uri = SCORES if word.what == "scores" else FINDING
        if word.what == "finding" and len(word.body) > FINDING_BYTES_MAX:
            self.refused_words += 1
            raise RequestRefusedError("judge_word_invalid")
        try:
            if len(word.body) <= INLINE_MAX:
                body = read_event(type_uri, VERSION, word.body)
            else:
                body = await self._blocking(lambda: read_event(type_uri, VERSION, word.body))
        except FormatError as error:
            self.refused_words += 1
            raise RequestRefusedError("judge_word_invalid") from error
        async with self._recording:
            page = self.book.pages.get(body.name) if body is not None else None
            if body is None or page is None or not page.scores:
                raise RequestRefusedError("judge_model_unknown")
            match body:
                case ScoreReceipt():
                    self._may_be_received(page, body)
                case FindingBody():
                    if body.manifest_hash != page.manifest or body.armed != (page.state == "armed"):
                        raise RequestRefusedError("judge_model_unknown")
                    if (body.rule, body.tag, body.at_ms, body.phase) in page.told:
                        raise RequestRefusedError("judge_said_before")
            try:
                return await self._append(body)
            except LedgerError as error:
                raise RequestRefusedError(error.code, **error.params) from error

    def _may_be_received(self, page: ModelPage, body: ScoreReceipt) -> None:
        known = self.rows.manifest(page.manifest)
        fits = body.manifest_hash == page.manifest and body.model_sha256 == page.model and body.to_seq < self._ledger.size
        fits = fits and body.last_cell * body.grid_ms <= CELL_MS_MAX
        if not fits or (known is not None and body.grid_ms != known.plan.grid_ms):
            raise RequestRefusedError("judge_model_unknown")
        if page.last_cell is not None and body.first_cell <= page.last_cell:
            raise RequestRefusedError("judge_said_before")

    async def _refused(self, word: Refused) -> None:
        page = self.book.pages.get(word.name)
        if (
            page is None
            or not page.scores
            or (word.code is None and page.refusal is None)
            or (page.refusal and page.refusal[0] == word.code)
        ):
            return
        state, code = ("refused", word.code) if word.code is not None else (page.state, "accepted")
        with contextlib.suppress(LedgerError):
            await self.record(ModelBody(page.name, state, code, page.manifest, page.model, word.params))

    def _is_pending(self, name: str, act: bytes) -> bool:
        return name in self.pending and self.pending[name][0] == act

    async def _learned(self, word: Learned) -> None:
        """Learning has ended. A manifest is believed only for an act that is under way, and only as it lies in the store."""
        if not self._is_pending(word.name, word.act):
            raise RequestRefusedError("judge_model_unknown")
        self.forget_learning(word.name)
        state, code, params, manifest = self.book.page(word.name).state, word.code or "learned", dict(word.params), word.manifest
        state = "off" if state == "learning" else state
        kept = None
        if manifest is not None:
            try:
                kept = await self._blocking(lambda: self.store.load(manifest))
            except (ModelFault, OSError) as error:
                code, params = (error.code, dict(error.params)) if isinstance(error, ModelFault) else ("model_missing", {})
        if kept is not None and kept.manifest.name != word.name:
            kept, code, params = None, "model_manifest_changed", {}
        if kept is not None and manifest is not None:
            self.rows.take_manifest(manifest, kept.manifest)
            state, params = "checking", {"rows": kept.manifest.rows, "covered": kept.manifest.coverage.covered, **word.params}
        body = ModelBody(word.name, state, code, None, None, params, word.act)
        if kept is not None:
            body = replace(body, manifest_hash=manifest, model_sha256=kept.manifest.model_sha256)
        try:
            self.rows.take_ended(word.name, code, params, await self.record(body))
        except LedgerError as error:
            structlog.get_logger("models").warning("model_not_recorded", name=word.name, code=error.code)
            raise RequestRefusedError(error.code, **error.params) from error

    def _open(self) -> None:
        self.book.load()
        self.book.catch_up(self._entries, self._ledger.size)
        for epoch, seq in [page.trust for page in self.book.pages.values() if page.trust is not None]:
            body = event_at(self._entries, seq) if epoch == self.book.epoch else None
            if isinstance(body, ModelBody):
                self.rows.take_entry(seq, body)
        seqs = sorted(seq for page in self.book.pages.values() for seq in page.finding_seqs)
        for seq in seqs:
            body = event_at(self._entries, seq)
            if isinstance(body, FindingBody):
                self.rows.take_entry(seq, body)

    async def _blocking(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.work, call)
