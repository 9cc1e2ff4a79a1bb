"""The judge: has each model that the core orders follow the ledger, tells the core what they say, answers its questions. Dies alone.

Room: hall, judgement; the judge's process, which `__main__` runs niced. It learns the durable head from the feed and reads the ledger's
files itself; it holds no key and writes nothing but models that it has learned. Models run in the worker, a process below it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from ledger_client.details import is_hash
from ledger_client.disk import Disk
from ledger_client.errors import LedgerError
from ledger_client.reader import LedgerReader, epochs
from models.gatekeeper import check_model
from models.model_fault import ModelFault, WorkerFault
from models.worker_client import Worker
from runtime.faces.feed import JUDGE, RequestRefusedError, Session
from runtime.faces.feed_client import FeedClient
from runtime.faces.feed_server import FeedServer
from runtime.history.service import Nothing
from runtime.judgement.core_link import CoreLink, Order, Orders, StaleError
from runtime.judgement.learning import Learning
from runtime.judgement.model_task import Ledger, ModelTask
from runtime.judgement.orders import FACE as CORE
from runtime.judgement.orders import SOCKET
from runtime.judgement.score_query import checked, curve
from runtime.judgement.store import Kept, ModelStore, require_trust

LIVE_S: Final = 1.0
LOOK_S: Final = 3.0
"""How often the files of models in use are hashed again: one that was changed on the disk is not used any longer."""
REST_S: Final = 2.0
TRIAL: Final = " trial"
"""Key of a model that is only looked at; no model can have this name."""


class AnotherEpochError(Exception):
    """The core works on another epoch: this process ends and is started afresh."""


@dataclass(slots=True)
class Working:
    """A model under way: its order, what was loaded for it, its task."""

    order: Order
    kept: Kept
    model: ModelTask
    task: asyncio.Task[None]


@dataclass(slots=True)
class Judge:
    """One judge. `serve` until cancelled."""

    disk: Disk
    state: Path
    sockets: Path
    worker: Worker
    _working: dict[str, Working] = field(default_factory=dict)
    _failed: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """Models that failed at work, and which work: not tried again before they get another, or the judge is started anew."""
    _again: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self) -> None:
        """Wait for the core's first word, then judge. Raises ExceptionGroup of AnotherEpochError when the epoch changes."""
        feed = FeedClient(self.sockets / "feed.sock", JUDGE, self._listen, values=False)
        async with feed, asyncio.TaskGroup() as group:
            group.create_task(feed.run(), name="feed")
            while not feed.health.get("ledger", {}).get("size"):
                self._heard.clear()
                await self._heard.wait()
            epoch = int(feed.health["ledger"]["epoch"])
            core, store = CoreLink(feed), ModelStore(self.disk, self.state / "models")
            learning = Learning(core, self.state)
            nothing = Nothing()

            async def answer(session: Session, method: str, params: Mapping[str, Any]) -> Any:
                return await self._answer(session, method, params, feed, store, learning)

            server = FeedServer(self.sockets / SOCKET, nothing, nothing, nothing, answer, mode=0o600)
            async with server, asyncio.TaskGroup() as inner_group:
                inner_group.create_task(server.run(), name="judge server")
                inner_group.create_task(learning.run(), name="learning")
                inner_group.create_task(self._watch_epoch(feed, epoch), name="epoch")
                inner_group.create_task(self._orders(core, feed, store, epoch, inner_group), name="orders")

    # ----------------------------------------------------------------------------------------------------------- orders
    async def _orders(self, core: CoreLink, feed: FeedClient, store: ModelStore, epoch: int, group: asyncio.TaskGroup) -> None:
        """Keep what is under way as the core wants it; tell it the newest cells."""
        loop = asyncio.get_running_loop()
        orders, looked_s = await core.sync(fresh=True), loop.time()
        await self._arrange(orders, core, feed, store, epoch, group)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIVE_S):
                    await self._again.wait()
            book = await core.live(*self._live(feed))
            if self._again.is_set() or (book is not None and book != orders.book) or loop.time() - looked_s >= LOOK_S:
                self._again.clear()
                orders, looked_s = await core.sync(fresh=False), loop.time()
                await self._arrange(orders, core, feed, store, epoch, group)

    async def _arrange(
        self, orders: Orders, core: CoreLink, feed: FeedClient, store: ModelStore, epoch: int, group: asyncio.TaskGroup
    ) -> None:
        wanted = {order.name: order for order in orders.models}
        for name, working in list(self._working.items()):
            order = wanted.get(name)
            if order is None or order.work != working.order.work or working.task.done() or not self._is_unchanged(working.kept, store):
                await self._end(name)
            else:
                working.order = working.model.order = order
        for name, order in wanted.items():
            if name in self._working or self._failed.get(name) == order.work:
                continue
            try:
                await self._begin(order, orders, core, feed, store, epoch, group)
            except (ModelFault, WorkerFault) as fault:
                if not (isinstance(fault, WorkerFault) and fault.is_passing):
                    await core.insist({"what": "refused", "name": name, "code": fault.code, "params": dict(fault.params)})
            except (LedgerError, OSError) as error:
                structlog.get_logger("judge").warning("model_not_begun", name=name, reason=str(error))

    async def _begin(
        self, order: Order, orders: Orders, core: CoreLink, feed: FeedClient, store: ModelStore, epoch: int, group: asyncio.TaskGroup
    ) -> None:
        """Load a model, once everything about it holds, and have it follow. Raises ModelFault, WorkerFault, LedgerError, OSError."""
        kept = store.load(order.manifest)
        vouching, seq = order.trust or (epoch, None)
        ledger = LedgerReader(self.disk, self.state, vouching) if vouching in epochs(self.disk, self.state) else None
        require_trust(kept, ledger, seq, orders.trusted_keys)
        await self.worker.load(order.name, check_model(kept.model, kept.manifest.model_sha256))
        reader = LedgerReader(self.disk, self.state, epoch, head=lambda: _size(feed))
        seen = Ledger(reader, lambda: _size(feed), lambda seq: self._moved(feed, seq), lambda: int(feed.health.get("now_ms", 0)))
        model = ModelTask(order, kept, seen, self.worker, core, orders.receipt_every_ms)
        task = group.create_task(self._keep(model, core), name=f"model {order.name}")
        self._working[order.name] = Working(order, kept, model, task)
        structlog.get_logger("judge").info("model_begun", name=order.name, manifest=order.manifest.hex()[:12])

    async def _keep(self, model: ModelTask, core: CoreLink) -> None:
        """Run one model; what ends it ends it alone, and the orders are looked at again."""
        name = model.order.name
        try:
            await model.run()
        except StaleError:
            await asyncio.sleep(REST_S)
        except (ModelFault, WorkerFault) as fault:
            if isinstance(fault, WorkerFault) and fault.is_passing:  # a busy machine, a kill: not the model's, until it is too often
                await asyncio.sleep(REST_S)
            else:
                self._failed[name] = model.order.work
                await core.insist({"what": "refused", "name": name, "code": fault.code, "params": dict(fault.params)})
        except (LedgerError, OSError) as error:
            structlog.get_logger("judge").warning("model_rests", name=name, reason=str(error))
            await asyncio.sleep(REST_S)
        self._again.set()

    async def _end(self, name: str) -> None:
        working = self._working.pop(name)
        working.task.cancel()
        await asyncio.wait([working.task])
        await self.worker.drop(name)

    def _is_unchanged(self, kept: Kept, store: ModelStore) -> bool:
        try:
            return store.holds(kept)
        except OSError:
            return False

    # -------------------------------------------------------------------------------------------------------- questions
    async def _answer(
        self, session: Session, method: str, params: Mapping[str, Any], feed: FeedClient, store: ModelStore, learning: Learning
    ) -> Any:
        if session.face != CORE or session.uid not in {0, os.getuid()}:
            raise RequestRefusedError("permission_denied", action=method)
        reader, size = LedgerReader(self.disk, self.state, int(feed.health["ledger"]["epoch"])), _size(feed)
        try:
            match method:
                case "learn":
                    learning.begin(params)
                    return {}
                case "examine":
                    return await self._examine(store, params)
                case "scores":
                    return await asyncio.to_thread(curve, reader, size, params)
                case "check":
                    manifest = store.load(_manifest(params)).manifest
                    return await asyncio.to_thread(checked, reader, size, params, manifest.threshold)
        except (ModelFault, WorkerFault, LedgerError) as error:
            raise RequestRefusedError(error.code, **error.params) from error
        except OSError as error:
            raise RequestRefusedError("file_missing", path=str(error.filename)) from error
        raise RequestRefusedError("method_unknown", method=method)

    async def _examine(self, store: ModelStore, params: Mapping[str, Any]) -> dict[str, Any]:
        """Let the gatekeeper look at a model, and the worker load it once. Raises ModelFault, WorkerFault, OSError."""
        kept = store.load(_manifest(params))
        model = check_model(kept.model, kept.manifest.model_sha256)
        await self.worker.load(TRIAL, model)
        await self.worker.drop(TRIAL)
        return {"inputs": model.input.columns, "outputs": model.output.columns}

    # ------------------------------------------------------------------------------------------------------------- feed
    def _listen(self, what: str, _data: Any) -> None:
        if what == "health":
            self._heard.set()
            self._heard = asyncio.Event()

    async def _moved(self, feed: FeedClient, seq: int) -> None:
        while _size(feed) <= seq:
            await self._heard.wait()

    async def _watch_epoch(self, feed: FeedClient, epoch: int) -> None:
        while feed.health.get("ledger", {}).get("epoch", epoch) == epoch:
            await self._heard.wait()
        raise AnotherEpochError

    def _live(self, feed: FeedClient) -> tuple[list[list[Any]], int]:
        working = list(self._working.values())
        rows = [each.model.live.row() for each in working if each.model.live is not None]
        now_ms = int(feed.health.get("now_ms", 0))
        behind = [now_ms - each.model.at_ms for each in working if each.model.at_ms is not None and each.model.is_behind]
        return rows, max([0, *behind])


def _size(feed: FeedClient) -> int:
    return int(feed.health.get("ledger", {}).get("size", 0))


def _manifest(params: Mapping[str, Any]) -> bytes:
    found = params.get("manifest")
    if not isinstance(found, bytes) or not is_hash(found):
        raise ModelFault("model_missing", {"manifest": "?"})
    return found
