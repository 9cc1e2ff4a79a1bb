"""The signer as a real process: a real chain over it, its death at bad moments, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.errors import SignerError
from ledger_client.keys import create_private
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.signer_client import LAUNCH, SignerProcess
from tests.rigs.clock import RunningClock

ROOT = Path(__file__).parents[3]


class WallClock(RunningClock):
    def state(self) -> int:
        return 2


def new_state(folder: Path) -> Path:
    (folder / "private").mkdir(mode=0o700)
    create_private(folder / "private" / "device.key")
    return folder


async def create(state: Path, signer: SignerProcess) -> None:
    await Chain.create(RealDisk(), state, signer, WallClock(), origin="witnessmark.example/line-4/1")


def opened(state: Path, signer: SignerProcess) -> Chain:
    return Chain.open(RealDisk(), state, signer, WallClock(), version="1", board="sim")


def test_a_chain_outlives_its_signer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger_client.signer_client.RESPAWN_S", 4.0)  # a start may take the machine longer than the usual second

    async def story() -> None:
        state = new_state(tmp_path)
        async with SignerProcess(state) as signer:
            await create(state, signer)
            async with opened(state, signer) as chain:
                assert "witness" in await chain.checkpoint()
                assert signer.pid is not None
                os.kill(signer.pid, signal.SIGKILL)
                with pytest.raises(SignerError):
                    await chain.append(Kind.CLOSE, ("gone",))
                with pytest.raises(SignerError) as caught:
                    await chain.append(Kind.CLOSE, ("at most one start in a while",))
                assert "retry_s" in caught.value.params
                while True:
                    try:
                        await chain.append(Kind.CLOSE, ("back",))
                        break
                    except SignerError:
                        await asyncio.sleep(0.05)
                assert (chain.size, chain.state, signer.starts) == (3, "ok", 2)
                await chain.checkpoint()
        assert LedgerReader(RealDisk(), state, 1).size() == 3

    asyncio.run(asyncio.wait_for(story(), 30))


def test_what_is_not_the_next_entry_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        state = new_state(tmp_path)
        async with SignerProcess(state) as signer:
            await create(state, signer)
            size, head_hash = signer.begin(1)
            assert (size, len(head_hash)) == (1, 32)
            for wrong in (b"", b"\x80", bytes(500_000), b"\xff" * 40):
                with pytest.raises(SignerError) as caught:
                    signer.sign_entry(wrong)
                assert caught.value.code == "signer_refused"
            with pytest.raises(SignerError) as caught:
                signer.sign_checkpoint(1, bytes(32))
            assert caught.value.code == "signer_checkpoint_differs"
            assert signer.starts == 1

    asyncio.run(asyncio.wait_for(story(), 30))


def test_an_open_key_file_is_named_as_the_cause(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    (state / "private" / "device.key").chmod(0o644)

    async def story() -> None:
        async with SignerProcess(state):
            pass

    with pytest.raises(SignerError) as caught:
        asyncio.run(asyncio.wait_for(story(), 30))
    assert caught.value.code == "key_file_too_open"


def test_it_ends_with_the_core_and_not_before(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    argv = [sys.executable, "-I", "-c", LAUNCH, str(ROOT), "--state", str(state), "--fd", str(theirs.fileno())]
    with subprocess.Popen(argv, pass_fds=(theirs.fileno(),)) as child:
        theirs.close()
        ours.sendall(b"\0\0\0\x05\x81\x63who")
        assert len(ours.recv(100)) > 40
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
        ours.sendall(b"\0\0\0\x05\x81\x63who")
        assert len(ours.recv(100)) > 40
        assert not os.access(f"/proc/{child.pid}/mem", os.R_OK) or os.geteuid() == 0
        ours.close()
        assert child.wait(20) == 0


def test_rubbish_on_the_line_ends_it(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-c", LAUNCH, str(ROOT), "--state", str(state), "--fd", str(theirs.fileno())]
    with ours, subprocess.Popen(argv, pass_fds=(theirs.fileno(),)) as child:
        theirs.close()
        ours.sendall(b"\xff" * 100)
        assert child.wait(20) == 0
