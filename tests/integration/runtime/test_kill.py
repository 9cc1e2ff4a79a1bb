"""kill -9 at random moments while 300 tags at 10 Hz are recorded and anchored: nothing acknowledged is lost, nothing forks."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from tests.rigs.anchor_process import anchor_process, anchor_verb
from tests.rigs.gateway import Gateway, cli, until
from tests.rigs.load_device import LoadDevice, device_config

HEAD = """
[gateway]
name = "killed"
[evidence]
seal_every_s = 1
anchor_every_s = 1
[web]
enabled = false
[history]
enabled = false
"""


def write_config(folder: Path, port: int, url: str, vkey: str) -> Path:
    anchors = f'[[anchors]]\nname = "w1"\ntype = "tlog"\nurl = "{url}"\nvkeys = ["{vkey}"]\noperator = "other"\n'
    path = folder / "gateway.toml"
    path.write_text(HEAD + anchors + device_config("press", port, tags=300, period_ms=100, groups=3))
    return path


async def enrol(gateway: Gateway, anchor: Path) -> None:
    """Tell the witness whom to serve, as an operator does once the gateway has its key."""
    async with gateway.watching() as face:
        await until(lambda: face.health.get("ledger", {}).get("size"))
    code, shown = await cli("keys", "show", "--state", str(gateway.state))
    assert code == 0
    anchor_verb("enroll", "--state", str(anchor), shown["vkey"])


class Acknowledged:
    """What the gateway has told the world: entries by seq and hash. It may only grow."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.hashes: dict[int, bytes] = {}

    def note(self, size: int) -> None:
        """Remember the entries below a size that the core published."""
        reader = LedgerReader(RealDisk(), self._state, 1)
        for seq in range(len(self.hashes), size):
            self.hashes[seq] = hashlib.sha256(reader.entry(seq)).digest()

    def check(self) -> None:
        """Every one of them still stands, byte for byte."""
        reader = LedgerReader(RealDisk(), self._state, 1)
        assert reader.size() >= len(self.hashes)
        for seq, digest in self.hashes.items():
            assert hashlib.sha256(reader.entry(seq)).digest() == digest, f"entry {seq} is not what was acknowledged"


def test_killed_at_random_moments(tmp_path: Path, seed: int, count: Callable[[int, int, int], int]) -> None:
    kills = count(3, 20, 100)
    rng = random.Random(seed)

    async def run() -> None:
        state = tmp_path / "state"
        async with LoadDevice() as device:
            with anchor_process(tmp_path / "anchor") as anchor:
                gateway = Gateway(state, write_config(tmp_path, device.port, anchor.url, anchor.key.vkey))
                acknowledged = Acknowledged(state)
                await gateway.start()
                await enrol(gateway, tmp_path / "anchor")
                async with gateway.watching() as face:
                    for kill in range(kills):
                        await until(lambda: face.connected and face.health.get("evidence", {}).get("state") == "recording")
                        await asyncio.sleep(rng.uniform(0.2, 2.5))
                        acknowledged.note(face.health["ledger"]["size"])
                        if kill % 3 == 2 and gateway.kill_child("ledger_client.signer"):
                            continue
                        gateway.kill_core()
                        await gateway.gone()
                        acknowledged.check()
                        await gateway.start()
                    await until(lambda: face.connected and face.health["anchors"][0]["state"] == "ok", 60)
                    assert face.health["ledger"]["state"] == "ok", f"seed {seed}: {face.health['ledger']}"
                assert await gateway.stop() == 0
                acknowledged.check()
        code, report = await cli("ledger", "verify", "--state", str(state))
        assert (code, report["verdict"]) == (0, "holds"), f"seed {seed}: {report}"
        reader = LedgerReader(RealDisk(), state, 1)
        boots = sum(parse(reader.entry(seq)).payload.kind == Kind.BOOT for seq in range(reader.size()))
        assert boots >= kills - kills // 3, "every start after a kill says so"

    asyncio.run(run())
