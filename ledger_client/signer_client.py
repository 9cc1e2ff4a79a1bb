"""The core's end of the signer process: starts it, asks it, starts it again when it died.

Room: ground. `Chain` uses it through the `Signer` protocol, blocking and in the evidence executor. Only `ask_next` is for the loop: it
sends a small frame and never waits, so that the signer works while entries before are being flushed. A request that was under way
when the signer died fails with SignerError; nothing is lost by that, since its entry was acknowledged to nobody. The next blocking
request starts a new signer, at most one in RESPAWN_S seconds. It never sees the key.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from ledger_client import cbor
from ledger_client.entry import NextEntry
from ledger_client.errors import FormatError, SignerError
from ledger_client.keys import PublicKey, from_cose
from ledger_client.note import NoteSignature
from ledger_client.signer_frames import SignerLine, framed

RESPAWN_S = 1.0
BEGIN_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 10.0
"""A checkpoint waits for a flush of the signer's own; slow flash takes seconds."""
LAUNCH = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ledger_client.signer import main; sys.exit(main())"
"""`-I -m ledger_client.signer` with the very package that runs here, installed or not."""


class SignerProcess:
    """A `Signer` in a child process. Enter it with `async with`; raises SignerError everywhere."""

    def __init__(self, state: Path, make_key: Callable[[], bool] = lambda: False) -> None:
        """`make_key` is asked at each start of the child: whether it is to make the key when there is none. Blocking."""
        self._state, self._make_key = state, make_key
        self._public: PublicKey | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._line: SignerLine | None = None
        self._ahead: deque[int] = deque()
        """Entries asked for with `ask_next` whose answers have not been read."""
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

    def ask_next(self, entries: Sequence[NextEntry]) -> None:
        """See chain_seams.Signer. The requests under way together must fit into the line's buffer: a lane sends a few small ones."""
        rows = (["next", e.kind, e.seq, e.boot, e.mono_ms, e.wall_ms, e.clock, e.seen, e.detail_raw] for e in entries)
        data = b"".join(framed(cbor.encode(row)) for row in rows)
        try:
            self._open_line().offer(data)
        except OSError as error:
            raise SignerError("signer_gone") from error
        self._ahead.extend(e.seq for e in entries)

    def take_next(self, *, wait: bool) -> tuple[bytes, bytes] | None:
        """See chain_seams.Signer."""
        with self._turn:
            if not self._ahead:
                raise SignerError("signer_gone")
            values = self._receive(2, ANSWER_TIMEOUT_S if wait else 0.0)
        if values is None:
            return None
        return _checked(values[0]), _checked(values[1], 32)

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
        """Start the signer where there is none; take in the answers to entries that nobody waits for any more."""
        while self._line is not None and self._ahead:
            with suppress(SignerError):
                self._receive(2, ANSWER_TIMEOUT_S)
        if self._line is None:
            self._start()

    def _exchange(self, request: list[Any], timeout_s: float, fields: int) -> list[Any]:
        """Whatever goes wrong on the way, with the request or its answer, ends this signer."""
        try:
            self._open_line().send(framed(cbor.encode(request)), timeout_s)
        except OSError as error:
            raise self._lost(error, timeout_s) from error
        return self._receive(fields, timeout_s) or []

    def _receive(self, fields: int, timeout_s: float) -> list[Any] | None:
        """Return an answer's values; with no time to wait None when it is not there."""
        line = self._open_line()
        try:
            frame = line.receive(timeout_s) if timeout_s else line.arrived()
            if frame is None:
                return None
            if self._ahead:
                self._ahead.popleft()
            reply = cbor.peek(frame)
        except (OSError, FormatError) as error:
            raise self._lost(error, timeout_s) from error
        match reply:
            case ["ok", *values] if len(values) == fields:
                return list(values)
            case ["error", str(code), list(params)]:
                raise SignerError(code, **{str(name): value for name, value in params})
        self._cut()
        raise SignerError("signer_answer_invalid")

    def _open_line(self) -> SignerLine:
        line = self._line
        if line is None:
            raise SignerError("signer_gone")
        return line

    def _lost(self, error: OSError | FormatError, timeout_s: float) -> SignerError:
        """End this signer: an answer that comes too late would be taken for the next one."""
        self._cut()
        if isinstance(error, TimeoutError):
            return SignerError("signer_timeout", timeout_s=timeout_s)
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
            argv += ["--make-key"] if self._make_key() else []
            try:
                self._child = subprocess.Popen(argv, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
            except OSError as error:
                ours.close()
                raise SignerError("signer_gone") from error
        self._line, self._ahead = SignerLine(ours), deque()
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
        line, self._line = self._line, None
        if line is not None:
            line.close()
        if self._child is not None:
            self._child.kill()

    def _stop(self) -> None:
        """End the process: closing the socket is enough; one that hangs is killed."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        child, self._child = self._child, None
        if child is not None:
            _reap(child)


def _checked(value: Any, size: int = 64) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise SignerError("signer_answer_invalid")
    return value


def _reap(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
