"""Gateways that bring their entries to a real mirror: outages, restarts, lost memories, two at once, and what a stranger gets back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ledger_client.anchors.registry import make_anchor
from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.keys import create_private, load_private
from ledger_client.kinds import Kind
from ledger_client.mirror_cursor import load_mirror_cursor, mirror_cursor_path
from ledger_client.note import device_note_key
from ledger_client.outbox import Outbox
from ledger_client.outbox_needs import Pace
from ledger_client.reader import LedgerReader
from ledger_client.signing import SignerCore
from tests.rigs.anchor_process import ROOT, AnchorProcess, anchor_process, anchor_verb
from tests.rigs.clock import RunningClock

PACE = Pace(every_s=0.1, retry_first_s=0.1, retry_max_s=0.3, refused_max_s=0.3, linger_s=0.1, upload_rest_s=0.01, sample_every_s=0.5)
DISK = RealDisk()
TOKEN = "a-token-of-enough-length"


class LedgerClock(RunningClock):
    def state(self) -> int:
        return 2


@dataclass
class Line:
    """One gateway's state folder and its log's key."""

    state: Path
    origin: str
    vkey: str

    @classmethod
    def make(cls, folder: Path, number: int) -> Line:
        (folder / "private").mkdir(parents=True, mode=0o700)
        key = create_private(folder / "private" / "device.key")
        origin = f"witnessmark.example/line-{number}/1"
        asyncio.run(Chain.create(DISK, folder, SignerCore(key, DISK, folder), LedgerClock(), origin=origin))
        return cls(folder, origin, device_note_key(origin, key.public).vkey)

    @asynccontextmanager
    async def running(self, witness: AnchorProcess, token: Path, *, bodies: bool = True) -> AsyncIterator[tuple[Chain, Outbox]]:
        """The chain and its outbox, wired by the option names of the configuration."""
        clock = LedgerClock()
        options = {"url": witness.url, "vkeys": [witness.key.vkey], "mirror_token_file": str(token), "mirror_bodies": bodies}
        signer = SignerCore(load_private(self.state / "private" / "device.key"), DISK, self.state)
        async with AsyncExitStack() as stack:
            chain = await stack.enter_async_context(Chain.open(DISK, self.state, signer, clock, version="test", board="test"))
            anchors = [make_anchor("tlog", "w1", options, clock)]
            outbox = await stack.enter_async_context(Outbox(chain, anchors, DISK, self.state, clock, pace=PACE))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            running = tasks.create_task(outbox.run())
            try:
                yield chain, outbox
            finally:
                running.cancel()


async def grow(chain: Chain, count: int, salt: str = "") -> None:
    for n in range(count):
        body = f"{salt}{n}".encode() * 50
        await chain.append(Kind.EVENT, ("test:event", 1, sha256(body).digest(), len(body)), body)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def mirror_of(outbox: Outbox) -> dict:
    return outbox.status()["anchors"][0]["mirror"]


def holds(outbox: Outbox, size: int) -> Callable[[], bool]:
    return lambda: (mirror_of(outbox)["held"] or 0) >= size and mirror_of(outbox)["state"] == "ok"


def token_file(folder: Path) -> Path:
    path = folder / "token"
    path.touch(0o600)
    path.write_text(TOKEN + "\n")
    return path


def policy_of(folder: Path, line: Line, witness: AnchorProcess) -> Path:
    path = folder / f"{line.state.name}.policy"
    path.write_text(f"log {line.vkey}\nwitness w1 {witness.key.vkey}\ngroup all all w1\nquorum all\noperator plant w1\n")
    return path


def witnessmark(*arguments: object) -> tuple[int, dict]:
    command = [sys.executable, "-m", "runtime", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_two_gateways_bring_what_they_have_and_a_stranger_proves_it(tmp_path):
    lines = [Line.make(tmp_path / f"line-{n}", n) for n in (1, 2)]
    token = token_file(tmp_path)
    enroll = [part for line in lines for part in ("--enroll", line.vkey)]
    with anchor_process(tmp_path / "w", *enroll, "--mirror-token-file", str(token)) as witness:

        async def story() -> None:
            async with lines[0].running(witness, token) as one, lines[1].running(witness, token, bodies=False) as two:
                await grow(one[0], 300, "one")
                await grow(two[0], 20, "two")
                await until(holds(one[1], 302))
                await until(holds(two[1], 22))
                for _, outbox in (one, two):
                    assert await outbox.flush(10)
                    row = mirror_of(outbox)
                    assert (row["cause"], row["resumed"], row["held"] >= row["wanted"]) == (None, 0, True)
                await until(lambda: mirror_of(one[1])["sampled_ms"])
                assert mirror_of(one[1])["bodies"] == mirror_of(one[1])["held"]

        asyncio.run(story())
        for line in lines:
            into, policy = tmp_path / f"{line.state.name}-fetched", policy_of(tmp_path, line, witness)
            fetch = ("ledger", "fetch", witness.url, "--into", into, "--policy", policy, "--token-file", token)
            code, said = witnessmark(*fetch)
            assert (code, said["confirmed"], said["entries"], said["origin"]) == (0, True, said["cosigned"], line.origin)
            assert witnessmark(*fetch)[1]["entries"] == said["entries"], "again: nothing to add"
            theirs, ours = LedgerReader(DISK, into, 1), LedgerReader(DISK, line.state, 1)
            assert [*theirs.entries(0, theirs.size())] == [*ours.entries(0, theirs.size())]
            out = tmp_path / f"{line.state.name}.wmseg"
            code, said = witnessmark("ledger", "export", "--state", into, "--from", 3, "--to", 15, "-o", out, "--policy", policy)
            assert code == 0, said
            code, said = witnessmark("verify", out, "--policy", policy)
            withheld = "holds" if line is lines[0] else "unknown"
            assert {name: claim["status"] for name, claim in said["claims"].items()} == {
                **dict.fromkeys(("altered", "dropped", "reordered", "back_dated", "unanchored", "equivocated"), "holds"),
                "withheld": withheld, "content": said["claims"]["content"]["status"],
            }  # fmt: skip
            code, said = witnessmark("ledger", "verify", "--state", into)
            assert (said["verdict"], said["claims"]["withheld"]["status"]) == ("holds" if withheld == "holds" else "cannot tell", withheld)


def test_it_resumes_after_outages_and_restarts_of_either_side(tmp_path):
    line, token = Line.make(tmp_path / "line-1", 1), token_file(tmp_path)
    serve = ("--enroll", line.vkey, "--mirror-token-file", str(token))

    async def first(witness: AnchorProcess) -> None:
        async with line.running(witness, token) as (chain, outbox):
            await grow(chain, 10)
            await until(holds(outbox, 12))
            os.kill(witness.process.pid, signal.SIGKILL)
            witness.process.wait()
            await grow(chain, 10, "dark")
            await until(lambda: outbox.status()["anchors"][0]["state"] == "failing")
            with anchor_process(tmp_path / "w", *serve, port=witness.port):
                await until(holds(outbox, 22))
                assert mirror_of(outbox)["resumed"] == 0

    with anchor_process(tmp_path / "w", *serve) as witness:
        asyncio.run(first(witness))
    kept = load_mirror_cursor(DISK, line.state, "w1", line.origin)
    assert kept is not None
    assert kept.held == kept.bodies >= 22

    async def again(witness: AnchorProcess, resumed: int) -> None:
        async with line.running(witness, token) as (chain, outbox):
            await grow(chain, 3, "again")
            await until(holds(outbox, chain.size - 1))
            row = mirror_of(outbox)
            assert (row["resumed"], outbox.quarantine) == (resumed, None), row

    with anchor_process(tmp_path / "w", *serve) as witness:
        asyncio.run(again(witness, 0))
        mirror_cursor_path(line.state, "w1").unlink()
        asyncio.run(again(witness, 1))
    key = tmp_path / "w" / "anchor.key"
    with anchor_process(tmp_path / "w2", *serve, "--key-file", str(key)) as witness:
        asyncio.run(again(witness, 1))
        held = anchor_verb("list", "--state", str(tmp_path / "w2"))["logs"][0]["held"]
        assert held >= kept.held, "a mirror that lost everything gets it again"


def test_bodies_that_were_kept_back_follow_when_the_option_says_so(tmp_path):
    line, token = Line.make(tmp_path / "line-1", 1), token_file(tmp_path)
    with anchor_process(tmp_path / "w", "--enroll", line.vkey, "--mirror-token-file", str(token)) as witness:

        async def story(*, bodies: bool, count: int) -> None:
            async with line.running(witness, token, bodies=bodies) as (chain, outbox):
                await grow(chain, count)
                await until(holds(outbox, chain.size - 1))
                assert mirror_of(outbox)["bodies"] == (mirror_of(outbox)["held"] if bodies else None)

        asyncio.run(story(bodies=False, count=300))
        asyncio.run(story(bodies=True, count=5))
        into = tmp_path / "fetched"
        fetch = ("ledger", "fetch", witness.url, "--into", into, "--policy", policy_of(tmp_path, line, witness), "--token-file", token)
        assert witnessmark(*fetch)[0] == 0
        reader = LedgerReader(DISK, into, 1)
        assert all(reader.body(seq) is not None for seq in range(reader.size()))


def test_what_a_person_must_mend_is_said_and_delays_no_confirmation(tmp_path):
    line, token = Line.make(tmp_path / "line-1", 1), token_file(tmp_path)
    wrong = tmp_path / "wrong"
    with anchor_process(tmp_path / "w", "--enroll", line.vkey, "--mirror-token-file", str(token)) as witness:

        async def story() -> None:
            async with line.running(witness, wrong) as (chain, outbox):
                await until(lambda: mirror_of(outbox)["cause"] == "token_file_missing")
                wrong.touch(0o600)
                wrong.write_text("not-the-token-of-here")
                await until(lambda: mirror_of(outbox)["cause"] == "mirror_refuses_token")
                await grow(chain, 5)
                await until(lambda: (outbox.status()["anchors"][0]["cosigned_size"] or 0) >= 7)
                assert (mirror_of(outbox)["state"], outbox.status()["anchors"][0]["state"]) == ("refused", "ok")
                wrong.write_text(TOKEN)
                await until(holds(outbox, 7))

        asyncio.run(story())
    with anchor_process(tmp_path / "w") as witness:

        async def no_mirror() -> None:
            async with line.running(witness, token) as (_, outbox):
                await until(lambda: mirror_of(outbox)["cause"] == "mirror_not_there")

        asyncio.run(no_mirror())
    fetch = ("ledger", "fetch", witness.url, "--policy", policy_of(tmp_path, line, witness), "--token-file", wrong)
    code, said = witnessmark(*fetch, "--into", line.state)
    assert (code, said["error"]) == (2, "fetch_into_gateway"), "never into a gateway's own folder"
    code, said = witnessmark(*fetch, "--into", tmp_path / "fetched")
    assert (code, said["error"]) == (2, "anchor_unreachable")
    assert not (tmp_path / "fetched").exists()
