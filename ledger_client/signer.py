"""The signer process: the only one that reads the device key. `python -I -m ledger_client.signer --state DIR --fd N`.

Room: ground. `SignerProcess` (signer_client.py) starts it and talks to it over one end of a socket pair. It signs what
signing.py allows, one request after another, and ends when the socket does: it never outlives the core, whatever kills that.
Interrupts and SIGTERM are ignored, because the core still closes its ledger after they came.

Frames as in signer_frames.py, answered in the order they came. Requests: ["who"], ["begin", epoch], ["entry", payload],
["next", kind, seq, boot, mono_ms, wall_ms, clock, seen, detail], ["checkpoint", size, root]. Answers: ["ok", ...] or
["error", code, [[name, value], ...]].
"""

from __future__ import annotations

import argparse
import ctypes
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ledger_client import cbor
from ledger_client.details import is_hash, is_int, is_uint
from ledger_client.disk import RealDisk
from ledger_client.entry import NextEntry
from ledger_client.errors import FormatError, KeyFaultError, LedgerError, SignerError
from ledger_client.keys import FileKey, create_private, load_private
from ledger_client.signer_frames import READ_BYTES, FrameBuffer, framed
from ledger_client.signing import SignerCore, SignerRules

KEY_PATH: Final = Path("private") / "device.key"
PR_SET_DUMPABLE: Final = 4
TOGETHER_MAX: Final = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one core until it goes away; return the exit code (2 = no usable key)."""
    parser = argparse.ArgumentParser(prog="witnessmark-signer", description="Holds the device key and signs for the core.")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--make-key", action="store_true", help="make the key when there is none")
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep_memory_private()
    with socket.socket(fileno=chosen.fd) as line:
        try:
            rules = SignerRules(_key(chosen.state / KEY_PATH, make=chosen.make_key), RealDisk(), chosen.state)
        except KeyFaultError as error:
            if _receive(line, FrameBuffer()) is not None:
                line.sendall(framed(cbor.encode(_refusal(error))))
            return 2
        try:
            serve(line, rules)
        except (BrokenPipeError, ConnectionResetError):
            return 0
    return 0


def _key(path: Path, *, make: bool) -> FileKey:
    try:
        return load_private(path)
    except KeyFaultError as fault:
        if fault.code != "key_file_missing" or not make:
            raise
    try:
        return create_private(path)
    except OSError as error:
        raise KeyFaultError("key_not_made", path=str(path), detail=error.strerror or type(error).__name__) from error


def serve(line: socket.socket, rules: SignerRules) -> None:
    """Answer requests until the other end closes or sends what is no frame. Raises OSError of the socket."""
    frames, replies = FrameBuffer(), list[bytes]()
    while (frame := _receive(line, frames)) is not None:
        try:
            # What gets signed passes the strict gate in signing.py; the frame around it need not.
            reply = answer(rules, cbor.peek(frame))
        except LedgerError as error:
            reply = _refusal(error)
        replies.append(framed(cbor.encode(reply)))
        # Requests that came together are answered a few at a time: each wake of the other end costs it as much as a signature.
        if frames.is_empty or len(replies) == TOGETHER_MAX:
            line.sendall(b"".join(replies))
            replies.clear()


def answer(rules: SignerRules, request: Any) -> list[Any]:
    """Carry out one request. Raises SignerError, FormatError."""
    match request:
        case ["who"]:
            return ["ok", rules.public.cose]
        case ["begin", epoch] if is_uint(epoch):
            return ["ok", *rules.begin(epoch)]
        case ["entry", bytes(payload_raw)]:
            return ["ok", rules.entry(payload_raw)]
        case ["next", kind, seq, boot, mono_ms, wall_ms, clock, seen, bytes(detail_raw)]:
            fields = NextEntry(kind, seq, boot, mono_ms, wall_ms, clock, seen, detail_raw)
            # Whether these may be signed is for signing.py; here only that they can be encoded at all.
            counts_ok = is_int(wall_ms) and all(map(is_uint, (kind, seq, boot, mono_ms, clock)))
            if counts_ok and (seen is None or is_hash(seen)):
                return ["ok", *rules.next_entry(fields)]
        case ["checkpoint", size, root] if is_uint(size) and is_hash(root):
            signed = rules.checkpoint(size, root)
            return ["ok", signed.name, signed.id, signed.signature]
    raise SignerError("signer_refused", reason="request")


def keep_memory_private() -> None:
    """Let neither a debugger of the same user nor a core dump see the key (best effort: Linux only)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _refusal(error: LedgerError) -> list[Any]:
    return ["error", error.code, sorted([name, value] for name, value in error.params.items())]


def _receive(line: socket.socket, frames: FrameBuffer) -> bytes | None:
    """Return the next frame's content, None at the end or for what is no frame."""
    try:
        while (frame := frames.next()) is None:
            part = line.recv(READ_BYTES)
            if not part:
                return None
            frames.feed(part)
    except FormatError:
        return None
    return frame


__all__ = ["FormatError", "SignerCore", "SignerRules", "answer", "main", "serve"]

if __name__ == "__main__":
    sys.exit(main())
