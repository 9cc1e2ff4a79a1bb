"""`python -I -m runtime.history --state DIR`: the history process, niced, until SIGTERM.

Room: hall, history. The supervisor starts it with the state folder and nothing else.
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

from ledger_client.disk import RealDisk
from ledger_client.prove import prove_reading
from ledger_client.reader import LedgerReader
from runtime.cli.log import set_up_log
from runtime.history.catalogue import SpoiledIndexError
from runtime.history.index import DAY_MS, Limits
from runtime.history.query import Prover
from runtime.history.rollups import SPANS_MS
from runtime.history.service import AnotherEpochError, serve

NICE: Final = 10


def main() -> int:
    """Run until told to end."""
    parser = argparse.ArgumentParser(prog="runtime.history")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--size-max-mb", type=int, default=1_024)
    parser.add_argument("--keep-10s-days", type=int, default=7)
    parser.add_argument("--keep-5min-days", type=int, default=90)
    parser.add_argument("--run", type=Path, help="The folder of the sockets; default: STATE/run.")
    options = parser.parse_args()
    state: Path = options.state
    sockets: Path = options.run or state / "run"
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    set_up_log(json_lines=True)

    keep_ms = {SPANS_MS[0]: options.keep_10s_days * DAY_MS, SPANS_MS[1]: options.keep_5min_days * DAY_MS}
    limits = Limits(options.size_max_mb << 20, keep_ms)

    def make_prover(reader: LedgerReader) -> Prover:
        return lambda uid, at_ms: prove_reading(reader, (state / "policy.txt").read_bytes(), uid, at_ms)

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
        await serve(RealDisk(), state, sockets, make_prover, limits)

    with contextlib.suppress(asyncio.CancelledError):
        try:
            asyncio.run(run())
        except* (AnotherEpochError, SpoiledIndexError):
            pass  # the supervisor starts it again: on the new epoch, with a new index
    return 0


if __name__ == "__main__":
    sys.exit(main())
