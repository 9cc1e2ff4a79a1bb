"""The outbox on a real ledger folder with real witnesses: a copied state folder, a lost receipt, a restored image."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.keys import create_private, load_private
from ledger_client.kinds import Kind
from ledger_client.note import device_note_key
from ledger_client.outbox import Outbox
from ledger_client.outbox_lane import cursor_path
from ledger_client.outbox_needs import Pace
from ledger_client.quarantine import quarantine_path, read_quarantine
from ledger_client.reader import LedgerReader
from ledger_client.receipt import parse_receipts
from ledger_client.signing import SignerCore
from tests.rigs.anchor_process import AnchorProcess, anchor_process
from tests.rigs.clock import RunningClock

ORIGIN = "witnessmark.example/line-4/1"
PACE = Pace(every_s=0.1, retry_first_s=0.1, retry_max_s=0.5, linger_s=0.2)


class LedgerClock(RunningClock):
    def state(self) -> int:
        return 2


async def grow(chain: Chain, count: int, salt: str = "") -> None:
    for n in range(count):
        body = f"{salt}{n}".encode()
        await chain.append(Kind.EVENT, ("test:event", 1, sha256(body).digest(), len(body)), body)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def gateway(state: Path, witnesses: list[AnchorProcess]) -> AsyncIterator[tuple[Chain, Outbox]]:
    """A chain and its outbox at work on a state folder."""
    disk, clock = RealDisk(), LedgerClock()
    signer = SignerCore(load_private(state / "private" / "device.key"), disk, state)
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(Chain.open(disk, state, signer, clock, version="test", board="test"))
        anchors = [witness.client(f"w{n}") for n, witness in enumerate(witnesses)]
        outbox = await stack.enter_async_context(Outbox(chain, anchors, disk, state, clock, pace=PACE))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = tasks.create_task(outbox.run())
        try:
            yield chain, outbox
        finally:
            running.cancel()


@pytest.fixture
def plant(tmp_path):
    """Make a ledger and three witnesses that know it."""
    state = tmp_path / "state"
    private = state / "private"
    private.mkdir(parents=True, mode=0o700)
    key = create_private(private / "device.key")
    disk = RealDisk()
    asyncio.run(Chain.create(disk, state, SignerCore(key, disk, state), LedgerClock(), origin=ORIGIN))
    enroll = ("--enroll", device_note_key(ORIGIN, key.public).vkey)
    with ExitStack() as stack:
        yield state, [stack.enter_context(anchor_process(tmp_path / f"w{n}", "--name", f"w.example/{n}", *enroll)) for n in range(3)]


def sizes(outbox: Outbox) -> list[int]:
    return [row["cosigned_size"] or 0 for row in outbox.status()["anchors"]]


def test_receipts_end_up_in_the_ledger_and_the_end_is_confirmed(plant):
    state, witnesses = plant

    async def story() -> None:
        async with gateway(state, witnesses) as (chain, outbox):
            await until(lambda: min(sizes(outbox)) >= 2)
            await grow(chain, 5)
            size = chain.size
            assert await outbox.flush(10)
            assert min(sizes(outbox)) >= size
            assert outbox.quarantine is None
            assert chain.heads.receipt is not None
        reader = LedgerReader(RealDisk(), state, 1)
        kept = []
        for seq in range(reader.size()):
            payload = parse(reader.entry(seq)).payload
            if payload.kind == Kind.RECEIPTS:
                kept += parse_receipts(reader.body(seq), payload.detail)
        assert {receipt.anchor_id for receipt in kept} == {"w0", "w1", "w2"}
        assert all(receipt.cosigned([witness.key for witness in witnesses]) for receipt in kept)

    asyncio.run(story())


def test_of_a_copied_state_folder_exactly_one_goes_on(plant):
    state, witnesses = plant
    copy = state.with_name("copy")

    async def story() -> None:
        async with gateway(state, witnesses) as (chain, outbox):
            await grow(chain, 3)
            await until(lambda: min(sizes(outbox)) >= 5)
        shutil.copytree(state, copy)
        async with gateway(state, witnesses) as one, gateway(copy, witnesses) as two:
            await grow(one[0], 2, "one")
            await grow(two[0], 3, "two")
            await until(lambda: any(box.quarantine for _, box in (one, two)))
            (stopped_chain, stopped), (going_chain, going) = sorted((one, two), key=lambda pair: pair[1].quarantine is None)
            await grow(going_chain, 3, "on")
            await grow(stopped_chain, 30, "stopped")  # recording goes on there
            confirmed = sizes(stopped)
            await until(lambda: max(sizes(going)) >= going_chain.size - 2)
            assert sizes(stopped) == confirmed
            assert {row["state"] for row in stopped.status()["anchors"]} == {"quarantined"}
        marks = [read_quarantine(RealDisk(), folder, 1) is not None for folder in (state, copy)]
        assert any(marks)

    asyncio.run(story())


def test_lost_cursors_and_a_crash_cost_one_resync_each(plant):
    state, witnesses = plant

    async def story() -> None:
        async with gateway(state, witnesses) as (chain, outbox):
            await grow(chain, 3)
            await until(lambda: min(sizes(outbox)) >= 5)
        for n in range(3):
            cursor_path(state, f"w{n}").unlink()
        async with gateway(state, witnesses) as (chain, outbox):
            await until(lambda: min(sizes(outbox)) >= 6)
            assert [row["resyncs"] for row in outbox.status()["anchors"]] == [1, 1, 1]
            assert outbox.quarantine is None

    asyncio.run(story())


def test_a_restored_image_stops_before_anything_is_sent(plant):
    """Ledger and signer memory from an image, cursors newer: the ledger's own memory of its anchors gives it away."""
    state, witnesses = plant
    image = state.with_name("image")

    async def story() -> None:
        async with gateway(state, witnesses) as (chain, outbox):
            await until(lambda: min(sizes(outbox)) >= 2)
        shutil.copytree(state, image)
        async with gateway(state, witnesses) as (chain, outbox):
            await grow(chain, 20)
            await until(lambda: min(sizes(outbox)) >= chain.size - 2)
        shutil.rmtree(image / "private" / "anchors")
        shutil.copytree(state / "private" / "anchors", image / "private" / "anchors")
        async with gateway(image, witnesses) as (_, outbox):
            await until(lambda: outbox.quarantine is not None)
            assert outbox.quarantine.code == "outbox_cursor_ahead"
        assert quarantine_path(image, 1).exists()

    asyncio.run(story())
