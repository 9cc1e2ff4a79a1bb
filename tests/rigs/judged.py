"""A ledger in memory that is judged: readings by exception, a small int8 model, the core's desk and a judge's task without sockets.

Room: tests. Everything but sockets, processes and the disk's files is the production code; the model runs in the real runtime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ledger_client.event_bodies import FindingBody, ModelBody
from ledger_client.heads import Heads
from ledger_client.kinds import Kind
from ledger_client.schema import SchemaState
from models.decision import DecisionSettings
from models.input_plan import InputPlan, TagInput
from models.litert import Runtime
from models.manifest import Coverage, Manifest, TensorForm
from runtime.config_model import Models
from runtime.faces.feed import RequestRefusedError, Session
from runtime.judgement.core_link import STALE, Orders, StaleError, read_orders
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.model_task import Ledger, ModelTask
from runtime.judgement.store import Kept
from tests.rigs.batches import BatchOf, ScanOf, schema_of
from tests.rigs.manifests import made
from tests.rigs.model_files import dense
from tests.rigs.small_log import SmallLog
from tests.simulation.disk import ShimDisk

START_MS = 1_700_000_000_000
TAGS = 4
FOLDER = Path("/state/models")
JUDGE = Session("judge", 0)


def plan(window: int = 10, grid_ms: int = 1000) -> InputPlan:
    """Four levels of group 1."""
    tags = tuple(TagInput(uid=uid, name=f"device1/t{uid}", unit="Cel", hold_ms=12_000) for uid in range(1, TAGS + 1))
    return InputPlan(tags=tags, grid_ms=grid_ms, window=window)


def model_bytes(seed: int = 3) -> bytes:
    """A dense int8 model of as many outputs as inputs."""
    return dense((2 * TAGS, 3, 2 * TAGS), seed).packed()


def manifest(model: bytes, name: str = "line", *, covered: bool = True, threshold: float = 60.0, window: int = 10) -> Manifest:
    """A manifest that fits `plan` and `model_bytes`."""
    form = TensorForm("int8", float(np.float32(0.06)), 0)
    return replace(
        made(), name=name, model_sha256=sha256(model).digest(), plan=plan(window), mean=(20.0,) * TAGS + (-1.0,) * TAGS,
        spread=(1.0,) * (2 * TAGS), residual=(1.0,) * (2 * TAGS), input=form, output_form=form,
        decision=DecisionSettings(threshold=threshold, needed=3, of=5, release=0.8, hold_off=20), bands=((18.0, 22.0),) * TAGS,
        ceilings=(1.0,) * TAGS,
        coverage=Coverage(covered, 0.0 if covered else 0.3, 0 if covered else 1800), limits={},
    )  # fmt: skip


class JudgedLog:
    """A SmallLog with wall times of its own, as a chain appends it and as a reader gives it. `withheld` bodies are gone."""

    epoch = 1

    def __init__(self, schema: SchemaState | None = None) -> None:
        self.log, self.schema, self.withheld = SmallLog(), schema or schema_of(TAGS), set[int]()
        self.wall_ms = START_MS
        self.refuse: Callable[[], None] = lambda: None
        schema_body = self.schema.full_body()
        self.add(Kind.SCHEMA, (len(schema_body), sha256(schema_body).digest(), self.schema.state_hash, 1), schema_body)

    @property
    def size(self) -> int:
        return self.log.size

    def add(self, kind: int, detail: tuple[Any, ...], body: bytes = b"") -> int:
        self.log.add(kind, detail, body, wall_ms=self.wall_ms)
        return self.log.size - 1

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> JudgedLog:
        await asyncio.sleep(0)
        self.refuse()
        self.seq = self.add(kind, detail, body)
        return self

    def entry(self, seq: int) -> bytes:
        return self.log.entries[seq]

    def body(self, seq: int) -> bytes | None:
        return None if seq in self.withheld else self.log.bodies[seq]

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        yield from self.log.entries[start:end]

    def schema_at(self, seq: int) -> SchemaState:
        return self.schema if seq else SchemaState()

    def heads(self, at: int) -> Heads:
        return Heads("o", 1, 1, 0, 0, None, None, (self.log.key.public.cose, 0), bytes(32), None)


@dataclass
class Plant:
    """Readings of four tags by exception: noise, now and then bad quality, a gap, an excursion."""

    log: JudgedLog
    rng: Random
    at_ms: int = START_MS
    reported: list[float] = field(default_factory=lambda: [0.0] * TAGS)
    dead: frozenset[int] = frozenset()
    """Places of tags that have no good value."""
    stuck: frozenset[int] = frozenset()
    """Places of tags whose value stays what it was."""

    def batch(self, seconds: int = 5, *, away: float = 0.0) -> None:
        """Append what `seconds` of it give."""
        scans: list[ScanOf] = []
        for _ in range(seconds * 2):
            self.at_ms += 500
            values = [20.0 + tag + self.rng.gauss(0, 0.6) + away * (tag == 1) for tag in range(TAGS)]
            values = [self.reported[tag] if tag in self.stuck else value for tag, value in enumerate(values)]
            present = [abs(value - old) > 0.5 or self.rng.random() < 0.2 for value, old in zip(values, self.reported, strict=True)]
            if any(present):
                self.reported = [v if p else old for v, old, p in zip(values, self.reported, present, strict=True)]
                statuses = [0x80050000 if self.rng.random() < 0.01 or tag in self.dead else 0 for tag in range(TAGS)]
                scans.append(ScanOf(1, self.at_ms + self.rng.randrange(300), None, list(values), statuses, present))
        sealed = BatchOf(self.log.schema, scans).seal()
        self.log.wall_ms = self.at_ms + 400
        self.log.add(Kind.BATCH, sealed.detail, sealed.body)
        if self.rng.random() < 0.03:
            self.log.add(Kind.GAP, ((1, self.at_ms - 2000, self.at_ms, "timeout", 4),))

    def silence(self, seconds: int) -> None:
        """Nothing for so long."""
        self.at_ms += seconds * 1000


@dataclass
class LogClock:
    """Wall time of the log; time since boot that a tenth of a second passes with every look at it."""

    log: JudgedLog
    now_ms: int = 0

    def wall_ms(self) -> int:
        return self.log.wall_ms

    def mono_ms(self) -> int:
        self.now_ms += 100
        return self.now_ms

    def state(self) -> int:
        return 2

    async def sleep_until_mono(self, mono_ms: int) -> None:
        self.now_ms = max(self.now_ms, mono_ms)


class InProcess:
    """The worker's `run`, in this process: the same runtime."""

    def __init__(self, model: bytes) -> None:
        self._runtime = Runtime(model)

    async def run(self, key: str, rows: Any) -> Any:
        return self._runtime.run(rows)


