"""The judge's end of its talk with the core: what it is to do, and what it says. Over the feed, with deadlines.

Room: hall, judgement; the judge's process. It retries what the core could not take yet and tells apart what must not be said again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger_client.body_words import is_name
from ledger_client.details import is_hash, is_int, is_uint
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient

ASK_S: Final = 10.0
REST_S: Final = 1.0
SAID: Final = "judge_said_before"
STALE: Final = frozenset({SAID, "judge_model_unknown", "judge_word_invalid"})
"""Answers after which the judge looks again at what it is to do, and where the ledger stands."""


class StaleError(Exception):
    """What was said is not what the core waits for: look again."""


@dataclass(frozen=True, slots=True)
class Order:
    """One model that is to score. `trust` = (epoch, seq); `told` = findings (rule, tag, at ms, phase) that the ledger has.

    `refused`: the ledger says that it is not used; once it has scored again the core must hear of it.
    """

    name: str
    state: str
    manifest: bytes
    trust: tuple[int, int] | None
    since_seq: int
    last_cell: int | None
    receipt_seq: int | None
    refused: bool
    told: tuple[tuple[str, str, int, int], ...]

    @property
    def work(self) -> tuple[bytes, int]:
        """What makes it another piece of work: with the same one, what is under way goes on."""
        return self.manifest, self.since_seq


@dataclass(frozen=True, slots=True)
class Orders:
    """What the judge is to do; `book` is the core's number for it."""

    models: tuple[Order, ...]
    book: int
    trusted_keys: tuple[bytes, ...]
    receipt_every_ms: int


class CoreLink:
    """Requests to the core, one feed connection."""

    def __init__(self, feed: FeedClient) -> None:
        self._feed = feed

    async def sync(self, *, fresh: bool) -> Orders:
        """Ask until the core says what to do."""
        while True:
            try:
                return read_orders(await self._ask({"what": "sync", "fresh": fresh}))
            except RequestRefusedError:
                await asyncio.sleep(REST_S)

    async def record(self, what: str, body: bytes) -> int:
        """Have a body recorded and return its seq, -1 for a finding that was. Waits as long as the ledger takes nothing.

        Raises StaleError.
        """
        while True:
            try:
                answer = await self._ask({"what": what, "body": body})
            except RequestRefusedError as refused:
                if what == "finding" and refused.code == SAID:
                    return -1  # an answer was lost; it is recorded
                if refused.code in STALE:
                    raise StaleError from refused
                await asyncio.sleep(REST_S)
            else:
                return int(answer["seq"])

    async def live(self, rows: list[list[Any]], behind_ms: int) -> int | None:
        """Tell the newest cells; return the number of the core's book, None when it did not take them."""
        return await self._book({"what": "live", "rows": rows, "behind_ms": behind_ms})

    async def say(self, word: Mapping[str, Any]) -> bool:
        """Say something once; True when the core took it."""
        try:
            await self._ask(word)
        except RequestRefusedError:
            return False
        return True

    async def insist(self, word: Mapping[str, Any]) -> None:
        """Say something until the core has taken it, or will not."""
        while True:
            try:
                await self._ask(word)
            except RequestRefusedError as refused:
                if refused.code in STALE:
                    return
                await asyncio.sleep(REST_S)
            else:
                return

    async def _book(self, word: Mapping[str, Any]) -> int | None:
        try:
            return int((await self._ask(word))["book"])
        except RequestRefusedError:
            return None

    async def _ask(self, word: Mapping[str, Any]) -> Any:
        return await self._feed.request("judgement", word, ASK_S)


def read_orders(answer: Any) -> Orders:
    """Read the core's answer. Raises RequestRefusedError for another shape: a core of another version."""
    match answer:
        case {"models": list(rows), "book": int(book), "trusted_keys": list(keys), "receipt_every_ms": int(every_ms)}:
            return Orders(tuple(_order(row) for row in rows), book, tuple(keys), every_ms)
    raise RequestRefusedError("judge_word_invalid")


def _order(row: Any) -> Order:
    match row:
        case {
            "name": name, "state": str(state), "manifest": manifest, "trust": trust, "since_seq": since, "last_cell": cell,
            "receipt_seq": receipt, "refused": bool(refused), "told": list(told),
        } if is_name(name) and is_hash(manifest) and is_uint(since):  # fmt: skip
            good = (cell is None or is_int(cell)) and (receipt is None or is_uint(receipt))
            if good and (trust is None or (isinstance(trust, list) and len(trust) == 2)):
                return Order(
                    name, state, manifest, None if trust is None else (trust[0], trust[1]), since, cell, receipt, refused,
                    tuple((a, b, c, d) for a, b, c, d in told),
                )  # fmt: skip
    raise RequestRefusedError("judge_word_invalid")
