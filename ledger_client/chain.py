"""The chain: entries in their order, each signed, written and flushed before anybody hears of it.

Room: ground. Evidence, the door, the outbox and the supervisor append through the one `Chain` of the process. Requests are
served one at a time by one task, so a caller that is cancelled never leaves half an entry behind. It never retries after a
disk error, never re-orders, and never returns, counts or publishes an entry before its fdatasync.

Ordinary entries take the fast lane (append_lane.py); everything else is carried out alone, after what is in the lane.

States: `ok`; `read_only` (damage or rollback: nothing may be added until an operator decides); `failed` (the disk refused a
write or flush: a restart recovers). A full disk is neither: `disk_full` is raised by the one append, entries of the
reserve still go in, and the next append tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger_client.append_lane import AppendLane, Start
from ledger_client.chain_disk import ChainDisk
from ledger_client.chain_index import ChainIndex
from ledger_client.chain_seams import Appended, ChainState, Clock, Signer
from ledger_client.checkpoint import Checkpoint
from ledger_client.details import EMPTY_BODY_HASH, body_commitment, check_detail
from ledger_client.disk import Disk
from ledger_client.entry import ENTRY_SIZE_MAX, ZERO_HASH, Payload, assemble
from ledger_client.errors import CorruptError, FormatError, LedgerError, SignerError, StoreError
from ledger_client.heads import Heads
from ledger_client.kinds import FOREIGN_KIND_MIN, Kind
from ledger_client.merkle import Frontier, leaf_hash
from ledger_client.note import Note
from ledger_client.opening import make_ledger, open_ledger
from ledger_client.reader import epochs
from ledger_client.records import Header, record_size
from ledger_client.request_line import RequestLine
from ledger_client.schema import SchemaState
from ledger_client.segments import SegmentShape, SegmentStore

REQUESTS_MAX = 64
ENVELOPE_BYTES = 160
"""What COSE adds to a payload, generously."""
SIGNER_STOPS = frozenset({"signer_rollback", "signer_ledger_damaged", "signer_key_differs", "signer_head_damaged"})
"""What only an operator can resolve."""


class Chain:
    """The ledger of one epoch, open for appending. Enter it with `async with`; see the module's docstring for its states."""

    def __init__(
        self, disk: Disk, state: Path, signer: Signer, clock: Clock, words: tuple[str, str] | None, epoch: int | None,
        shape: SegmentShape, executor: Executor | None,
    ) -> None:  # fmt: skip
        """Use `Chain.open` or `Chain.create`. `words` = version and board of the boot entry."""
        self._disk = disk
        self._root = state
        self._signer = signer
        self._clock = clock
        self._words = words
        self._shape = shape
        self._own_executor = ThreadPoolExecutor(1, "evidence") if executor is None else None
        self._pen = ChainDisk(executor or self._own_executor or ThreadPoolExecutor(1))
        self._stack = AsyncExitStack()
        self._lane = AppendLane(self, signer, clock, self._pen)
        self._line = RequestLine(REQUESTS_MAX, before_each=self._lane.drained)
        self._callbacks: list[Callable[[int], None]] = []
        self.newest: Payload | None = None
        """The signed part of the entry that became durable last, None before the first of this process."""
        self._boot = 0
        self._boot_due: tuple[Any, ...] | None = None
        self._signer_stale = True
        self._note: tuple[int, str] | None = None
        self._tree = Frontier()
        self._refusal: LedgerError | None = None
        self.epoch = -1 if epoch is None else epoch
        self.head_hash = ZERO_HASH
        self.heads = Heads("", 0, 0, 0, 0, None, None, (b"", 0), ZERO_HASH, None)
        self.schema = SchemaState()

    @classmethod
    def open(
        cls, disk: Disk, state: Path, signer: Signer, clock: Clock, *, version: str, board: str, epoch: int | None = None,
        shape: SegmentShape | None = None, executor: Executor | None = None,
    ) -> Chain:  # fmt: skip
        """Return the chain of an epoch (the newest by default); entering it recovers the ledger and writes the boot entry.

        Entering raises StoreError `ledger_missing` when there is none. Any other fault does not raise: it leaves `state` and `fault`
        set, so that reading and showing can go on. A boot entry that has no space or no signer yet goes before the next entry.
        """
        return cls(disk, state, signer, clock, (version, board), epoch, shape or SegmentShape(), executor)

    @classmethod
    async def create(
        cls, disk: Disk, state: Path, signer: Signer, clock: Clock, *, origin: str, epoch: int = 1, next_key_hashes: tuple[bytes, ...] = (),
        previous: tuple[str, int, bytes] | None = None, policy_hash: bytes = EMPTY_BODY_HASH, shape: SegmentShape | None = None,
        executor: Executor | None = None,
    ) -> None:  # fmt: skip
        """Make a ledger and its genesis entry; an interrupted attempt is completed. Raises StoreError, SignerError, OSError."""
        shape = shape or SegmentShape()
        make_ledger(disk, state, signer.public, shape, origin=origin, epoch=epoch, policy_hash=policy_hash)
        async with cls(disk, state, signer, clock, None, epoch, shape, executor) as chain:
            detail = (origin, epoch, signer.public.cose, next_key_hashes, previous, policy_hash)
            await chain.append(Kind.GENESIS, detail)

    @property
    def state(self) -> ChainState:
        """See the module."""
        return "failed" if self._pen.fault is not None else "ok" if self._refusal is None else "read_only"

    @property
    def fault(self) -> LedgerError | None:
        """Why `state` is not ok."""
        return self._pen.fault or self._refusal

    @property
    def disk_full(self) -> bool:
        """Whether the next segment has no space yet."""
        return self._pen.disk_full

    @property
    def size(self) -> int:
        """Durable entries."""
        return self._tree.size

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.heads.origin

    @property
    def tree_ready(self) -> bool:
        """Whether `subtree` can be asked; False while the index is built again in the background."""
        return self._pen.index is not None and self._pen.index.ready

    @property
    def reserve_left(self) -> int:
        """Bytes that entries of the reserve surely still have, even on a full disk."""
        return 0 if self._pen.store is None else self._pen.store.reserve_left

    def root(self) -> bytes:
        """Return the root of the durable entries."""
        return self._tree.root()

    def subtree(self, start: int, size: int) -> bytes:
        """Return the root of an aligned full subtree; see merkle.Subtree. Blocking: it reads the disk; call it from any thread.

        Raises StoreError `tree_not_ready`, ValueError, OSError.
        """
        if self._pen.index is None:
            raise self.fault or StoreError("tree_not_ready")
        return self._pen.index.subtree(start, size)

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call back with the new size after each durable entry, on the loop and without delay. Returns what ends it."""
        self._callbacks.append(callback)
        return partial(self._callbacks.remove, callback)

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        """Add an entry; return when it is durable. With `reserve` it may use what is kept for a full disk.

        Raises FormatError for a detail or body that does not fit the format, StoreError (`disk_full`: later again; others: the
        chain has stopped), SignerError. If the caller is cancelled the entry may become durable all the same.
        """
        detail = check_detail(kind, detail)
        committed = None if kind >= FOREIGN_KIND_MIN else body_commitment(kind, detail)
        if (committed or (0, EMPTY_BODY_HASH)) != (len(body), sha256(body).digest()):
            raise FormatError("body_differs", kind=kind, size=len(body))
        fast = partial(self._put, kind, detail, body)
        slow = partial(self._append_now, kind, detail, body, reserve=reserve)
        answer = fast() if self._line.idle else None
        appended = await (self._line.ask(slow, fast) if answer is None else answer)
        # A lane that was closed before the entry's turn leaves it to the slow line, which knows what to do about the fault.
        return await self._line.ask(slow) if appended is None else appended

    async def append_schema(self, new: SchemaState) -> Appended | None:
        """Bring the schema to `new` by a full entry or a delta; None when it is in force already. Raises as `append`."""
        return await self._line.ask(lambda: self._schema_now(new))

    async def checkpoint(self) -> str:
        """Return the signed note of the durable size. Raises SignerError, or the chain's fault when it has stopped."""
        return await self._line.ask(self._checkpoint_now)

    async def __aenter__(self) -> Self:
        """Recover, write the boot entry, start serving. See `open`."""
        async with AsyncExitStack() as stack:
            if self._own_executor is not None:
                stack.enter_context(self._own_executor)
            if self.epoch < 0:
                self.epoch = max(epochs(self._disk, self._root), default=-1)
            await self._recover()
            stack.push_async_callback(self._pen.release)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(self._line.serve(), name="chain")
            group.create_task(self._lane.watch(), name="append lane")
            index = self._pen.index
            if index is not None and not index.ready:
                group.create_task(index.rebuild(self._pen.run, lambda: self._line.closing), name="chain index")
            if self._boot_due is not None and self.state == "ok":
                with suppress(StoreError, SignerError):
                    await self._line.ask(self._boot_now)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Serve what has been asked, then close the files. Writes nothing: the closing entry is the caller's."""
        await self._line.close()
        await self._lane.drained()
        self._lane.close()
        # What went wrong in the caller's block stays the caller's: the task group must not wrap it, nor cancel the last request.
        await self._stack.__aexit__(None, None, None)

    # ------------------------------------------------------------------------------------------------ the one task

    async def _boot_now(self) -> None:
        if self._boot_due is not None:
            await self._add(Kind.BOOT, self._boot_due, b"", reserve=True)
            self._boot_due = None
            await self._state_schema_here()

    async def _append_now(self, kind: int, detail: tuple[Any, ...], body: bytes, *, reserve: bool) -> Appended:
        await self._boot_now()
        if kind != Kind.SCHEMA:
            return await self._add(kind, detail, body, reserve=reserve)
        # With thousands of tags this takes a tenth of a second and more: not on the loop.
        after = await self._pen.run(lambda: self.schema.apply(body, full=bool(detail[3])))
        if await self._pen.run(lambda: after.state_hash) != detail[2]:
            raise FormatError("schema_hash_differs", seq=self.size)
        appended = await self._add(kind, detail, body, reserve=reserve)
        self.schema = after
        return appended

    async def _schema_now(self, new: SchemaState) -> Appended | None:
        if self.heads.schema is None:
            body, full = await self._pen.run(new.full_body), 1
        else:
            delta = await self._pen.run(partial(self.schema.delta_to, new))
            if delta is None:
                return None
            body, full = delta, 0
        detail = (len(body), sha256(body).digest(), await self._pen.run(lambda: new.state_hash), full)
        return await self._append_now(Kind.SCHEMA, detail, body, reserve=False)

    async def _checkpoint_now(self) -> str:
        self._writable()
        await self._settle_signer()
        if self._note is None or self._note[0] != self.size:
            self._signer_stale = True
            signature = await self._pen.run(partial(self._signer.sign_checkpoint, self.size, self.root()))
            self._signer_stale = False
            text = Checkpoint(self.origin, self.size, self.root()).text
            self._note = (self.size, Note(text, (signature,)).encode())
        return self._note[1]

    async def _add(self, kind: int, detail: tuple[Any, ...], body: bytes, *, reserve: bool) -> Appended:
        """Make room, then the entry."""
        store = self._writable()
        await self._settle_signer()
        payload = self._payload(kind, detail)
        raw = payload.encode()
        needed = record_size(len(raw) + ENVELOPE_BYTES, len(body))
        if needed - len(body) > ENTRY_SIZE_MAX:
            raise FormatError("entry_too_long", size=needed - len(body))
        if store.fits(needed, reserve=False):
            return await self._make(store, payload, raw, body)
        try:
            schema = await self._roll(store, needed)
        except StoreError as error:
            if error.code != "disk_full" or not reserve or not store.fits(needed, reserve=True):
                raise
            schema = b""
        # Each segment states its schema first, so that it can be read by itself; but nothing of a boot stands before its boot entry.
        if schema and kind != Kind.BOOT:
            await self._state_schema(store, schema)
            payload = self._payload(kind, detail)
        appended = await self._make(store, payload, payload.encode(), body)
        if schema and kind == Kind.BOOT:
            await self._state_schema(store, schema)
        return appended

    async def _make(self, store: SegmentStore, payload: Payload, raw: bytes, body: bytes) -> Appended:
        """Sign, write and flush in one go in the executor; only then count the entry and tell."""
        self._signer_stale = True
        entry = await self._pen.write(partial(self._sign_and_write, store, raw, body), store)
        self._signer_stale = False
        return self.count(payload, entry, len(body))

    def count(self, payload: Payload, entry: bytes, body_len: int) -> Appended:
        """Take in a durable entry and tell the subscribers (for the lane)."""
        self._tree.append(leaf_hash(entry))
        self.head_hash = sha256(entry).digest()
        self.heads.apply(payload.kind, payload.seq, payload.boot, payload.mono_ms, payload.wall_ms, payload.detail)
        self.newest = payload
        for callback in tuple(self._callbacks):
            callback(self.size)
        return Appended(payload.seq, self.head_hash, record_size(len(entry), body_len))

    def stop(self, error: SignerError | OSError) -> SignerError | StoreError:
        """Note what closed the lane; return what to tell who asked (for the lane)."""
        self._signer_stale = True
        return self._pen.fail(error) if isinstance(error, OSError) else error

    def _put(self, kind: int, detail: tuple[Any, ...], body: bytes) -> asyncio.Future[Appended | None] | None:
        """Line an entry up in the lane if it needs nothing but its signature and its flush; nobody must wait in front of it."""
        ready = not self._line.closing and self.state == "ok" and not self._signer_stale
        store = self._pen.store
        if store is None or not (ready and self._boot_due is None and self.heads.boot == self._boot and self._pen.is_settled):
            return None
        return self._lane.put(store, self._start, kind, detail, body)

    def _start(self) -> Start:
        heads = self.heads
        return Start(self.size, self.head_hash, self._boot, heads.last_mono_ms, None if heads.receipt is None else heads.receipt[0])

    def _sign_and_write(self, store: SegmentStore, raw: bytes, body: bytes) -> bytes:
        """Return the durable entry. Blocking. Raises SignerError: nothing was written; OSError."""
        entry = assemble(self._signer.public, raw, self._signer.sign_entry(raw))
        self._pen.put(store, entry, body)
        return entry

    async def _roll(self, store: SegmentStore, needed: int) -> bytes:
        """Close the current segment and open the next; return the schema body that is to be stated in it, empty when there is none.

        Raises StoreError: `disk_full` (nothing has changed), or the fault that stopped the chain.
        """
        body = await self._pen.run(self.schema.full_body) if self.heads.schema is not None else b""
        room = needed + (record_size(512, len(body)) if body else 0)
        await self._pen.roll(store, Header(self.size, self.head_hash, tuple(self._tree.hashes), self.heads.copy()), room)
        return body

    async def _state_schema_here(self) -> None:
        """After a power cut between a roll-over and its schema entry: state the schema in this segment after all, if there is space."""
        store, named = self._writable(), self.heads.schema
        if named is not None and named[0] < store.first_seq:
            body = await self._pen.run(self.schema.full_body)
            if store.fits(record_size(512, len(body)), reserve=False):
                await self._state_schema(store, body)

    async def _state_schema(self, store: SegmentStore, body: bytes) -> None:
        payload = self._payload(Kind.SCHEMA, (len(body), sha256(body).digest(), self.schema.state_hash, 1))
        await self._make(store, payload, payload.encode(), body)

    async def _settle_signer(self) -> None:
        """Let the signer read the durable head again after anything that may have left it ahead of, or behind, the chain."""
        if not self._signer_stale:
            return
        try:
            found = await self._pen.run(partial(self._signer.begin, self.epoch))
            if found != (self.size, self.head_hash):
                raise SignerError("signer_out_of_step", size=self.size, signer_size=found[0])
        except SignerError as error:
            if error.code in SIGNER_STOPS:
                self._refusal = error
            raise
        self._signer_stale = False

    # ------------------------------------------------------------------------------------------------- parts

    def _payload(self, kind: int, detail: tuple[Any, ...]) -> Payload:
        heads, clock = self.heads, self._clock
        mono_ms = max(clock.mono_ms(), heads.last_mono_ms) if heads.boot == self._boot else clock.mono_ms()
        seen = None if heads.receipt is None else heads.receipt[0]
        return Payload(kind, self.size, self.head_hash, self._boot, mono_ms, clock.wall_ms(), clock.state(), seen, detail)

    def _writable(self) -> SegmentStore:
        fault = self.fault
        if fault is not None or self._pen.store is None:
            raise fault or StoreError("store_closed")
        return self._pen.store

    async def _recover(self) -> None:
        try:
            opened = await self._pen.run(partial(open_ledger, self._disk, self._root, self.epoch, self._shape))
        except CorruptError as error:
            self._refusal = error
            return
        except OSError as error:
            self._pen.fail(error)
            return
        seen = opened.seen
        self._pen.store, self._refusal, self.schema = opened.store, opened.fault, opened.schema
        self._pen.index = ChainIndex(self._disk, self._root, self.epoch, opened.files, opened.tree, (seen.header.first_seq, seen.leaves))
        self.heads, self._tree, self.head_hash = seen.heads, seen.tree, seen.head_hash
        self._boot = seen.heads.boot + 1
        if self._words is not None:
            if not seen.size:
                raise StoreError("ledger_missing", folder=str(self.epoch))
            unclean = int(seen.last_kind not in {Kind.CLOSE, Kind.GENESIS})
            self._boot_due = (*self._words, unclean, seen.torn_bytes)
