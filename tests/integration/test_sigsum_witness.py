"""An independent peer: Debian's sigsum-witness cosigns our checkpoints, and refuses a clone and a fork.

It serves one log, whose origin it derives from the log's public key, and it signs as `sigsum.org/v1/witness/<key hash>`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from ledger_client.anchors.anchor import ForkError, RollbackError
from ledger_client.anchors.tlog import TlogAnchor
from ledger_client.errors import AnchorError
from ledger_client.keys import ALG_ED25519, public_key
from ledger_client.note import SIG_COSIGNATURE, NoteKey, note_key
from tests.rigs.clock import RunningClock
from tests.rigs.ports import free_port
from tests.rigs.small_log import SmallLog, key_of

LOG_KEY = key_of(1)
ORIGIN = f"sigsum.org/v1/tree/{sha256(LOG_KEY.public.raw).hexdigest()}"


def sigsum_key(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(["sigsum-key", *arguments], input=stdin, capture_output=True, text=True, timeout=20, check=True).stdout


def port_is_open(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def peer(tmp_path, require_service):
    require_service("sigsum-witness")
    (tmp_path / "log.pub").write_text(sigsum_key("from-hex", stdin=LOG_KEY.public.raw.hex()))
    sigsum_key("generate", "-o", str(tmp_path / "witness.key"))
    raw = public_key(ALG_ED25519, bytes.fromhex(sigsum_key("to-hex", "-k", str(tmp_path / "witness.key.pub")).strip()))
    name = f"sigsum.org/v1/witness/{sha256(raw.raw).hexdigest()}"
    return tmp_path, note_key(name, SIG_COSIGNATURE, raw)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    port = free_port()
    command = ["sigsum-witness", "-k", str(folder / "witness.key"), "--log-key", str(folder / "log.pub"),
               "--state-file", str(folder / "state"), f"127.0.0.1:{port}"]  # fmt: skip
    # Without this, the package's routes and its Go version disagree, and every POST answers 404.
    environment = {**os.environ, "GODEBUG": "httpmuxgo121=0"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not port_is_open(port):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def submit(url: str, key: NoteKey, log: SmallLog, old: int):
    async def run():
        async with asyncio.timeout(30), TlogAnchor("sigsum", url, [key], RunningClock()) as anchor:
            return await anchor.submit(log.note(), log.checkpoint(), old, log.prove()), anchor.resyncs

    return asyncio.run(run())


def test_it_cosigns_ours_and_refuses_clone_and_fork(peer):
    folder, key = peer
    log = SmallLog(ORIGIN, LOG_KEY).grow(600)
    with running(folder) as url:
        receipt, resyncs = submit(url, key, log, 0)
        assert resyncs == 0
        assert receipt.cosigned([key])
        clone, original = log.copy().grow(400, salt="clone"), log.copy().grow(100)
        assert submit(url, key, clone, 600)[0].size == 1000
        with pytest.raises(RollbackError):
            submit(url, key, original, 600)
        with pytest.raises(ForkError):
            submit(url, key, original.grow(300), 600)
        with pytest.raises(ForkError):
            submit(url, key, original, 1000)
        with pytest.raises(ForkError):
            submit(url, key, original.grow(500), 600)
        receipt, resyncs = submit(url, key, clone, 1000)
        assert (receipt.size, resyncs) == (1000, 0), "the same size again gives a fresh time"
    with running(folder) as url:
        receipt, resyncs = submit(url, key, clone.grow(24), 600)
        assert (receipt.size, resyncs) == (1024, 1), "a receipt lost in a crash: one more request"
        with pytest.raises(AnchorError, match="anchor_knows_us_not"):
            submit(url, key, SmallLog("witnessmark.example/line-4/1", LOG_KEY).grow(3), 0)
        with pytest.raises(AnchorError, match="anchor_refuses_key"):
            submit(url, key, SmallLog(ORIGIN, key_of(2)).grow(1100), 1024)
