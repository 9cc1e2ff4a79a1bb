"""The core's end of the signer process: starts it, asks it, starts it again when it died.

Room: ground. `Chain` uses it through the `Signer` protocol, blocking and in the evidence executor: one thread signs, writes and
flushes, so an entry costs one hop from the loop and not three. A request that was under way when the signer died fails with
SignerError; nothing is lost by that, since its entry was acknowledged to nobody. The next request starts a new signer, at most
one in RESPAWN_S seconds. It never sees the key.
"""

from __future__ import annotations

import asyncio
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
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
        self._answers = select.poll()
        self._timeout_s = 0.0
        self._asked = False
        self._turn = Lock()
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

    def begin(self, epoch: int) -> tuple[int, bytes]:
        """See signing.SignerRules.begin."""
        size, head_hash = self._ask(["begin", epoch], BEGIN_TIMEOUT_S, 2)
        return size, head_hash

    def sign_entry(self, payload_raw: bytes) -> bytes:
        """See signing.SignerRules.entry."""
        (signature,) = self._ask(["entry", payload_raw], ANSWER_TIMEOUT_S, 1)
        return _checked(signature)

    def ask_entry(self, payload_raw: bytes) -> None:
        """See chain_seams.Signer: the signer works on it while the caller does something else."""
        with self._turn:
            self._ready()
            self._send(["entry", payload_raw], ANSWER_TIMEOUT_S)
            self._asked = True

    def take_entry(self, *, wait: bool) -> bytes | None:
        """See chain_seams.Signer."""
        with self._turn:
            if not self._asked or self._line is None:
                raise SignerError("signer_gone")
            if not wait and not self._answers.poll(0):
                return None
            self._asked = False
            (signature,) = self._receive(1)
        return _checked(signature)

    def sign_checkpoint(self, size: int, root: bytes) -> NoteSignature:
        """See signing.SignerRules.checkpoint."""
        name, key_id, signature = self._ask(["checkpoint", size, root], ANSWER_TIMEOUT_S, 3)
        return NoteSignature(name, key_id, signature)

    async def __aenter__(self) -> Self:
        """Start the signer and learn its public key. Raises SignerError, with the code of the key's fault when it cannot be used."""
        try:
            await self._off_the_loop(self._enter)
        except BaseException:
            await self._off_the_loop(self._leave)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the signer."""
        await self._off_the_loop(self._leave)

    @staticmethod
    async def _off_the_loop(call: Callable[[], None]) -> None:
        """In a thread of its own: in the loop's executor it could wait for names that no DNS server answers."""
        own = ThreadPoolExecutor(1, thread_name_prefix="signer start")
        try:
            await asyncio.get_running_loop().run_in_executor(own, call)
        finally:
            own.shutdown(wait=False)

    def _enter(self) -> None:
        with self._turn:
            self._start()

    def _leave(self) -> None:
        with self._turn:
            self._stop()

    def _ask(self, request: list[Any], timeout_s: float, fields: int) -> list[Any]:
        with self._turn:
            self._ready()
            return self._exchange(request, timeout_s, fields)

    def _ready(self) -> None:
        """Start the signer where there is none; take in the answer to an entry that nobody waits for any more."""
        if self._line is not None and self._asked:
            self._asked = False
            with suppress(SignerError):
                self._receive(1)
        if self._line is None:
            self._start()

    def _exchange(self, request: list[Any], timeout_s: float, fields: int) -> list[Any]:
        self._send(request, timeout_s)
        return self._receive(fields)

    def _send(self, request: list[Any], timeout_s: float) -> None:
        """Send one request; whatever goes wrong on the way, here or while its answer is read, ends this signer."""
        data = cbor.encode(request)
        try:
            line = self._open_line()
            if self._timeout_s != timeout_s:
                self._timeout_s = timeout_s
                line.settimeout(timeout_s)
            line.sendall(len(data).to_bytes(4, "big") + data)
        except OSError as error:
            raise self._lost(error) from error

    def _receive(self, fields: int) -> list[Any]:
        try:
            reply = cbor.peek(_read_frame(self._open_line()))
        except (OSError, FormatError) as error:
            raise self._lost(error) from error
        match reply:
            case ["ok", *values] if len(values) == fields:
                return list(values)
            case ["error", str(code), list(params)]:
                raise SignerError(code, **{str(name): value for name, value in params})
        self._cut()
        raise SignerError("signer_answer_invalid")

    def _open_line(self) -> socket.socket:
        if self._line is None:
            raise SignerError("signer_gone")
        return self._line

    def _lost(self, error: OSError | FormatError) -> SignerError:
        """End this signer: an answer that comes too late would be taken for the next one."""
        self._cut()
        if isinstance(error, TimeoutError):
            return SignerError("signer_timeout", timeout_s=self._timeout_s)
        return SignerError("signer_gone" if isinstance(error, OSError) else "signer_answer_invalid")

    def _start(self) -> None:
        now_s = time.monotonic()
        wait_s = self._started_s + RESPAWN_S - now_s
        if wait_s > 0:
            raise SignerError("signer_gone", retry_s=round(wait_s, 1))
        self._stop()
        self._started_s = now_s
        self.starts += 1
        ours, theirs = socket.socketpair()
        with theirs:
            root = Path(__file__).resolve().parents[1]
            argv = [sys.executable, "-I", "-c", LAUNCH, str(root), "--state", str(self._state), "--fd", str(theirs.fileno())]
            try:
                self._child = subprocess.Popen(argv, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
            except OSError as error:
                ours.close()
                raise SignerError("signer_gone") from error
        self._line, self._timeout_s, self._asked, self._answers = ours, 0.0, False, select.poll()
        self._answers.register(ours, select.POLLIN)
        (cose,) = self._exchange(["who"], BEGIN_TIMEOUT_S, 1)
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

    def _stop(self) -> None:
        """End the process: closing the socket is enough; one that hangs is killed."""
        if self._line is not None:
            self._line.close()
            self._line = None
        child, self._child = self._child, None
        if child is not None:
            _reap(child)


def _checked(signature: Any) -> bytes:
    if not isinstance(signature, bytes) or len(signature) != 64:
        raise SignerError("signer_answer_invalid")
    return signature


def _read_frame(line: socket.socket) -> bytes:
    """Read one frame's content. Raises FormatError for a wrong length, ConnectionError when the other end closes; OSError."""
    data, wanted = b"", 4
    while len(data) < wanted:
        part = line.recv(max(4096, wanted - len(data)))
        if not part:
            raise ConnectionError("the signer has closed the line")
        data += part
        if len(data) >= 4:
            size = int.from_bytes(data[:4], "big")
            if not 0 < size <= FRAME_SIZE_MAX:
                raise FormatError("cbor_invalid", what="signer", reason="length")
            wanted = 4 + size
    if len(data) != wanted:
        raise FormatError("cbor_invalid", what="signer", reason="length")
    return data[4:]


def _reap(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
