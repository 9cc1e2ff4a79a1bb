"""The core, wired: every part, one task group, and the order in which they start and end.

Room: hall. `witnessmark run` calls `run_gateway`. It holds no rule of its own: what a part does stands in the part's file. The children
(see `children`) are never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import structlog

from drivers.driver import Driver, DriverError
from ledger_client.chain import Chain
from ledger_client.errors import LedgerError
from ledger_client.kinds import ClockState, Kind
from ledger_client.outbox import Outbox
from ledger_client.outbox_needs import Pace
from ledger_client.reader import LedgerReader
from runtime import first_start
from runtime.accounts.desk import AccountDesk
from runtime.acquisition.evidence import Evidence
from runtime.acquisition.field import Field
from runtime.acquisition.governor import Governor
from runtime.acquisition.live import Live
from runtime.acquisition.numbered import NumberedLedger
from runtime.acquisition.pipeline import Pipeline
from runtime.acquisition.unavailable import UnavailableDriver
from runtime.acts import ActJournal, Plain
from runtime.alarms.parts import Alarms
from runtime.cert_acts import certificate_acts
from runtime.children import Part, children_of
from runtime.clock_told import clock_told
from runtime.commands.wiring import open_desk
from runtime.commissioning.late import LateDesk
from runtime.config import Config
from runtime.config_second import ApproveEdit, WaitingEdits
from runtime.core_questions import core_questions
from runtime.diagnostics.log_ring import LogRing
from runtime.diagnostics.methods import BUNDLE as DIAG_BUNDLE
from runtime.diagnostics.wiring import diagnostics_of
from runtime.door import Door, Tenant
from runtime.door_tenants import ConfigEdit
from runtime.events import Events
from runtime.faces.feed import RequestRefusedError, Session
from runtime.faces.feed_server import FeedServer
from runtime.health import Health
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.orders import Orders
from runtime.judgement.tenants import ModelActs
from runtime.layout import Layout
from runtime.learned_maps import ForgetLearned, LearnedMaps
from runtime.loop_stall import LoopStall
from runtime.manual_enter import ManualEnter
from runtime.network.tenants import network_acts
from runtime.network.wiring import open_network
from runtime.outside import Outside, machine
from runtime.points import DevicePoints, number_points, schema_of
from runtime.questions import Questions
from runtime.revisions import Choice, Revision, Revisions
from runtime.run_folder import only_core
from runtime.supervisor import Supervisor
from runtime.version import VERSION

FLUSH_S: Final = 5.0
DRAIN_S: Final = 15.0
EDITED_BY_HAND: Final = "edited by hand"
WORK_THREADS: Final = 2
"""Of our own small blocking work. The loop's default executor is left to what may hang there: names that no DNS server answers."""
LOOK_THREADS: Final = 1
"""For looks at the network and the clock: tools of this machine, which may take seconds."""


async def run_gateway(
    state: Path, file: Path | None, stop: asyncio.Event, ready: Callable[[Config], None] = lambda _: None, log: LogRing | None = None
) -> None:
    """Run the core on a state folder until `stop` is set, then end in order.

    `file` is the config file (default: the one in the state folder); `ready` gets the configuration in force once polling has begun and the
    feed answers; `log` is what keeps the newest lines of this process.
    Raises ConfigError, LedgerError, OSError when it cannot start.
    """
    with only_core(Layout(state)) as run:
        await run_core(state, file, stop, ready, run=run, log=log)


async def run_core(
    state: Path,
    file: Path | None,
    stop: asyncio.Event,
    ready: Callable[[Config], None] = lambda _: None,
    *,
    run: Path,
    edited: str = EDITED_BY_HAND,
    log: LogRing | None = None,
) -> None:
    """Do what `run_gateway` does, for a caller that holds `only_core`, which gave `run`. `edited`: why a changed file changed."""
    if run != Layout(state).feed.parent:
        structlog.get_logger("core").warning("run_folder_elsewhere", state=str(state), folder=str(run))
    async with AsyncExitStack() as stack:
        core = await open_core(stack, machine(log), state, file, edited)
        server = await stack.enter_async_context(core.feed_server(run))
        await core.run({"feed": server.run, "loop stall": core.stall.run, **core.children(run)}, stop, lambda: ready(core.config))


