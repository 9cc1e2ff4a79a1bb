"""From a chain on a disk, over a real anchor's cosignature, to a proof and a range that the command line checks elsewhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

from ledger_client.body import BatchBuilder
from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.note import device_note_key
from ledger_client.outbox import Outbox
from ledger_client.outbox_needs import Pace
from ledger_client.prove import prove_reading
from ledger_client.reader import LedgerReader
from ledger_client.segments import SegmentShape
from ledger_client.signing import SignerCore
from ledger_client.verify import parse_policy, verify_file, verify_ledger
from tests.rigs.anchor_process import AnchorProcess, anchor_process
from tests.rigs.clock import RunningClock
from tests.rigs.evidence import schema_of
from tests.rigs.small_log import key_of

ROOT = Path(__file__).parents[3]
ORIGIN = "witnessmark.example/line-4/1"
SMALL = SegmentShape(
    size_bytes=64 << 10, reserve_bytes=4 << 10, entries_max=16, reserve_entries=2, chunk_bytes=16 << 10, spare_bytes=1 << 10
)


class SetClock(RunningClock):
    """A running clock that NTP has set."""

    def state(self) -> int:
        return 2


async def add_batch(chain: Chain, clock: SetClock, number: int) -> int:
    builder = BatchBuilder(token_bytes(32), clock.wall_ms() - clock.mono_ms(), 16, chain.schema)
    for scan in range(10):
        builder.add(7, clock.wall_ms() - 9 + scan, None, [number + scan / 10, 2.5, -1.0])
    sealed = builder.seal()
    return (await chain.append(Kind.BATCH, sealed.detail, sealed.body)).seq


async def record(state: Path, witnesses: list[AnchorProcess], batches: int) -> None:
    """Run a chain and its outbox until everything but the last receipts is confirmed."""
    disk, clock = RealDisk(), SetClock()
    signer = SignerCore(key_of(1), disk, state)
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(Chain.open(disk, state, signer, clock, version="0.1.0", board="sim", shape=SMALL))
        anchors = [witness.client(f"w{n}") for n, witness in enumerate(witnesses, 1)]
        outbox = Outbox(chain, anchors, disk, state, clock, pace=Pace(every_s=0.1, retry_first_s=0.1, retry_max_s=0.5, linger_s=0.1))
        await stack.enter_async_context(outbox)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = tasks.create_task(outbox.run())
        await chain.append_schema(schema_of())
        for number in range(batches):
            await add_batch(chain, clock, number)
            await asyncio.sleep(0.03)
        await chain.append(Kind.CLOSE, ("stopped",))
        assert await outbox.flush(10)
        running.cancel()


def command(*arguments: object, cwd: Path) -> tuple[int, dict]:
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from runtime.cli.app import main; main()"
    words = [sys.executable, "-I", "-c", script, *map(str, arguments), "--json"]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.stdout.count("\n") == 1, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_stranger_checks_what_a_gateway_recorded(tmp_path: Path) -> None:
    state, empty = tmp_path / "state", tmp_path / "empty"
    (state / "private").mkdir(parents=True)
    empty.mkdir()
    enroll = ("--enroll", device_note_key(ORIGIN, key_of(1).public).vkey)
    with ExitStack() as stack:
        names = ("w1", "w2", "w3")
        witnesses = [stack.enter_context(anchor_process(tmp_path / n, "--name", f"{n}.example", *enroll)) for n in names]
        lines = [f"log {enroll[1]}"] + [f"witness {n} {w.key.vkey}" for n, w in zip(names, witnesses, strict=True)]
        text = "\n".join([*lines, "group g 2 w1 w2 w3", "quorum g", "operator self w1", "operator acme w2 w3", "max-anchor-gap 60"]) + "\n"
        policy = tmp_path / "policy.txt"
        policy.write_text(text)
        (state / "policy.txt").write_text(text)
        asyncio.run(create(state, text.encode()))
        asyncio.run(record(state, witnesses, 20))
        asyncio.run(record(state, witnesses, 12))

    reader = LedgerReader(RealDisk(), state, 1)
    report = verify_ledger(reader, parse_policy(text.encode()))
    assert report.verdict == "holds", report.as_json()
    assert len(reader.segments()) > 1, "more than one segment, so that indexes and headers are part of this"
    assert report.facts["kinds"]["boot"] == 2
    assert report.facts["tail"] <= 2

    code, made = command("prove", "--state", state, "--tag", "filler/tag1", "-o", empty / "p.wmproof", cwd=empty)
    assert (code, made["verdict"], made["reading"]["value"]) == (0, "holds", 11.9)
    code, checked = command("verify", empty / "p.wmproof", "--policy", policy, cwd=empty)
    assert (code, checked["tag"]["name"], checked["witnesses_independent"]) == (0, "filler/tag1", "yes")
    assert len(checked["witnesses"]) == 3
    assert checked["time"]["not_before_s"] * 1000 - 1000 <= checked["reading"]["time_ms"] <= checked["time"]["not_after_s"] * 1000 + 1000
    print(f"a real proof with three witnesses: {made['size_bytes']} bytes")

    entries = [parse(raw).payload for raw in reader.entries(0, reader.size())]
    for batch in [payload for payload in entries if payload.kind == Kind.BATCH][::5]:
        assert verify_file(prove_reading(reader, text.encode(), 2, batch.detail[1]), parse_policy(text.encode())).verdict == "holds"

    last = checked["checkpoint"]["size"] - 1
    code, _ = command("ledger", "export", "--state", state, "--from", 3, "--to", last, "-o", empty / "x.wmseg", cwd=empty)
    assert code == 0
    assert command("verify", empty / "x.wmseg", "--policy", policy, cwd=empty)[0] == 0
    assert command("ledger", "verify", "--state", state, cwd=empty)[0] == 0


async def create(state: Path, policy: bytes) -> None:
    disk = RealDisk()
    signer = SignerCore(key_of(1), disk, state)
    await Chain.create(disk, state, signer, SetClock(), origin=ORIGIN, policy_hash=sha256(policy).digest(), shape=SMALL)
