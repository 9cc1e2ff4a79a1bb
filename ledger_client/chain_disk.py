"""The chain's hold on its segment files: the evidence executor, the step ahead, and what a disk error means.

Room: ground. Only `chain` and its lane call it, on the loop but for `put`. A write or flush that fails stops it for this process
(`fault`); a lack of space does not, because it shows while the next segment is being prepared and never inside a record.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from ledger_client.chain_index import NO_SPACE, ChainIndex
from ledger_client.errors import StoreError
from ledger_client.merkle import leaf_hash
from ledger_client.records import Header
from ledger_client.segments import SegmentStore

Result = TypeVar("Result")


class ChainDisk:
    """`disk_full` is True while there is no space for a next segment; `fault` is final."""

    def __init__(self, executor: Executor) -> None:
        """`store` and `index` are set once the ledger has been recovered; without a store nothing may be written."""
        self._executor = executor
        self._preparing: asyncio.Future[None] | None = None
        self.store: SegmentStore | None = None
        self.index: ChainIndex | None = None
        self.disk_full = False
        self.fault: StoreError | None = None

    @property
    def is_settled(self) -> bool:
        """Whether no step towards the next segment is under way or unjudged."""
        return self._preparing is None

    def run(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run a blocking call in the evidence executor; calls run in the order they were made."""
        return asyncio.get_running_loop().run_in_executor(self._executor, call)

    def put(self, store: SegmentStore, entry: bytes, body: bytes) -> None:
        """Write and flush one record, then take its leaf into the index. Blocking, in the evidence thread. Raises OSError."""
        store.write(entry, body)
        if self.index is not None:
            self.index.append(leaf_hash(entry))

    def fail(self, error: OSError) -> StoreError:
        """Stop for good and return why."""
        code = "disk_read_only" if error.errno == errno.EROFS else "disk_error"
        self.fault = self.fault or StoreError(code, errno=errno.errorcode.get(error.errno or 0, "?"))
        return self.fault

    async def write(self, make: Callable[[], bytes], store: SegmentStore) -> bytes:
        """Run what signs, writes and flushes one record; return what it returns. Raises SignerError as it does, StoreError."""
        await self._finish_preparing(store)
        try:
            made = await self.run(make)
        except OSError as error:
            raise self.fail(error) from error
        if store.is_unprepared:
            self._preparing = self.run(store.prepare)
        return made

    async def roll(self, store: SegmentStore, header: Header, room: int) -> None:
        """Open the next segment. Raises StoreError: `disk_full` (nothing has changed), or the fault."""
        await self._finish_preparing(store)
        try:
            if self.index is not None:
                await self.run(self.index.flush)
        except OSError as error:
            # Without space the index waits in memory; after a crash it is built again.
            if error.errno not in NO_SPACE:
                raise self.fail(error) from error
        try:
            await self.run(partial(store.roll, header, room))
        except StoreError:
            self.disk_full = True
            raise
        except OSError as error:
            await self._no_space(store, error)
            raise StoreError("disk_full", needed=room, free=0) from error
        self.disk_full = False

    async def release(self) -> None:
        """Close all files."""
        if self.store is not None:
            with suppress(StoreError):
                await self._finish_preparing(self.store)
            await self.run(self.store.close)
        if self.index is not None:
            await self.run(self.index.close)

    async def _finish_preparing(self, store: SegmentStore) -> None:
        """Wait for the step towards the next segment that may still be under way."""
        waiting, self._preparing = self._preparing, None
        if waiting is not None:
            try:
                await waiting
            except OSError as error:
                await self._no_space(store, error)

    async def _no_space(self, store: SegmentStore, error: OSError) -> None:
        """Give back a half-made segment; any other error than a lack of space stops the chain."""
        if error.errno not in NO_SPACE:
            raise self.fail(error) from error
        self.disk_full = True
        try:
            await self.run(store.drop_draft)
        except OSError as second:
            raise self.fail(second) from second
