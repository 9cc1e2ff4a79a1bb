"""A test of a driver on each event loop that a gateway may run on, at the same time: they wait for devices, not for the processor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from drivers.conformance import loops


def on_every_loop(test: Callable[[str], Awaitable[None]]) -> None:
    """Run `test(name of the loop)` on each, each in a thread of its own; what one of them raises is raised, with the loop's name."""
    with ThreadPoolExecutor(len(loops())) as threads:
        running = {name: threads.submit(_run, name, test) for name in loops()}
    for name, done in running.items():
        if error := done.exception():
            error.add_note(f"on {name}")
            raise error


def _run(name: str, test: Callable[[str], Awaitable[None]]) -> None:
    async def whole() -> None:
        await test(name)

    with asyncio.Runner(loop_factory=loops()[name]) as runner:
        runner.run(whole())
