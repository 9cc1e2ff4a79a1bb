"""The anchor's process, asked by the real client: three witnesses, clones, forks, kills, and clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from random import Random
from urllib.parse import quote

import pytest

from ledger_client.anchors.anchor import ForkError, RollbackError
from ledger_client.anchors.package import Package, parse_held
from ledger_client.checkpoint import parse_checkpoint
from ledger_client.errors import AnchorError
from ledger_client.note import parse_note
from tests.rigs.anchor_process import AnchorProcess, anchor_command, anchor_process, anchor_verb
from tests.rigs.small_log import SmallLog
from tests.tidy.source import ROOT


def submit(witness: AnchorProcess, log: SmallLog, old: int):
    async def run():
        async with asyncio.timeout(30), witness.client() as anchor:
            return await anchor.submit(log.note(), log.checkpoint(), old, log.prove()), anchor.resyncs

    return asyncio.run(run())


def get(url: str, *, data: bytes | None = None, token: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_three_witnesses_cosign_and_their_receipts_prove_it(tmp_path):
    log = SmallLog().grow(5)
    with ExitStack() as stack:
        witnesses = [
            stack.enter_context(anchor_process(tmp_path / name, "--name", f"witness.example/{name}", "--enroll", log.note_key.vkey))
            for name in ("w1", "w2", "w3")
        ]
        for old in (0, 5, 12):
            for witness in witnesses:
                receipt, resyncs = submit(witness, log, old)
                assert resyncs == 0
                assert receipt.size == log.size
                assert receipt.cosigned([witness.key])
                assert not receipt.cosigned([w.key for w in witnesses if w is not witness])
            log.grow(7)


def test_a_clone_goes_on_alone_and_the_original_stops(tmp_path):
    log = SmallLog().grow(5)
    with anchor_process(tmp_path, "--enroll", log.note_key.vkey) as witness:
        submit(witness, log, 0)
        clone = log.copy().grow(4, salt="clone")
        submit(witness, clone, 5)
        with pytest.raises(RollbackError):
            submit(witness, log.copy().grow(2), 5)
        with pytest.raises(ForkError):
            submit(witness, log.copy().grow(4), 5)
        with pytest.raises(ForkError):
            submit(witness, log.copy().grow(9), 5)
        receipt, resyncs = submit(witness, clone.grow(3), 5)
        assert (receipt.size, resyncs) == (12, 1), "a lost receipt costs one more round and nothing else"
        _, note = get(f"{witness.url}/checkpoint?origin={quote(log.origin)}")
        assert note.decode().startswith(clone.checkpoint().text)


def test_it_remembers_over_kill_9_and_serves_who_is_enrolled_meanwhile(tmp_path):
    log, other = SmallLog().grow(5), SmallLog("witnessmark.example/line-4/2").grow(1)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "line-4.vkey").write_text(f"# epoch 1\n{log.note_key.vkey}\n")
    (keys / "README").write_text("not a key")
    with anchor_process(tmp_path / "state", "--enroll", str(keys)) as witness:
        submit(witness, log, 0)
        with pytest.raises(AnchorError, match="anchor_knows_us_not"):
            submit(witness, other, 0)
        os.kill(witness.process.pid, signal.SIGKILL)
        witness.process.wait()
    with anchor_process(tmp_path / "state") as witness:
        with pytest.raises(RollbackError):
            submit(witness, SmallLog().grow(4), 0)
        added = anchor_verb("enroll", other.note_key.vkey, "--state", str(tmp_path / "state"))
        assert added == {"enrolled": 1, "origins": [other.origin]}
        submit(witness, other, 0)
        assert anchor_verb("vkey", "--state", str(tmp_path / "state")) == {"vkey": witness.key.vkey}
    logs = anchor_verb("list", "--state", str(tmp_path / "state"))["logs"]
    assert [(row["origin"], row["size"]) for row in logs] == [(log.origin, 5), (other.origin, 1)]


def test_of_many_clones_that_ask_at_once_one_wins(tmp_path):
    log = SmallLog().grow(5)
    clones = [log.copy().grow(3 + n % 3, salt=str(n)) for n in range(12)]
    with anchor_process(tmp_path, "--enroll", log.note_key.vkey) as witness:
        submit(witness, log, 0)

        async def run():
            async with asyncio.timeout(30), witness.client() as anchor:
                asked = [anchor.submit(c.note(), c.checkpoint(), 5, c.prove()) for c in clones]
                return await asyncio.gather(*asked, return_exceptions=True)

        results = asyncio.run(run())
        winners = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert all(isinstance(r, ForkError | RollbackError) for n, r in enumerate(results) if n not in winners)
        _, note = get(f"{witness.url}/checkpoint?origin={quote(log.origin)}")
        assert note.decode().startswith(clones[winners[0]].checkpoint().text)


def test_no_cosignature_that_left_is_forgotten_by_a_kill(tmp_path, count, seed):
    log, chance = SmallLog().grow(2), Random(seed)
    arguments, confirmed, port = ("--enroll", log.note_key.vkey), 0, 0
    for _ in range(count(2, 5, 100)):
        with anchor_process(tmp_path, *arguments, port=port) as witness, ThreadPoolExecutor(1) as pool:
            port = witness.port
            _, note = get(f"{witness.url}/checkpoint?origin={quote(log.origin)}")
            if confirmed:
                assert parse_checkpoint(parse_note(note.decode()).text).size >= confirmed
            killing = pool.submit(kill_after, witness.process.pid, chance.random() * 0.2)
            with pytest.raises(AnchorError) as caught:
                while True:
                    confirmed = max(confirmed, submit(witness, log.grow(1), confirmed)[0].size)
            assert caught.value.transient, "neither a fork nor a rollback"
            killing.result()
            witness.process.wait(20)
    assert confirmed > 0


def kill_after(pid: int, seconds: float) -> None:
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)


def test_it_holds_entries_for_those_with_the_token(tmp_path):
    log = SmallLog().grow(300)
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("a-token-of-enough-length\n")
    query = f"origin={quote(log.origin)}"
    with anchor_process(tmp_path / "state", "--enroll", log.note_key.vkey, "--mirror-token-file", str(token)) as witness:
        submit(witness, log, 0)
        for start, end, status in ((0, 200, 202), (200, 300, 200)):
            entries = tuple(zip(log.entries[start:end], log.bodies[start:end], strict=True))
            package = Package(start, 300, entries, tuple(log.prover()(end)))
            assert get(f"{witness.url}/add-entries?{query}", data=package.encode())[0] == 403, "uploads are for holders of the token"
            assert get(f"{witness.url}/add-entries?{query}", data=package.encode(), token="a-token-of-enough-length")[0] == status
        assert get(f"{witness.url}/entries?{query}")[0] == 403
        assert get(f"{witness.url}/entries?{query}", token="a-token-of-enough-lengtH")[0] == 403
        assert get(f"{witness.url}/entries?{query}&start=x", token="a-token-of-enough-length")[0] == 400
        status, body = get(f"{witness.url}/entries?{query}&start=250&count=999", token="a-token-of-enough-length")
        assert status == 200
        assert parse_held(body, 1 << 24)[1] == list(zip(log.entries[250:], log.bodies[250:], strict=True))
    with anchor_process(tmp_path / "state") as witness:
        assert get(f"{witness.url}/entries?{query}", token="a-token-of-enough-length")[0] == 404, "no token, no mirror"


def test_clients_that_misbehave_do_not_keep_others_out(tmp_path):
    log = SmallLog().grow(2)
    with anchor_process(tmp_path, "--enroll", log.note_key.vkey) as witness, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", witness.port), 5)) for _ in range(50)]
        for sock in idle[:25]:
            sock.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n")
        for sock in idle[25:40]:
            sock.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nold")
        assert get(f"{witness.url}/add-checkpoint", data=b"x" * 200_000)[0] == 413
        assert get(f"{witness.url}/add-checkpoint", data=b"\x00" * 1000)[0] == 400
        assert get(f"{witness.url}/add-checkpoint")[0] == 405
        assert get(f"{witness.url}/checkpoint?origin=" + "x" * 5000)[0] == 404
        head_only = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        with socket.create_connection(("127.0.0.1", witness.port), 5) as sock:
            sock.sendall(head_only + b"11170\r\n" + b"x" * 0x11170)
            assert sock.recv(100).startswith(b"HTTP/1.1 413")
        submit(witness, log, 0)
        assert witness.process.poll() is None
        # Every one of them is let go: without a whole head by a closed connection, without a whole body by 408.
        for sock in idle:
            sock.settimeout(15)
        assert [sock.recv(12) for sock in idle[:25]] == [b""] * 25
        assert [sock.recv(12) for sock in idle[25:40]] == [b"HTTP/1.1 408"] * 15
        assert [sock.recv(12) for sock in idle[40:]] == [b""] * 10


def test_a_key_file_that_others_can_read_stops_the_start(tmp_path):
    with anchor_process(tmp_path):
        pass
    (tmp_path / "anchor.key").chmod(0o640)
    done = subprocess.run(anchor_command("serve", "--state", str(tmp_path), "--port", "0"), capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "key_file_too_open" in done.stderr
    assert "PRIVATE" not in done.stderr + json.dumps(done.stdout)


def test_the_command_line_words_what_it_refuses_and_dates_what_it_lists(tmp_path):
    """As people start it: through the gateway's command line, which hands over the catalogue. Without one there are the codes."""

    def said(*arguments: str, through: tuple[str, ...] = ("runtime", "anchor")) -> tuple[int, str]:
        command = [sys.executable, "-m", *through, *arguments, "--state", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    assert said("enroll", "nonsense") == (2, "witnessmark anchor: nonsense is neither a key nor a file of keys.\n")
    assert said("enroll", "nonsense", through=("anchor",)) == (2, "witnessmark anchor: enroll_source_missing {'source': 'nonsense'}\n")
    log = SmallLog().grow(2)
    assert said("enroll", log.note_key.vkey) == (0, f"enrolled: 1  origins: {log.origin}\n")
    assert said("list") == (0, f"{log.origin}  size 0  cosigned never  held 0\n")
    with anchor_process(tmp_path) as witness:
        submit(witness, log, 0)
    found = re.fullmatch(r".*  size 2  cosigned (\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)  held 0\n", said("list")[1])
    assert found, said("list")
    assert abs(datetime.fromisoformat(found[1]).timestamp() - time.time()) < 3600
