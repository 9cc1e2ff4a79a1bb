"""The chain as evidence sees it: the numbers of tags are durable before the schema entry that uses them.

Room: hall, acquisition. `app` puts it between evidence and the chain. Where the file of numbers cannot be written (a full or read-only
disk), polling and showing go on and evidence stops, loudly, until it can: so no number is ever in the ledger and unknown at the next start.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from ledger_client.errors import StoreError
from ledger_client.schema import SchemaState
from runtime.acquisition.evidence import Appended, Ledger


class NumberedLedger:
    """Implements `evidence.Ledger`."""

    def __init__(self, ledger: Ledger, save: Callable[[], None], work: Executor) -> None:
        """`save` makes the numbers in use durable, at once when they are; it blocks and raises OSError. It runs in `work`."""
        self._ledger, self._save, self._work = ledger, save, work

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        """See evidence.Ledger."""
        return await self._ledger.append(kind, detail, body, reserve=reserve)

    async def append_schema(self, new: SchemaState) -> Appended | None:
        """See evidence.Ledger. Raises StoreError `tag_numbers_unsaved` as well."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._work, self._save)
        except OSError as error:
            raise StoreError("tag_numbers_unsaved", errno=errno.errorcode.get(error.errno or 0, "unknown")) from error
        return await self._ledger.append_schema(new)
