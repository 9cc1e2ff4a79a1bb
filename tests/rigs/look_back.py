"""Somebody who asks for trends without a pause, in a process of its own.

python -m tests.rigs.look_back HISTORY_SOCKET      prints `ready` after the first answer, goes on until killed
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once

ASKED = {"uids": list(range(1, 9)), "points": 2_000}
LENGTH_MS = 3_600_000


async def main(history: Path) -> None:
    """Ask for the last hour of eight tags, again and again."""
    is_told = False
    while True:
        now = time.time_ns() // 1_000_000
        with contextlib.suppress(RequestRefusedError):
            answer = await ask_once(history, "look back", "trends", {**ASKED, "t0": now - LENGTH_MS, "t1": now}, 20)
            if not is_told and all(pen["t"] for pen in answer["pens"]):
                print("ready", flush=True)
                is_told = True
            continue
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
