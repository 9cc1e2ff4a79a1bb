"""`python -I -m boards.sim`: serve the simulated filling line until SIGTERM or Ctrl-C.

Room: ground, sim board. The demo and the tests start it as a child. It prints one JSON line with its ports when every
device answers, and nothing else on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time

from boards.sim.servers import Ports, Settings, SimBoard


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 after SIGTERM, 1 when a port cannot be had, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -I -m boards.sim", description="A simulated filling line on loopback.")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same plant (default 1)")
    parser.add_argument("--speed", type=_speed, default=1.0, help="plant seconds per second, 0.1 to 1000 (default 1)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    for name in ("filler", "meter", "capper", "control"):
        parser.add_argument(f"--{name}-port", type=_port, default=0, help="0 takes a free one (default)")
    parser.add_argument("--json", action="store_true", help="only the JSON line; no words on stderr")
    given = vars(parser.parse_args(arguments))
    quiet = given.pop("json")
    settings = Settings(**given)
    # The OPC UA library warns about an endpoint without encryption, which is what a simulator on loopback is.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_serve(settings, quiet=quiet))
    except OSError as error:
        print(f"boards.sim: cannot listen on {settings.host}: {error}. Choose other ports, or 0 for free ones.", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, *, quiet: bool) -> None:
    def ready(ports: Ports) -> None:
        print(json.dumps({"host": settings.host, "seed": settings.seed, "speed": settings.speed, **ports}), flush=True)
        if not quiet:
            print("boards.sim: filler and meter (Modbus TCP) and capper (OPC UA) answer. Ctrl-C stops.", file=sys.stderr)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            board = tasks.create_task(SimBoard(settings, time.time).run(ready))
            await stop.wait()
            board.cancel()
    except* OSError as group:
        raise group.exceptions[0] from None


def _speed(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError("speed is 0.1 to 1000")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return value


if __name__ == "__main__":
    sys.exit(main())