async def open_core(stack: AsyncExitStack, outside: Outside, state: Path, file: Path | None = None, edited: str = EDITED_BY_HAND) -> Core:
    """Open a state folder, making it when it is new, and return its core, ready to run; `stack` closes it. Raises as `run_gateway`."""
    disk, clock, layout = outside.disk, outside.clock, Layout(state)
    layout.prepare(disk)
    revisions = Revisions(disk, layout, file or layout.config)
    choice = revisions.choose(first_start.recorded_revision(disk, state))
    config = choice.revision.config
    signer = await stack.enter_async_context(outside.signer(layout))
    await first_start.ensure_ledger(disk, layout, signer, clock, config, outside.shape)
    opening = Chain.open(disk, state, signer, clock, version=VERSION, board=config.gateway.board, shape=outside.shape)
    chain = await stack.enter_async_context(opening)
    anchors = [outside.make_anchor(each) for each in config.anchors]
    pace = Pace(every_s=config.evidence.anchor_every_s)
    outbox = await stack.enter_async_context(Outbox(chain, anchors, disk, state, clock, pace=pace, random=outside.random))
    reader = LedgerReader(disk, state, chain.epoch, head=lambda: chain.size)
    work = ThreadPoolExecutor(WORK_THREADS, thread_name_prefix="own work")
    stack.callback(work.shutdown, wait=False)
    core = Core(outside, layout, chain, outbox, revisions, choice, reader, work)
    stack.callback(core.accounts.close)
    stack.callback(core.commands.close)
    await asyncio.get_running_loop().run_in_executor(work, core.accounts.open)
    await core.record(choice, edited)
    return core


