"""A day of the sim line, recorded, judged with kills, and replayed: every score comes out again to the bit.

Room: tests. The plant, pollers, report rules, batches, follower, model run, desk and replay are production; the model is any int8 model of
the line's tags: what it finds is another test's affair. Ten minutes in size fast, half an hour in size run, a day in size full.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from random import Random
from typing import Any, Final

import numpy as np
import pytest

from ledger_client.body import BatchBuilder
from ledger_client.kinds import Kind
from ledger_client.schema import SchemaState
from models.decision import DecisionSettings
from models.input_plan import InputPlan, TagInput
from models.input_stream import rows_of
from models.manifest import Manifest, TensorForm
from runtime.acquisition.batch import leaf_span
from runtime.judgement.follower import Follower
from runtime.judgement.replay import Replay
from runtime.points import schema_of
from tests.rigs.judged import JudgedLog, Plant, judged_log
from tests.rigs.manifests import made
from tests.rigs.model_files import dense
from tests.simulation.line_samples import SEAL_MS, recording
from tests.simulation.loop import VirtualClock, run

pytest.importorskip("ai_edge_litert", reason="needs the extra models")

FAULTS: Final = (("filler", "stuck_tag"), ("meter", "dead_device"), ("capper", "reboot"), ("filler", "dropout"), ("meter", "drift"))
LEARNED_S: Final = 240
LEVELS: Final = (
    "filler/product_temperature", "filler/head_pressure", "filler/fill_speed", "filler/motor_current", "filler/heater_power",
    "filler/fill_volume", "meter/power_total", "meter/frequency", "capper/torque_mean", "capper/speed",
)  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """One entry of the recording: kind, detail, body, and the wall time at which it was written."""

    kind: int
    detail: tuple[Any, ...]
    body: bytes
    wall_ms: int


def recorded(seed: int, seconds: int) -> tuple[SchemaState, list[Sealed]]:
    """Return what a gateway's ledger would hold of the line, faults now and then included."""

    async def program(clock: VirtualClock) -> tuple[SchemaState, list[Sealed]]:
        rng, found = Random(seed), []
        async with recording(clock, seed) as line:
            schema = schema_of(line.points.values())
            for step in range(seconds * 1000 // SEAL_MS):
                await asyncio.sleep(SEAL_MS / 1000)
                if step * SEAL_MS > LEARNED_S * 1000 and rng.random() < 0.01:
                    device, fault = rng.choice(FAULTS)
                    line.line.switch(device, fault, on=rng.random() < 0.5)
                builder = BatchBuilder(rng.randbytes(32), clock.wall_ms() - clock.mono_ms(), leaf_span(schema, SEAL_MS / 1000), schema)
                rows, line.recorder._rows = line.recorder._rows, []
                for read_ms, group, scan in rows:
                    builder.add(group, read_ms, scan.source_ms, list(scan.values), scan.statuses, scan.present)
                sealed = builder.seal(0)
                found.append(Sealed(Kind.BATCH, sealed.detail, sealed.body, clock.wall_ms()))
                if gaps := line.recorder._gaps.due(clock.mono_ms()):
                    found.append(Sealed(Kind.GAP, tuple(gaps), b"", clock.wall_ms()))
        return schema, found

    return run(program, seed=seed)


def model_of(log: JudgedLog) -> tuple[Manifest, bytes]:
    """Return a model of the line's levels, scaled by what the log holds."""
    uids = {each.name: each.uid for each in log.schema.descriptors.values()}
    tags = tuple(TagInput(uid=uids[name], name=name, hold_ms=150_000) for name in LEVELS)
    plan, width = InputPlan(tags=tags, window=30), 2 * len(LEVELS)
    follower, columns = Follower(log, 1, [tag.uid for tag in tags]), []
    while follower.next_seq < log.size:
        columns += [(plan.index_of(uid), at_ms, np.nan if value is None else value) for uid, at_ms, value, _ in follower.take().samples]
    index, times, values = (np.array(column) for column in zip(*columns, strict=True))
    features = rows_of(plan, index.astype(np.int64), times.astype(np.int64), values.astype(np.float64), int(times.max())).features
    model = dense((width, 5, width), 11).packed()
    form = TensorForm("int8", float(np.float32(0.06)), 0)
    manifest = replace(
        made(), name="line", model_sha256=sha256(model).digest(), plan=plan, mean=tuple(np.nanmean(features, axis=0).tolist()),
        spread=tuple((np.nanstd(features, axis=0) + 1e-3).tolist()), residual=(1.0,) * width, input=form, output_form=form,
        decision=DecisionSettings(threshold=3.0 * width, needed=3, of=5, release=0.8, hold_off=60), bands=((0.0, 1e6),) * len(LEVELS),
        ceilings=(1.0,) * len(LEVELS),
        limits={},
    )  # fmt: skip
    return manifest, model


def test_a_day_of_scores_is_reckoned_again_to_the_bit(seed: int, count: Callable[[int, int, int], int]) -> None:
    seconds = count(600, 1_800, 86_400)
    schema, sealed = recorded(seed, seconds)

    async def scenario(work: ThreadPoolExecutor) -> None:
        log, rng, kills = JudgedLog(schema), Random(seed), 0
        learned = LEARNED_S * 1000 // SEAL_MS
        for each in sealed[:learned]:
            log.wall_ms = each.wall_ms
            log.add(each.kind, each.detail, each.body)
        manifest, model = model_of(log)
        line = await judged_log(log, Plant(log, rng), manifest, model, state="armed", receipt_every_s=30.0, work=work)
        task = await line.begin()
        for each in sealed[learned:]:
            log.wall_ms = each.wall_ms
            log.add(each.kind, each.detail, each.body)
            if rng.random() < 0.02:
                kills += 1
                task = await line.begin()
            await line.follow(task)
        began = time.process_time()
        found = await Replay(log, line.kept.manifest, line.kept.manifest_hash, line.outputs, "line").run(0, log.size)
        assert found.differences == [], seed
        assert (found.verdict, found.not_recorded, found.not_here, found.skipped) == ("holds", 0, 0, 0), seed
        assert found.equal == found.cells >= (seconds - LEARNED_S) * 0.9
        print(f"seed {seed}: {found.receipts} receipts, {found.cells} scores of {seconds} s, {kills} kills: 0 differences", end="; ")
        print(f"replayed in {time.process_time() - began:.1f} s of CPU")

    with ThreadPoolExecutor(1) as work:
        asyncio.run(scenario(work))
