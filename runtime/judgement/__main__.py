"""`python -I -m runtime.judgement --state DIR`: the judge's process, niced, until SIGTERM.

Room: hall, judgement. The supervisor starts it with the state folder and the folder of the sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

NICE: Final = 10
THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def main() -> int:
    """Run until told to end."""
    parser = argparse.ArgumentParser(prog="runtime.judgement")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="The folder of the sockets; default: STATE/run.")
    parser.add_argument("--worker-mb", type=int, default=64)
    options = parser.parse_args()
    state: Path = options.state
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    for name in THREADS:  # before numpy is loaded: one thread, and no memory for others
        os.putenv(name, "1")
    return _judge(state, options.run or state / "run", options.worker_mb)


def _judge(state: Path, sockets: Path, worker_mb: int) -> int:
    from ledger_client.disk import RealDisk
    from models.worker_client import Worker, WorkerLimits
    from runtime.cli.log import set_up_log
    from runtime.judgement.judge import AnotherEpochError, Judge

    set_up_log(json_lines=True)

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
        async with Worker(WorkerLimits(memory_bytes=worker_mb << 20)) as worker:
            await Judge(RealDisk(), state, sockets, worker).serve()

    with contextlib.suppress(asyncio.CancelledError):
        try:
            asyncio.run(run())
        except* AnotherEpochError:
            pass  # the supervisor starts it again, on the new epoch
    return 0


if __name__ == "__main__":
    sys.exit(main())