class Core:
    """The parts of one core process around an open chain."""

    def __init__(
        self, outside: Outside, layout: Layout, chain: Chain, outbox: Outbox, revisions: Revisions, choice: Choice, reader: LedgerReader,
        work: Executor,
    ) -> None:  # fmt: skip
        disk, clock = outside.disk, outside.clock
        self._outside, self._layout, self._chain, self._outbox, self._revisions = outside, layout, chain, outbox, revisions
        self._revision, config = choice.revision, choice.revision.config
        self._ids = first_start.load_ids(disk, layout)
        self._devices = number_points(config, self._ids)
        self._work, self._looks, self.log = work, ThreadPoolExecutor(LOOK_THREADS, thread_name_prefix="looks"), outside.log
        self._supervisor, self.live = Supervisor(), Live()
        outside.shared.newest = self.live.newest
        self._evidence = Evidence(
            NumberedLedger(chain, self._save_numbers, work), self.live, clock, schema_of(self._devices.values()),
            seal_every_s=config.evidence.seal_every_s, memory_max_bytes=config.evidence.memory_max_mb << 20,
            make_secret=lambda: outside.random.randbytes(32),
        )  # fmt: skip
        self._pipeline = Pipeline(self.live, self._evidence, lambda: clock.state() != ClockState.UNSET, clock.mono_ms)
        self._learned = LearnedMaps(disk, layout.private, work)
        self._learned.load()
        governor = Governor()
        self.stall = LoopStall(governor.note)
        self._field = Field(self._pipeline, clock, self._make_driver, self._supervisor, governor)
        past = LedgerReader(disk, layout.state, chain.epoch, head=lambda: chain.size)
        self._events = Events(past, chain.size, lambda: chain.newest, work)
        chain.subscribe(self._events.durable)
        judged = LedgerReader(disk, layout.state, chain.epoch, head=lambda: chain.size)
        self.desk = JudgementDesk(chain, judged, disk, layout.models, clock, work, lambda: self._revision.config.models)
        self._orders = Orders()
        self.accounts = AccountDesk(outside.accounts(layout), layout.private, disk, clock, lambda: self._revision.config, chain)
        self.alarms = Alarms(chain, disk, layout, clock, work, self.live, self._field, outbox, self._evidence, self.desk)
        self._pipeline.alarms = self.alarms.engine.watch
        models = ModelActs(self.desk, self._orders, judged, clock, lambda: self._devices)
        self.commands, writing = open_desk(
            self._field, self.live.known, lambda: self._revision, lambda: self._devices, clock, disk, layout.private, outside.random, work,
            self.accounts.self_approval, self.accounts.is_gone, LedgerReader(disk, layout.state, chain.epoch, head=lambda: chain.size),
        )  # fmt: skip
        self.waiting_edits = WaitingEdits(lambda: self._revision, clock, outside.random, self.accounts.is_gone, self.accounts.self_approval)
        self.network = open_network(clock, disk, layout.private, lambda: self._revision.config, self._looks)
        page = certificate_acts(disk, layout, lambda: self._revision.config, clock, work)
        self.diagnostics = diagnostics_of(self, self.log, outside.shared.recorders, disk, layout, clock, outside.random.randbytes)
        helping: dict[str, Tenant] = {DIAG_BUNDLE: self.diagnostics, **network_acts(self.network)}
        acts = self._tenants(writing, models.tenants(), self.accounts.tenants(), self.alarms.tenants(), page, helping)
        self._bench = LateDesk(
            lambda desk: desk(
                self._field, disk, layout, clock, work, lambda: self._revision,
                lambda: {name: uid for uid, name in self._ids.tags.rows()}, self.accounts.refuse_unless_may,
            ),
            work,
        )  # fmt: skip
        self.door = Door(chain, reader, ActJournal(disk, layout.private), acts, work, self.accounts)
        self.accounts.directories.carry_out = self.alarms.notifier.carry_out = self.network.carry_out = self.door.carry_out
        self.door.heard, self.commands.recordable = self.accounts.heard, self.door.require_recordable
        self.health = Health(
            clock, clock.wall_ms(), chain, outbox, self._evidence, self._field, self.door, self.stall, self._supervisor, self._events,
            lambda: self._revision, self.desk, self.commands, config_faults=choice.faults, network=self.network.health,
            edits_waiting=lambda: len(self.waiting_edits.waiting()),
        )  # fmt: skip
        self._questions = Questions(self.accounts.actor, core_questions(self, self._bench, self._orders, outside.shared.recorders))
        self._swap(self._devices, {name: self._driver_or_cause(points) for name, points in self._devices.items()})

    def _tenants(self, *others: Mapping[str, Tenant]) -> dict[str, Tenant]:
        """Return every kind of act: the core's own, and those of its parts."""
        own: dict[str, Tenant] = {
            "config.edit": ConfigEdit(lambda: self._revision, self._apply, self._work, self.waiting_edits),
            "config.approve": ApproveEdit(self.waiting_edits, self._apply),
            "learned.forget": ForgetLearned(self._learned),
            "manual.enter": ManualEnter(self._field, self.live, self._evidence.seal, lambda: self._devices),
        }
        return {name: tenant for part in (own, *others) for name, tenant in part.items()}

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._revision.config

    @property
    def revision(self) -> Revision:
        """The revision of the configuration in force."""
        return self._revision

    @property
    def field(self) -> Field:
        """The pollers."""
        return self._field

    def children(self, run: Path) -> dict[str, Part]:
        """Return the child processes that belong to the configuration in force; `run` is the folder for sockets."""
        return children_of(self.config, self._layout.state, run, self.log.relay)

    def feed_server(self, run: Path) -> FeedServer:
        """Return the feed's socket in the folder for sockets, not yet entered."""
        feed = self._revision.config.feed
        server = FeedServer(
            run / self._layout.feed.name,
            self.live,
            self.health,
            self._events,
            self.answer,
            mode=int(feed.mode, 8),
            group=feed.group or None,
            web_user=feed.web_user or None,
            judgement=self.desk,
            alarms=self.alarms.view,
        )
        self.health.faces = lambda: server.connected
        self._orders.sockets = run
        return server

    async def record(self, choice: Choice, edited: str = EDITED_BY_HAND) -> None:
        """Record a revision that the ledger does not know yet. A ledger that cannot be written says so itself; polling goes on."""
        revision, loop = choice.revision, asyncio.get_running_loop()
        if not choice.recorded:
            try:
                await loop.run_in_executor(self._work, self._revisions.store, revision)
                await self._chain.append(Kind.CONFIG, revision.detail("file", edited if revision.parent else "first start"))
            except (LedgerError, OSError):
                return  # unsettled, the file counts as edited at the next start as well, and is recorded then
        if choice.faults:  # the file stays as it is, for the one who edited it
            fault, count = choice.faults[0].text(str(self._revisions.file)), len(choice.faults)
            structlog.get_logger("core").warning("config_file_not_used", revision=revision.number, count=count, fault=fault)
        else:
            await loop.run_in_executor(self._work, self._settle, revision)

    async def run(self, others: Mapping[str, Part], stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Run every part and `others` until `stop`, then end them in order: door, field and alarms, evidence, outbox, close entry."""
        keep = self._supervisor.keep
        async with asyncio.TaskGroup() as group:
            field = group.create_task(keep("field", self._field.run), name="field")
            evidence = group.create_task(keep("evidence", self._evidence.run), name="evidence")
            outbox = group.create_task(keep("outbox", self._outbox.run), name="outbox")
            alarms = group.create_task(keep("alarms", self.alarms.run), name="alarms")
            rest = [
                group.create_task(keep(name, run), name=name)
                for name, run in {
                    "door": self.door.run,
                    "learned": self._learned.run,
                    "models": self.desk.run,
                    "bench": self._bench.run,
                    "diagnostics": self.diagnostics.run,
                    "alarm journal": self.alarms.record,
                    "accounts": self.accounts.run,
                    "network": self.network.run,
                    **others,
                }.items()
            ]
            ready()
            await stop.wait()
            await self.door.finish(DRAIN_S)
            self._field.stop()
            alarms.cancel()  # what is old or away from now on is so because we end: nobody is called for that
            await asyncio.wait([field, alarms], timeout=DRAIN_S)
            await self.accounts.log.flush()
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().run_in_executor(self._work, self._learned.save)
                await self.desk.save()
            self._evidence.close()
            drained, _ = await asyncio.wait([evidence], timeout=DRAIN_S)
            await self.alarms.close()
            await self._outbox.flush(FLUSH_S)
            for task in (field, evidence, outbox, *rest):
                task.cancel()
            await asyncio.wait([outbox])
            if drained:  # without a close entry the next start says that this end was not in order
                with contextlib.suppress(LedgerError):
                    await self._chain.append(Kind.CLOSE, ("stopped",), reserve=True)

    async def clock_told(self) -> Mapping[str, Any]:
        """Return what can be told of the clock, for a person."""
        told = await asyncio.get_running_loop().run_in_executor(self._looks, clock_told)
        clock, health = self._outside.clock, self.health.clock_health()
        return {**told, **health, "wall_ms": clock.wall_ms(), "boot_ms": clock.mono_ms(), "zone": self.config.gateway.zone}

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        """Answer a request of the feed. Raises RequestRefusedError."""
        return await self._questions.answer(session, method, params)

    async def _apply(self, revision: Revision, actor: str, reason: str) -> Mapping[str, Plain]:
        """Put a revision in force: store, record, swap at the next scan boundaries. Raises DriverError, LedgerError, OSError."""
        loop, before = asyncio.get_running_loop(), self._revision.config
        recorded = self._chain.heads.config
        if recorded is not None and recorded[0] > self._revision.number:
            raise RequestRefusedError("config_needs_restart", revision=recorded[0])
        ids = self._ids.copy()
        devices = number_points(revision.config, ids, self._devices)
        drivers = self._field.prepare(devices)
        await loop.run_in_executor(self._work, self._revisions.store, revision)
        await self._chain.append(Kind.CONFIG, revision.detail(actor, reason))
        with contextlib.suppress(OSError):  # it counts now; evidence saves them again before the schema that needs them
            await loop.run_in_executor(self._work, ids.save)
        self._ids, self._revision, self._devices = ids, revision, devices
        self._evidence.set_schema(schema_of(devices.values()))
        self._swap(devices, drivers)
        said = await loop.run_in_executor(self._work, self._settle, revision)
        waits = _of_the_start(before) != _of_the_start(revision.config)
        return {"revision": revision.number, "restart_needed": int(waits), **said}

    def _save_numbers(self) -> None:
        """Those of the revision in force; blocking."""
        self._ids.save()

    def _swap(self, devices: Mapping[str, DevicePoints], drivers: Mapping[str, Driver]) -> None:
        self.live.set_devices(devices.values())
        self._pipeline.set_devices(devices.values())
        self._field.apply(devices, drivers)
        self.alarms.set_up(self._revision.config, devices)

    def _settle(self, revision: Revision) -> dict[str, Plain]:
        """Let the config file say what is in force; a folder that we may not write keeps its file. Blocking.

        Returns where what somebody had edited in it by hand meanwhile is: `kept` in a copy, or it `waits` in the file itself.
        """
        log = structlog.get_logger("core")
        try:
            settled = self._revisions.settle(revision)
        except OSError as error:
            log.warning("config_file_stays", path=str(self._revisions.file), revision=revision.number, detail=str(error.strerror))
            return {}
        if settled.is_in_file:
            self.health.config_faults = ()
        else:
            log.warning("config_file_stays", path=str(self._revisions.file), revision=revision.number)
        if settled.kept is not None:
            log.warning("config_file_kept", path=str(settled.kept))
            return {"kept": str(settled.kept)}
        return {"waits": str(self._revisions.file)} if settled.waits else {}

    def _make_driver(self, points: DevicePoints) -> Driver:
        return self._outside.make_driver(points, self._learned.memory)

    def _driver_or_cause(self, points: DevicePoints) -> Driver:
        """At start a driver that cannot be made (a library is missing) must not keep the others from being polled."""
        try:
            return self._make_driver(points)
        except DriverError as error:
            return UnavailableDriver(error)


def _of_the_start(config: Config) -> tuple[object, ...]:
    """Return what is read at the start alone: of [web] all but `open_view`, which is looked at with each request."""
    models, web = config.models, config.web.model_dump(exclude={"open_view"})
    return config.gateway.name, config.evidence, web, config.history, config.feed, models.enabled, models.worker_memory_mb, config.anchors
