"""The outbox against real anchor processes: kills and restarts, a clone beside the original, TLS with a plant's own authority."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest

from ledger_client.anchors.tlog import TlogAnchor
from ledger_client.disk import RealDisk
from ledger_client.errors import AnchorError
from ledger_client.outbox import Outbox
from ledger_client.outbox_needs import Pace
from tests.rigs.anchor_process import AnchorProcess, anchor_process
from tests.rigs.certificate import make_certificate
from tests.rigs.clock import RunningClock
from tests.rigs.memory_ledger import MemoryLedger

PACE = Pace(every_s=0.1, retry_first_s=0.1, retry_max_s=0.5, linger_s=0.2)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def outbox_of(ledger: MemoryLedger, witnesses: list[AnchorProcess], state) -> Outbox:
    anchors = [witness.client(f"w{number}") for number, witness in enumerate(witnesses)]
    return Outbox(ledger, anchors, RealDisk(), state, RunningClock(), pace=PACE)


async def at_work(outbox: Outbox, during: Awaitable[None]) -> None:
    async with outbox, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(outbox.run())
        await during
        task.cancel()


def sizes(outbox: Outbox) -> list[int]:
    return [row["cosigned_size"] or 0 for row in outbox.status()["anchors"]]


def test_a_killed_anchor_comes_back_and_nothing_was_forgotten(tmp_path):
    ledger = MemoryLedger().grow(3)
    enroll = ("--enroll", ledger.log.note_key.vkey)
    with ExitStack() as stack:
        witnesses = [stack.enter_context(anchor_process(tmp_path / f"w{n}", *enroll)) for n in range(3)]
        outbox = outbox_of(ledger, witnesses, tmp_path / "state")

        async def story() -> None:
            await until(lambda: min(sizes(outbox)) >= 3)
            os.kill(witnesses[0].process.pid, signal.SIGKILL)
            witnesses[0].process.wait()
            ledger.grow(5)
            await until(lambda: sizes(outbox)[1] >= 8 <= sizes(outbox)[2])
            await until(lambda: outbox.status()["anchors"][0]["state"] == "failing")
            stack.enter_context(anchor_process(tmp_path / "w0", port=witnesses[0].port))
            await until(lambda: sizes(outbox)[0] >= 8)
            assert outbox.quarantine is None

        asyncio.run(at_work(outbox, story()))
    keys = [witness.key for witness in witnesses]
    assert all(receipt.cosigned(keys) for round_ in ledger.receipts for receipt in round_)


def test_of_a_copied_ledger_exactly_one_goes_on(tmp_path):
    original = MemoryLedger().grow(3)
    with anchor_process(tmp_path / "w", "--enroll", original.log.note_key.vkey) as witness:

        async def story() -> None:
            clone = original.fork_of(0, "")
            boxes = [outbox_of(original, [witness], tmp_path / "a"), outbox_of(clone, [witness], tmp_path / "b")]

            async def both() -> None:
                original.grow(2)
                clone.grow(2, salt="clone")
                await until(lambda: any(box.quarantine for box in boxes))
                stopped, going = sorted(boxes, key=lambda box: box.quarantine is None)
                ledger = original if boxes[0] is going else clone
                ledger.grow(3)
                await until(lambda: sizes(going)[0] >= ledger.size - 1)
                assert going.quarantine is None
                assert stopped.status()["quarantine"]["todo"] == "outbox_todo_new_epoch"

            await at_work(boxes[0], at_work(boxes[1], both()))

        asyncio.run(story())


def test_tls_with_an_authority_of_the_plant(tmp_path):
    ledger = MemoryLedger().grow(3)
    cert, key = make_certificate(tmp_path)
    arguments = ("--enroll", ledger.log.note_key.vkey, "--tls-cert", str(cert), "--tls-key", str(key))
    with anchor_process(tmp_path / "w", *arguments) as witness:
        assert witness.url.startswith("https:")

        async def submit(ca_file: str | None) -> int:
            async with TlogAnchor("w", witness.url, [witness.key], RunningClock(), ca_file=ca_file) as anchor:
                return (await anchor.submit(ledger.log.note(), ledger.log.checkpoint(), 0, ledger.log.prove())).size

        assert asyncio.run(submit(str(cert))) == 3
        with pytest.raises(AnchorError, match="anchor_unreachable"):
            asyncio.run(submit(None))
