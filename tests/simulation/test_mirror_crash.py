"""The power goes at any moment while entries go to a mirror: nothing that left is lost, and both go on without a person.

A real chain, outbox and cursor on the shim disk; the anchor's own witness and mirror, which stay up and keep what reached them.
A failure prints the seed of its state.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from random import Random

from ledger_client.chain import Chain
from ledger_client.kinds import Kind
from ledger_client.merkle import Frontier, leaf_hash
from ledger_client.mirror_cursor import mirror_cursor_path
from ledger_client.outbox import Outbox
from ledger_client.outbox_needs import Pace
from ledger_client.reader import LedgerReader
from tests.rigs.memory_ledger import LocalMirror, LocalWitness, MemoryLedger
from tests.rigs.shim_ledger import STATE, create, opened, prepared
from tests.simulation.disk import Crash, ShimDisk
from tests.simulation.loop import VirtualClock, run

PACE = Pace(every_s=1, retry_first_s=0.5, retry_max_s=4, linger_s=0.5, cursor_every_s=1, upload_rest_s=0.1, sample_every_s=5)
KNOWN = MemoryLedger()
"""For its key and name only: those of the shim ledger."""


class Outside:
    """A witness that is a mirror, with the position of the gateway's disk at everything that reached it."""

    def __init__(self, folder: Path, disk: ShimDisk) -> None:
        folder.mkdir()
        self.witness = LocalWitness(folder, 1, [KNOWN])
        self.mirror = LocalMirror(self.witness, bodies=True)
        self.cosigned: list[tuple[int, int, bytes]] = []
        self.held: list[tuple[int, int]] = []
        self._disk = disk
        self.mirror.lie = self._noted
        cosign = self.witness.cosigner.add_checkpoint

        def add_checkpoint(body: bytes):
            answer = cosign(body)
            latest = self.witness.store.latest(KNOWN.origin)
            self.cosigned.append((disk.position, latest.size, latest.root))
            return answer

        self.witness.cosigner.add_checkpoint = add_checkpoint

    def _noted(self, path, package):
        if package is not None:
            self.held.append((self._disk.position, package.end))

    def remembered(self, folder: Path, disk: ShimDisk, position: int) -> Outside:
        """Return it as it was when the gateway's disk stood there."""
        other, store = Outside(folder, disk), self.witness.store
        held = max((end for at, end in self.held if at <= position), default=0)
        entries = store.entries(KNOWN.origin, 0, held, 1 << 30) if held else []
        frontier = Frontier()
        for raw, _ in entries:
            frontier.append(leaf_hash(raw))
        with other.witness.store.transaction():
            for at, size, root in self.cosigned:
                if at <= position:
                    latest = type(store.latest(KNOWN.origin))(size, root)
                    other.witness.store.set_latest(KNOWN.origin, latest, "", 1)
            other.witness.store.hold(KNOWN.origin, 0, tuple(entries), frontier, 0)
        return other


async def live(disk: ShimDisk, outside: Outside, clock: VirtualClock, seconds: int, rng: Random) -> tuple[Chain, Outbox]:
    """Write, confirm and bring entries for so long; the line goes down now and then."""
    async with opened(disk, clock) as chain:
        anchors = [outside.witness.anchor(clock, outside.mirror)]
        async with Outbox(chain, anchors, disk, STATE, clock, pace=PACE, random=rng) as outbox, asyncio.TaskGroup() as tasks:
            working = tasks.create_task(outbox.run())
            for _ in range(seconds):
                for _ in range(rng.choice((0, 1, 1, 2, 9))):
                    body = rng.randbytes(rng.choice((3, 200)))
                    await chain.append(Kind.EVENT, ("test:event", 1, sha256(body).digest(), len(body)), body)
                outside.mirror.down = rng.random() < 0.2
                await clock.sleep_until_mono(clock.mono_ms() + 1_000)
            outside.mirror.down = False
            outbox.nudge()
            await clock.sleep_until_mono(clock.mono_ms() + 8_000)
            working.cancel()
    return chain, outbox


def judge(crash: Crash, folder: Path, busy: Outside) -> None:
    disk = ShimDisk.from_image(crash.image)
    outside = busy.remembered(folder, disk, crash.position)
    had = outside.witness.store.entries(KNOWN.origin, 0, 9_999, 1 << 30)
    chain, outbox = run(lambda clock: live(disk, outside, clock, 3, Random(crash.seed)), seed=crash.seed)
    reader = LedgerReader(disk, STATE, 1)
    assert [raw for raw, _ in had] == [*reader.entries(0, len(had))], "an entry left that a power cut took"
    row = outbox.status()["anchors"][0]
    assert (outbox.quarantine, chain.state, row["state"]) == (None, "ok", "ok"), row
    mirror = row["mirror"]
    assert (mirror["state"], mirror["held"], mirror["bodies"], mirror["cause"]) == ("ok", row["cosigned_size"], row["cosigned_size"], None)
    assert mirror["resumed"] <= 1, "an older cursor costs one request"
    held = outside.witness.store.entries(KNOWN.origin, 0, 9_999, 1 << 30)
    assert held == [(raw, reader.body(seq) or None) for seq, raw in enumerate(reader.entries(0, mirror["held"]))]
    outside.witness.close()


def test_every_crash_state_goes_on_with_its_mirror(tmp_path: Path, seed: int, count) -> None:
    disk = prepared(ShimDisk())
    busy = Outside(tmp_path / "busy", disk)
    run(lambda clock: create(disk, clock), seed=seed)
    begun = disk.position
    for life in range(2):
        run(lambda clock, life=life: live(disk, busy, clock, 20, Random(seed + life)), seed=seed)
        disk.restart()
    assert mirror_cursor_path(STATE, "w1") in disk.image()
    assert busy.held[-1][1] > 40
    for number, crash in enumerate(disk.crash_states(seed=seed, count=count(20, 300, 3_000), first=begun)):
        try:
            judge(crash, tmp_path / str(number), busy)
        except BaseException as error:
            raise AssertionError(f"state {crash.seed} of WITNESSMARK_SEED={seed} (position {crash.position})") from error
    busy.witness.close()
