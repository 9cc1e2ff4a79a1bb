"""A judge in trouble: one process that gives its worker hostile models without end. `python -m tests.rigs.hostile_judge SEED`.

Room: tests. The allow-list is off, so that the worker does crash and hang: what the field beside it must not notice. Prints "ready" when
the first worker has fallen, and one line for each model: how often the worker was replaced so far, and after how many s a good model
had answered again.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time

import numpy as np

from models.model_fault import ModelFault, WorkerFault
from models.worker_client import Worker, WorkerLimits
from tests.rigs.hostile_models import crafted
from tests.rigs.model_files import checked, dense, unchecked
from tests.rigs.model_mutations import Bender


async def main(seed: int) -> None:
    """Go round until somebody ends it."""
    os.nice(10)  # as the core starts its judge
    bender = Bender(random.Random(seed), [dense().packed()])
    fatal = [crafted()[name][0] for name in ("conv into a variable", "while true", "conv of a negative scale", "giant row")]
    good = checked(dense().packed())
    while True:
        async with Worker(WorkerLimits(rest_s_max=0.5)) as worker:
            for n, raw in enumerate([*fatal, *(bender.bent() for _ in range(12))]):
                began = time.monotonic()
                wide = 64 if n in {0, 2} else 16
                await offered(worker, unchecked(raw, wide, wide))
                await worker.load("good", good)
                assert (await worker.run("good", np.zeros((1, 16), np.int8))).shape == (1, 16)
                if n == 0:
                    assert worker.faults == 1, "nothing hostile has reached the runtime"
                    print("ready", flush=True)
                print(f"{worker.faults} {time.monotonic() - began:.2f}", flush=True)


async def offered(worker: Worker, model: object) -> None:
    """Load one and run it, whatever comes of it."""
    try:
        await worker.load("bad", model)
        await worker.run("bad", np.zeros((2, model.input.columns), np.int8))
    except (ModelFault, WorkerFault):
        await worker.drop("bad")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
