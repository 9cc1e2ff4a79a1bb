"""Ports for servers that are named before they listen, or that stop and come back on the same one."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from itertools import cycle
from typing import Final

FIRST: Final = 10_000
PER_WORKER: Final = 2_000
"""Ten workers stay below 30,000, and so below what Linux gives to outgoing connections (32,768 on):
nobody takes a port between its choice and its use."""


def _slice() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    ports = list(range(FIRST + worker * PER_WORKER, FIRST + (worker + 1) * PER_WORKER))
    start = random.SystemRandom().randrange(PER_WORKER)
    return cycle(ports[start:] + ports[:start])


_ports: Final = _slice()


def free_port() -> int:
    """Return a port of this test worker that nobody listens on now and that no other call of this process was given lately."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the ports go round")
