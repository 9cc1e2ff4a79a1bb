"""The core's end of the signer process: starts it, asks it, starts it again when it died.

Room: ground. `Chain` uses it through the `Signer` protocol. A request that was under way when the signer died fails with
SignerError; nothing is lost by that, since its entry was acknowledged to nobody. The next request starts a new signer, at most
one in RESPAWN_S seconds. It never sees the key.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger_client import cbor
from ledger_client.errors import FormatError, SignerError
from ledger_client.keys import PublicKey, from_cose
from ledger_client.note import NoteSignature
from ledger_client.signer import FRAME_SIZE_MAX

RESPAWN_S = 1.0
BEGIN_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 10.0
"""A checkpoint waits for a flush of the signer's own; slow flash takes seconds."""
LAUNCH = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ledger_client.signer import main; sys.exit(main())"
"""`-I -m ledger_client.signer` with the very package that runs here, installed or not."""


class SignerProcess:
    """A `Signer` in a child process. Enter it with `async with`; raises SignerError everywhere."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._public: PublicKey | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._started_s = float("-inf")
        self.starts = 0

    @property
    def public(self) -> PublicKey:
        """The verification key, known once entered."""
        if self._public is None:
            raise SignerError("signer_gone")
        return self._public

    @property
    def pid(self) -> int | None:
        """Process id of the signer, None while there is none."""
        return None if self._child is None else self._child.pid

    async def begin(self, epoch: int) -> tuple[int, bytes]:
        """See signing.SignerRules.begin."""
        size, head_hash = await self._ask(["begin", epoch], BEGIN_TIMEOUT_S, 2)
        return size, head_hash

    async def sign_entry(self, payload_raw: bytes) -> bytes:
        """See signing.SignerRules.entry."""
        (signature,) = await self._ask(["entry", payload_raw], ANSWER_TIMEOUT_S, 1)
        if not isinstance(signature, bytes) or len(signature) != 64:
            raise SignerError("signer_answer_invalid")
        return signature

    async def sign_checkpoint(self, size: int, root: bytes) -> NoteSignature:
        """See signing.SignerRules.checkpoint."""
        name, key_id, signature = await self._ask(["checkpoint", size, root], ANSWER_TIMEOUT_S, 3)
        return NoteSignature(name, key_id, signature)

    async def __aenter__(self) -> Self:
        """Start the signer and learn its public key. Raises SignerError, with the code of the key's fault when it cannot be used."""
        async with self._turn:
            try:
                await self._start()
            except BaseException:
                await self._stop()
                raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the signer."""
        async with self._turn:
            await self._stop()

    async def _ask(self, request: list[Any], timeout_s: float, fields: int) -> list[Any]:
        async with self._turn:
            if self._line is None:
                await self._start()
            return await self._exchange(request, timeout_s, fields)

    async def _exchange(self, request: list[Any], timeout_s: float, fields: int) -> list[Any]:
        """Send one request and read its answer; whatever goes wrong on the way ends this signer."""
        line, loop = self._line, asyncio.get_running_loop()
        if line is None:
            raise SignerError("signer_gone")
        answered = False
        try:
            async with asyncio.timeout(timeout_s):
                data = cbor.encode(request)
                await loop.sock_sendall(line, len(data).to_bytes(4, "big") + data)
                reply = cbor.decode(await _read_frame(line), size_max=FRAME_SIZE_MAX, what="signer answer")
            answered = True
        except TimeoutError as error:
            raise SignerError("signer_timeout", timeout_s=timeout_s) from error
        except OSError as error:
            raise SignerError("signer_gone") from error
        except FormatError as error:
            raise SignerError("signer_answer_invalid") from error
        finally:
            if not answered:
                # Also when we were cancelled: an answer that nobody waits for would be taken for the next one.
                self._cut()
        match reply:
            case ["ok", *values] if len(values) == fields:
                return list(values)
            case ["error", str(code), list(params)]:
                raise SignerError(code, **{str(name): value for name, value in params})
        self._cut()
        raise SignerError("signer_answer_invalid")

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._started_s + RESPAWN_S - loop.time()
        if wait_s > 0:
            raise SignerError("signer_gone", retry_s=round(wait_s, 1))
        await self._stop()
        self._started_s = loop.time()
        self.starts += 1
        ours, theirs = socket.socketpair()
        with theirs:
            root = Path(__file__).resolve().parents[1]
            argv = [sys.executable, "-I", "-c", LAUNCH, str(root), "--state", str(self._state), "--fd", str(theirs.fileno())]
            try:
                self._child = await loop.run_in_executor(None, partial(_launch, argv, theirs.fileno()))
            except OSError as error:
                ours.close()
                raise SignerError("signer_gone") from error
        ours.setblocking(False)
        self._line = ours
        (cose,) = await self._exchange(["who"], BEGIN_TIMEOUT_S, 1)
        try:
            public = from_cose(cose)
        except FormatError as error:
            self._cut()
            raise SignerError("signer_answer_invalid") from error
        if self._public not in {None, public}:
            self._cut()
            raise SignerError("signer_key_differs", kid=public.kid.hex())
        self._public = public

    def _cut(self) -> None:
        """Drop the connection and the process behind it."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._child is not None:
            self._child.kill()

    async def _stop(self) -> None:
        """End the process: closing the socket is enough; one that hangs is killed."""
        if self._line is not None:
            self._line.close()
            self._line = None
        child, self._child = self._child, None
        if child is not None:
            await asyncio.get_running_loop().run_in_executor(None, partial(_reap, child))


async def _read_frame(line: socket.socket) -> bytes:
    """Read one frame's content. Raises SignerError for a wrong length, or when the other end closes."""
    loop, data, wanted = asyncio.get_running_loop(), b"", 4
    while len(data) < wanted:
        part = await loop.sock_recv(line, max(4096, wanted - len(data)))
        if not part:
            raise SignerError("signer_gone")
        data += part
        if len(data) >= 4:
            size = int.from_bytes(data[:4], "big")
            if not 0 < size <= FRAME_SIZE_MAX:
                raise SignerError("signer_answer_invalid")
            wanted = 4 + size
    if len(data) != wanted:
        raise SignerError("signer_answer_invalid")
    return data[4:]


def _launch(argv: list[str], line: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, pass_fds=(line,), stdin=subprocess.DEVNULL)


def _reap(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
