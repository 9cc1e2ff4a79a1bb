"""What became of commands: the newest acts that reach a device or turn the read-only switch, out of the ledger itself.

Room: hall, commands. The feed's request `command.history` comes here. It reads entries in a thread of its own, page by page, so that no act
waits for it; each once, newest entries last. It keeps the newest acts and forgets the others. It writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from ledger_client.entry import Payload, parse
from ledger_client.errors import FormatError
from ledger_client.kinds import INTENT, Kind
from runtime.acts import read_command

SHOWN: Final = ("command.confirm", "command.approve", "device.write", "device.call", "gateway.read_only")
KEPT_MAX: Final = 100
LOOK_BACK: Final = 5_000
"""Entries looked through for the first answer after a start: at one each five seconds, the last seven hours."""
PAGE: Final = 250
"""Entries read in one go: reading them takes the interpreter from the loop by turns."""
NOT_SHOWN: Final = "nonce"


class Entries(Protocol):
    """The part of `ledger_client.reader.LedgerReader` that the history uses. Blocking."""

    def size(self) -> int:
        """Return how many entries can be read."""
        ...

    def body(self, seq: int) -> bytes | None:
        """Return an entry's body."""
        ...

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored entries."""
        ...


class CommandHistory:
    """`newest` for faces."""

    def __init__(self, entries: Entries) -> None:
        """`entries` is read by nobody else."""
        self._entries, self._work = entries, ThreadPoolExecutor(1, thread_name_prefix="command history")
        self._reading = asyncio.Lock()
        self._acts: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._read_to: int | None = None

    async def newest(self) -> list[dict[str, Any]]:
        """Return the newest acts, newest first.

        Each {seq, at_ms, action, target, session, params, reason, code, told, outcome_seq}; `code` None while no outcome is recorded.
        """
        loop = asyncio.get_running_loop()
        async with self._reading:
            size = await loop.run_in_executor(self._work, self._entries.size)
            if self._read_to is None:
                self._read_to = max(0, size - LOOK_BACK)
            while self._read_to < size:
                until = min(size, self._read_to + PAGE)
                await loop.run_in_executor(self._work, self._read, self._read_to, until)
                self._read_to = until
            return [dict(row) for row in reversed(self._acts.values())]

    def close(self) -> None:
        """Let the thread end."""
        self._work.shutdown(wait=False, cancel_futures=True)

    def _read(self, start: int, end: int) -> None:
        for raw in self._entries.entries(start, end):
            with contextlib.suppress(FormatError):
                payload = parse(raw).payload
                if payload.kind == Kind.COMMAND:
                    self._take(payload)

    def _take(self, payload: Payload) -> None:
        act_id, phase, code, *_ = payload.detail
        if phase == INTENT:
            if code not in SHOWN:
                return
            told = read_command(phase, self._entries.body(payload.seq) or b"")
            params = {name: value for name, value in told["params"].items() if name != NOT_SHOWN}
            self._acts[act_id] = {
                "seq": payload.seq, "at_ms": payload.wall_ms, "action": code, "target": told["target"], "session": told["session"],
                "params": params, "reason": told["reason"], "code": None, "told": {}, "outcome_seq": None,
            }  # fmt: skip
            while len(self._acts) > KEPT_MAX:
                self._acts.popitem(last=False)
        elif act_id in self._acts:
            body = read_command(phase, self._entries.body(payload.seq) or b"")
            self._acts[act_id].update(code=code, told=body["params"], outcome_seq=payload.seq)
