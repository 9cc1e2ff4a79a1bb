"""The outbox: sends the newest checkpoint to every anchor, keeps what comes back, and stops an epoch that is contradicted.

Room: ground. The runtime's wiring enters and runs it beside the chain. One task per anchor, each with its own patience, so
that a dead anchor delays no other. It takes only checkpoints of durable entries, appends receipts through the chain, and
never rewrites anything. Anchor faults are absorbed here and shown in `status`; this is one of the two files that may catch
everything, because an anchor can be a plug-in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from ledger_client.anchors.anchor import Anchor, Clock, HoldsEntries, QuarantineError
from ledger_client.checkpoint import parse_checkpoint
from ledger_client.disk import Disk
from ledger_client.errors import AnchorError, LedgerError
from ledger_client.kinds import Kind
from ledger_client.merkle import range_root
from ledger_client.mirror_cursor import MirrorCursor, load_mirror_cursor, save_mirror_cursor
from ledger_client.note import parse_note
from ledger_client.outbox_lane import Cursor, Fault, Lane, Offer, load_cursor, retry_delay_s, save_cursor, wait_for
from ledger_client.outbox_mirror import Links, Upload
from ledger_client.outbox_needs import Entries, Ledger, Pace
from ledger_client.outbox_proof import checked_proof
from ledger_client.quarantine import Quarantine, read_quarantine, write_quarantine
from ledger_client.reader import LedgerReader
from ledger_client.receipt import Receipt, parse_receipt, receipts_entry

T = TypeVar("T")


class Outbox:
    """`async with Outbox(...) as outbox`, then `run()` in a task group; `flush` before the end.

    `executor` has one thread, so that small files are written in order; without it the outbox has its own. `entries` is where a
    mirror's come from, the ledger's files unless given.
    """

    def __init__(
        self,
        chain: Ledger,
        anchors: Sequence[Anchor],
        disk: Disk,
        state: Path,
        clock: Clock,
        *,
        pace: Pace | None = None,
        executor: Executor | None = None,
        random: Random | None = None,
        entries: Entries | None = None,
    ) -> None:
        self._chain = chain
        self._lanes = [Lane(anchor) for anchor in anchors]
        self._disk = disk
        self._state = state
        self._clock = clock
        self._pace = pace or Pace()
        self._thread = None if executor else ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._executor = executor or self._thread
        self._random = random or Random()
        self._offer: Offer | None = None
        self._own_seqs: list[int] = []
        self._landed: dict[str, Receipt] = {}
        self._busy = 0
        self._quiet = asyncio.Event()
        self._has_landed = asyncio.Event()
        self._nudged = asyncio.Event()
        self._recording = asyncio.Lock()
        self._quarantine: Quarantine | None = None
        self._quarantine_saved = True
        self._fault: Fault | None = None
        self._entries = entries
        self._uploads: dict[str, Upload] = {}
        self._stack = AsyncExitStack()

    @property
    def quarantine(self) -> Quarantine | None:
        """Why nothing of this epoch may be sent; None while it may."""
        return self._quarantine

    async def __aenter__(self) -> Self:
        """Read the quarantine mark and the cursors, and enter the anchors. Raises OSError, AnchorError."""
        async with AsyncExitStack() as stack:
            self._quarantine = await self._blocking(lambda: read_quarantine(self._disk, self._state, self._chain.epoch))
            for lane in self._lanes:
                lane.cursor = lane.saved = await self._blocking(lambda: self._load(lane))  # noqa: B023  awaited before the next
                await stack.enter_async_context(lane.anchor)
                await self._add_upload(lane)
            self._stack = stack.pop_all()
        self._quiet.set()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write the cursors that are newer than their files and leave the anchors."""
        for lane in self._lanes:
            await self._save(lane, at_once=True)
        for upload in self._uploads.values():
            await upload.close()
        await self._stack.aclose()
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    async def run(self) -> None:
        """Work until cancelled. Without anchors there is nothing to do."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_pace(), name="outbox-pace")
            tasks.create_task(self._keep_receipts(), name="outbox-receipts")
            for lane in self._lanes:
                tasks.create_task(self._drive(lane), name=f"outbox-{lane.anchor.name}")
            for name, upload in self._uploads.items():
                tasks.create_task(upload.run(), name=f"outbox-mirror-{name}")

    def nudge(self) -> None:
        """Take a checkpoint now and ask every anchor now, whatever went wrong before (an operator pressed the button)."""
        self._nudged.set()
        for lane in self._lanes:
            lane.failures = 0
            lane.hurry.set()
        for upload in self._uploads.values():
            upload.nudge()

    async def flush(self, deadline_s: float) -> bool:
        """Send the newest checkpoint once more before the end, and keep what comes back within the deadline.

        Returns whether every anchor confirmed all entries but our own receipts.
        """
        try:
            async with asyncio.timeout(deadline_s):
                await self._take_checkpoint()
                async with asyncio.TaskGroup() as tasks:
                    for lane in self._lanes:
                        tasks.create_task(self._finish(lane), name=f"outbox-flush-{lane.anchor.name}")
        except TimeoutError:
            pass  # what came back until now is kept below
        await self._record()
        for lane in self._lanes:
            await self._save(lane, at_once=True)
        return self._quarantine is None and all(lane.done is self._offer for lane in self._lanes)

    def status(self) -> dict[str, Any]:
        """Return plain data for health: `quarantine` (with `todo`), `fault` of our own, and a row per anchor."""
        now, stopped = self._clock.mono_ms(), self._quarantine is not None
        rows = []
        for lane in self._lanes:
            upload = self._uploads.get(lane.anchor.name)
            rows.append(lane.row(now, stopped=stopped) | {"mirror": upload.status() if upload else None})
        return {
            "quarantine": self._quarantine.plain() if self._quarantine else None,
            "fault": {"code": self._fault.code, "params": dict(self._fault.params)} if self._fault else None,
            "anchors": rows,
        }

    # ------------------------------------------------------------------------------------------ taking checkpoints

    async def _keep_pace(self) -> None:
        while True:
            nudged = self._nudged.is_set()
            self._nudged.clear()
            if not self._quarantine_saved:
                await self._save_quarantine()
            await self._take_checkpoint(even_if_idle=nudged)
            await wait_for(self._nudged, self._pace.every_s)

    async def _take_checkpoint(self, *, even_if_idle: bool = False) -> None:
        """Offer the newest durable checkpoint to all lanes, when there is something new to confirm."""
        if self._quarantine is not None or not self._lanes or not (even_if_idle or self._is_due()):
            return
        try:
            note = await self._chain.checkpoint()
            offer = Offer(note, parse_checkpoint(parse_note(note).text), self._clock.mono_ms())
            await self._check_cursors(offer)
        except LedgerError as error:
            self._fault = Fault(error.code, error.params, transient=True)
            return
        except OSError as error:
            self._fault = Fault("outbox_store_failed", {"reason": type(error).__name__}, transient=True)
            return
        if self.quarantine is None and (self._offer is None or offer.checkpoint.size >= self._offer.checkpoint.size):
            self._fault = None
            self._offer = offer
            self._own_seqs = [seq for seq in self._own_seqs if seq >= offer.checkpoint.size]
            for lane in self._lanes:
                lane.settled.clear()
                lane.wake.set()

    def _is_due(self) -> bool:
        """Whether entries other than our own receipts were added, or the ledger was idle for long.

        A receipts entry makes the tree grow by itself; confirming it would bring the next one, for ever.
        """
        size = self._chain.size
        if self._offer is None:
            return size > 0
        others = size - self._offer.checkpoint.size - len(self._own_seqs)
        return others > 0 or self._clock.mono_ms() - self._offer.mono_ms >= self._pace.keep_alive_s * 1000

    async def _check_cursors(self, offer: Offer) -> None:
        """Compare with what anchors confirmed earlier, before anything is sent. Raises LedgerError when the tree cannot be read."""
        checkpoint = offer.checkpoint
        for lane in self._lanes:
            cursor, name = lane.cursor, lane.anchor.name
            if cursor is None:
                continue
            if cursor.size > checkpoint.size:
                await self._stop(QuarantineError("outbox_cursor_ahead", anchor=name, size=checkpoint.size, witness_size=cursor.size))
            elif not lane.root_checked and cursor.size > 0:
                await self._blocking(partial(checked_proof, self._chain.subtree, cursor.size, checkpoint))
                if await self._blocking(partial(range_root, self._chain.subtree, 0, cursor.size)) != cursor.root:
                    await self._stop(QuarantineError("outbox_cursor_fork", anchor=name, size=cursor.size))
                lane.root_checked = True

    # ------------------------------------------------------------------------------------------ asking the anchors

    async def _drive(self, lane: Lane) -> None:
        while True:
            await lane.wake.wait()
            lane.wake.clear()
            while self._owed(lane) is not None:
                lane.hurry.clear()
                await self._try(lane)
                if lane.fault is not None and self._quarantine is None:
                    most = self._pace.retry_max_s if lane.fault.transient else self._pace.refused_max_s
                    delay_s = retry_delay_s(max(lane.failures, 1), self._pace.retry_first_s, most, self._random)
                    lane.retry_mono_ms = self._clock.mono_ms() + int(delay_s * 1000)
                    await wait_for(lane.hurry, delay_s)
                    lane.retry_mono_ms = None

    def _owed(self, lane: Lane) -> Offer | None:
        """Return the newest offer when this lane has not confirmed it and it may be sent."""
        return self._offer if self._quarantine is None and lane.done is not self._offer else None

    async def _try(self, lane: Lane) -> None:
        """Ask one anchor once; every outcome is kept in the lane."""
        self._busy += 1
        self._quiet.clear()
        try:
            await self._let_the_first_go(lane)
            async with lane.lock:
                offer = self._owed(lane)
                if offer is not None:
                    await self._submit(lane, offer)
        finally:
            lane.settled.set()
            self._busy -= 1
            if self._busy == 0:
                self._quiet.set()

    async def _finish(self, lane: Lane) -> None:
        """Ask an anchor for the last time, and bring its mirror what is left."""
        await self._try(lane)
        if lane.anchor.name in self._uploads:
            await self._uploads[lane.anchor.name].catch_up()

    async def _let_the_first_go(self, lane: Lane) -> None:
        """Wait a little for the first healthy anchor of the configuration to answer.

        A copy of this ledger has the same configuration, so both ask the same anchor first: one of them wins there, and the
        other stops before it could win at another one, which would stop both.
        """
        first = next((other for other in self._lanes if other.fault is None), lane)
        if first is not lane and first.done is not self._offer:
            await wait_for(first.settled, self._pace.lead_s)

    async def _submit(self, lane: Lane, offer: Offer) -> None:
        checkpoint, name = offer.checkpoint, lane.anchor.name

        async def prove(old: int) -> list[bytes]:
            if self._quarantine is not None:  # found by another lane meanwhile: not one more request
                raise AnchorError("ledger_quarantined", transient=False)
            return await self._blocking(partial(checked_proof, self._chain.subtree, old, checkpoint))

        try:
            async with asyncio.timeout(self._pace.submit_max_s):
                receipt = await lane.anchor.submit(offer.note, checkpoint, lane.cursor.size if lane.cursor else 0, prove)
            parse_receipt(receipt.encode())  # what no verifier could read must not get into the ledger
            if (receipt.anchor_id, receipt.size, receipt.root) != (name, checkpoint.size, checkpoint.root):
                raise AnchorError("anchor_broken", reason="another receipt")
        except QuarantineError as error:
            await self._stop(error)
        except TimeoutError:
            self._failed(lane, Fault("anchor_timeout", {"timeout_s": self._pace.submit_max_s}, transient=True))
        except LedgerError as error:
            self._failed(lane, Fault(error.code, error.params, getattr(error, "transient", True)))
        except Exception as error:
            self._failed(lane, Fault("anchor_broken", {"reason": type(error).__name__}, transient=True))
        else:
            lane.fault, lane.failures, lane.done = None, 0, offer
            lane.cursor = Cursor(checkpoint.origin, checkpoint.size, checkpoint.root, receipt.got_wall_ms)
            self._landed[name] = receipt
            self._has_landed.set()
            if name in self._uploads:
                self._uploads[name].wake()
            await self._save(lane)

    def _failed(self, lane: Lane, fault: Fault) -> None:
        lane.fault = fault
        lane.failures += 1

    async def _stop(self, error: QuarantineError) -> None:
        """Stop this epoch: at once in memory, then on disk."""
        if self._quarantine is None:
            self._quarantine = Quarantine(self._chain.origin, error.code, self._clock.wall_ms(), error.params)
            self._quarantine_saved = False
            await self._save_quarantine()

    # ------------------------------------------------------------------------------------------ keeping what came back

    async def _keep_receipts(self) -> None:
        while True:
            await self._has_landed.wait()
            await wait_for(self._quiet, self._pace.linger_s)
            if not await self._record():
                await asyncio.sleep(self._pace.every_s)

    async def _record(self) -> bool:
        """Append one entry with the receipts that landed; on a ledger fault they stay for the next time."""
        async with self._recording:
            self._has_landed.clear()
            landed, self._landed = self._landed, {}
            if not landed:
                return True
            receipts = [landed[lane.anchor.name] for lane in self._lanes if lane.anchor.name in landed]
            detail, body = receipts_entry(receipts)
            try:
                stored = await self._chain.append(Kind.RECEIPTS, detail, body)
            except LedgerError as error:
                self._fault = Fault(error.code, error.params, transient=True)
                self._landed = landed | self._landed
                self._has_landed.set()
                return False
            except asyncio.CancelledError:
                self._landed = landed | self._landed  # kept twice is harmless, lost is not
                raise
            if self._offer is None or stored.seq >= self._offer.checkpoint.size:
                self._own_seqs.append(stored.seq)
            return True

    # ------------------------------------------------------------------------------------------ mirrors

    async def _add_upload(self, lane: Lane) -> None:
        """Make the lane of an anchor that is a mirror too. Raises OSError."""
        anchor, chain, state = lane.anchor, self._chain, self._state
        if not isinstance(anchor, HoldsEntries) or anchor.mirror is None:
            return

        async def save(cursor: MirrorCursor) -> bool:
            return await self._written(lambda: save_mirror_cursor(self._disk, state, anchor.name, cursor))

        entries = self._entries or LedgerReader(self._disk, state, chain.epoch, head=lambda: chain.size)
        links = Links(lambda: lane.cursor if lane.done else None, lambda: self._quarantine is not None, self._stop, save)
        upload = Upload(
            anchor.mirror, chain, entries, links, self._clock, self._pace, self._random, None if self._thread else self._executor
        )
        upload.resume(await self._blocking(lambda: load_mirror_cursor(self._disk, state, anchor.name, chain.origin)))
        self._uploads[anchor.name] = upload

    # ------------------------------------------------------------------------------------------ small files

    def _load(self, lane: Lane) -> Cursor | None:
        return load_cursor(self._disk, self._state, lane.anchor.name, self._chain.origin)

    async def _save(self, lane: Lane, *, at_once: bool = False) -> None:
        cursor, now = lane.cursor, self._clock.mono_ms()
        if cursor is None or cursor is lane.saved or (self._quarantine is not None and not at_once):
            return
        if not at_once and lane.saved_mono_ms and now - lane.saved_mono_ms < self._pace.cursor_every_s * 1000:
            return
        if await self._written(lambda: save_cursor(self._disk, self._state, lane.anchor.name, cursor)):
            lane.saved, lane.saved_mono_ms = cursor, max(now, 1)

    async def _save_quarantine(self) -> None:
        found = self._quarantine
        if found is not None:
            self._quarantine_saved = await self._written(lambda: write_quarantine(self._disk, self._state, self._chain.epoch, found))

    async def _written(self, write: Callable[[], None]) -> bool:
        """Write a small file in our thread; tell whether that worked."""
        try:
            await self._blocking(write)
        except OSError as error:
            self._fault = Fault("outbox_store_failed", {"reason": type(error).__name__}, transient=True)
            return False
        return True

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
