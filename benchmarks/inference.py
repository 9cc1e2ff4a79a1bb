"""CPU of judging one sample: features, the int8 model in the real runtime, the score; and what the worker holds in memory.

    python benchmarks/inference.py [--json]

For 8 and for 64 tags: readings of each tag every second, a linear model of two features per tag. The judge works on durable batches,
5 s of readings at a time, so that is how it is measured; one cell alone stands beside it. Baseline: the same with a float matrix product of
numpy in place of the model, so the ratio says what int8 and the runtime cost. Threads: one.

JSON keys, of "8" and "64":
  us_per_sample  CPU microseconds of one sample, p50 over batches of 5: features + invoke + score
  us_alone       the same with one cell at a time
  us_invoke      of it the model alone, in batches
  ratio          us_per_sample over the baseline's
  us_in_worker   CPU of judge and worker together per sample when the model runs in the worker, mean: pipes and frames included
  worker_rss_mb  resident memory of the worker, peak
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from models.decision import DecisionSettings
from models.flatbuffer import write_model
from models.gatekeeper import CheckedModel, check_model
from models.input_plan import InputPlan, TagInput
from models.input_stream import InputStream
from models.litert import Runtime
from models.manifest import Agreement, Coverage, Manifest, TensorForm
from models.quantise import INSIDE, Dense, quantised
from models.scorer import Scorer
from models.worker_client import Worker, used_by

cells = 3_000
together = 5
Run = Callable[[Any], Any]


def judged(tags: int) -> tuple[InputPlan, CheckedModel, Scorer, Dense]:
    """Return what judges so many tags."""
    plan = InputPlan(tuple(TagInput(uid=n + 1, name=f"tag {n}") for n in range(tags)))
    wide = len(plan.feature_names())
    random = np.random.default_rng(tags)
    layer = Dense(random.normal(0, 1 / wide, (wide, wide)), np.zeros(wide))
    raw = write_model(INSIDE, quantised([layer], random.normal(0, 1, (500, wide))), "benchmark")
    model = check_model(raw, hashlib.sha256(raw).digest())
    manifest = Manifest(
        name="benchmark",
        kind="linear",
        model_sha256=model.sha256,
        plan=plan,
        mean=(0.0,) * wide,
        spread=(1.0,) * wide,
        residual=(1.0,) * wide,
        input=TensorForm("int8", model.input.scale, model.input.zero_point),
        output_form=TensorForm("int8", model.output.scale, model.output.zero_point),
        output="reconstruction",
        normal_class=0,
        gather="sum",
        ceilings=(1.0,) * tags,
        decision=DecisionSettings(threshold=10.0),
        threshold_how="benchmark",
        coverage=Coverage(covered=True, alarmed_share=0.0, rows_wanted=0),
        int8_float=Agreement(0.0, 0.0),
        bands=((0.0, 1.0),) * tags,
        limits={},
        rows=cells,
        first_ms=0,
        last_ms=1,
        code_version="benchmark",
        recipe="",
        who="",
        made_ms=0,
    )
    return plan, model, Scorer(manifest), layer


def costs(plan: InputPlan, scorer: Scorer, run: Run, at_once: int) -> tuple[float, float]:
    """Return the p50 CPU microseconds of one sample, and those of `run` alone."""
    stream = InputStream(plan)
    values = np.random.default_rng(1).normal(0, 1, (cells, len(plan.tags))).tolist()
    all_us, run_us = [], []
    for first in range(0, cells, at_once):
        for cell in range(first, first + at_once):
            for tag, value in enumerate(values[cell]):
                stream.take(tag, cell * 1_000 + 500, value)
        began = time.process_time_ns()
        rows = stream.close_rows((first + at_once) * 1_000)
        features = rows.features[rows.usable]
        inputs = scorer.inputs(features)
        ready = time.process_time_ns()
        outputs = run(inputs)
        done = time.process_time_ns()
        scorer.judged(features, inputs, outputs)
        if first >= plan.window:
            all_us.append((time.process_time_ns() - began) / 1_000 / at_once)
            run_us.append((done - ready) / 1_000 / at_once)
    return statistics.median(all_us), statistics.median(run_us)


def plain(layer: Dense) -> Run:
    """Return the baseline: numpy's product, put into the model's own type so that the scorer reads it."""
    weights = layer.weights.T.copy()

    def run(inputs: Any) -> Any:
        return np.clip(np.rint((inputs * INSIDE.scale) @ weights / INSIDE.scale), -128, 127).astype(np.int8)

    return run


async def in_worker(model: CheckedModel) -> tuple[float, float]:
    """Return CPU microseconds of both processes per row, and the worker's peak in MB."""
    rows = np.random.default_rng(2).integers(-128, 128, (together, model.input.columns)).astype(np.int8)
    requests = 600
    async with Worker() as worker:
        await worker.load("m", model)
        await worker.run("m", rows)
        assert worker.pid is not None
        own, other = time.process_time(), used_by(worker.pid)
        for _ in range(requests):
            await worker.run("m", rows)
        used_s = time.process_time() - own + used_by(worker.pid) - other
        status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")
        peak_kb = int(status.split("VmHWM:")[1].split()[0])
    return used_s * 1e6 / requests / together, peak_kb / 1024


def main() -> None:
    """Measure and print."""
    figures: dict[str, dict[str, float]] = {}
    for tags in (8, 64):
        plan, model, scorer, layer = judged(tags)
        runtime = Runtime(model.raw)
        pairs = [(costs(plan, scorer, runtime.run, together), costs(plan, scorer, plain(layer), together)) for _ in range(5)]
        figures[str(tags)] = {
            "us_per_sample": statistics.median(ours[0] for ours, _ in pairs),
            "us_alone": costs(plan, scorer, runtime.run, 1)[0],
            "us_invoke": statistics.median(ours[1] for ours, _ in pairs),
            "ratio": statistics.median(ours[0] / base[0] for ours, base in pairs),
        }
        over_pipes, rss_mb = asyncio.run(in_worker(model))
        figures[str(tags)] |= {"us_in_worker": over_pipes, "worker_rss_mb": rss_mb}
    figures = {tags: {key: round(value, 2) for key, value in each.items()} for tags, each in figures.items()}
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))
        return
    for tags, each in figures.items():
        print(f"{tags} tags: {each['us_per_sample']} us a sample ({each['us_invoke']} the model; {each['us_alone']} one cell at a time)")
        print(f"  {each['ratio']} of numpy's float product; {each['us_in_worker']} us per row for pipes and worker")
        print(f"  worker {each['worker_rss_mb']} MB")


if __name__ == "__main__":
    main()
