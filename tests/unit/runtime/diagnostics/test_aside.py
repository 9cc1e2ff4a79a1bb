"""Calls in threads that nobody waits for: one at a time, also after the system gave no thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from runtime.diagnostics.aside import Aside


def test_a_thread_that_cannot_be_started_keeps_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        aside = Aside()
        with monkeypatch.context() as system:
            system.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(RuntimeError, match="new thread"):
                await aside.run(lambda: 1)
        assert aside.is_free
        assert await aside.run(lambda: 2) == 2

    asyncio.run(run())


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")  # what Python says where the system's limit is reached


def test_a_call_that_goes_on_keeps_it_busy_although_it_was_given_up() -> None:
    async def run() -> None:
        aside, go_on = Aside(), threading.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await aside.run(go_on.wait)
        assert not aside.is_free
        assert await aside.run(lambda: 1) == 1, "what asks no name server may run beside it"
        assert not aside.is_free, "the first has still not come back"
        go_on.set()
        while not aside.is_free:
            await asyncio.sleep(0)

    asyncio.run(run())