class Link:
    """The judge's link to a desk without a socket; `lose` makes answers go missing."""

    def __init__(self, desk: JudgementDesk) -> None:
        self.desk = desk
        self.lose: Callable[[], bool] = lambda: False

    async def sync(self, *, fresh: bool) -> Orders:
        return read_orders(await self.desk.answer(JUDGE, {"what": "sync", "fresh": fresh}))

    async def record(self, what: str, body: bytes) -> int:
        try:
            answer = await self.desk.answer(JUDGE, {"what": what, "body": body})
        except RequestRefusedError as refused:
            if refused.code in STALE:
                raise StaleError from refused
            raise
        if self.lose():
            raise LostError
        return int(answer["seq"])


class LostError(Exception):
    """The judge was killed while it waited for an answer."""


@dataclass
class Judged:
    """Log, plant, desk and one model that is trusted and scores."""

    log: JudgedLog
    plant: Plant
    desk: JudgementDesk
    link: Link
    kept: Kept
    clock: LogClock
    outputs: InProcess

    async def begin(self) -> ModelTask:
        """What a judge does that has just started."""
        orders = await self.link.sync(fresh=True)
        ledger = Ledger(self.log, lambda: self.log.size, _never, lambda: self.log.wall_ms)
        return ModelTask(orders.models[0], self.kept, ledger, self.outputs, self.link, orders.receipt_every_ms)

    async def follow(self, task: ModelTask) -> None:
        """Take everything that is durable."""
        while task.is_behind:
            await task.step()


async def judged(seed: int = 1, *, state: str = "armed", receipt_every_s: float = 7.0, work: ThreadPoolExecutor) -> Judged:
    """Return a line with a model in that state, after a minute of readings."""
    log, model = JudgedLog(), model_bytes()
    plant = Plant(log, Random(seed))
    for _ in range(12):
        plant.batch()
    return await judged_log(log, plant, manifest(model), model, state=state, receipt_every_s=receipt_every_s, work=work)


async def judged_log(
    log: JudgedLog, plant: Plant, made_of: Manifest, model: bytes, *, state: str, receipt_every_s: float, work: ThreadPoolExecutor
) -> Judged:
    """Return a line over any log, with a model in that state from now on."""
    clock = LogClock(log)
    models = Models(enabled=True, receipt_every_s=receipt_every_s)
    disk = ShimDisk()
    disk.mkdir(FOLDER)
    desk = JudgementDesk(log, log, disk, FOLDER, clock, work, lambda: models)
    await desk.open()
    kept = desk.store.put(made_of.encoded(), model)
    told = {"rows": 3_412, "covered": True, "left_out": 96, "settling": 62}
    await desk.record(ModelBody(made_of.name, "checking", "learned", kept.manifest_hash, kept.manifest.model_sha256, told, bytes(16)))
    await desk.look_at_manifests()
    if state != "checking":
        await desk.record(ModelBody(made_of.name, "shadow", "model_shadow", kept.manifest_hash, kept.manifest.model_sha256, {}))
    if state == "armed":
        await desk.record(ModelBody(made_of.name, "armed", "model_armed", kept.manifest_hash, kept.manifest.model_sha256, {}))
    kept = desk.store.load(kept.manifest_hash)
    return Judged(log, plant, desk, Link(desk), kept, clock, InProcess(model))


async def _never(seq: int) -> None:
    raise AssertionError(seq)


def run(scenario: Callable[[ThreadPoolExecutor], Awaitable[Any]]) -> Any:
    """Run a scenario on a loop of its own, with a thread for what blocks."""
    with ThreadPoolExecutor(1) as work:
        return asyncio.run(scenario(work))


async def refused(desk: JudgementDesk, params: Any, session: Session = JUDGE) -> str:
    """Say a judge's word to the desk; return why it is refused, "" where it is taken."""
    try:
        await desk.answer(session, params)
    except RequestRefusedError as error:
        return error.code
    return ""


def finding(line: Judged, **changed: Any) -> dict[str, Any]:
    """A judge's word of a finding: tag 1 is stuck, but for what is changed."""
    found = FindingBody("line", line.kept.manifest_hash, "stuck", "device1/t1", 5, 0, True, None, None)
    return {"what": "finding", "body": replace(found, **changed).encode()}
