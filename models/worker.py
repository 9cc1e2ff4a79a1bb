"""The worker process: the only one in which a model runs. `python -I -m models.worker`, requests on stdin, answers on stdout.

Room: ground. `worker_client` starts it, gives it checked models and rows, and ends it at will. It holds no key, knows no folder, and
before the first model gives up what it could do harm with: no new file, socket or program (no descriptor is left to open one), no
file that grows, no core file, no new privilege, bounded memory; it goes first when memory is short, and ends when its client does. It
judges nothing.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import numpy as np

from models.litert import Runtime, load_library
from models.model_fault import ModelFault
from models.worker_frames import DROP, DTYPES, LOAD, RUN, Answer, FrameError, Request, length_of, read_request

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
READY: Final = Answer(0, 0, b"").framed()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one client until it goes away: arguments are bytes of memory for models, niceness. Return the exit code."""
    memory_bytes, niceness = (int(each) for each in (sys.argv[1:] if arguments is None else arguments))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        try:
            load_library()
        except ModelFault as fault:
            write_all(1, Answer(0, 0, b"", fault.code).framed())
            return 2
        lock_down(memory_bytes, niceness)
        write_all(1, READY)
        serve(0, 1)
    except (BrokenPipeError, ConnectionResetError, FrameError):
        return 1
    return 0


def lock_down(memory_bytes: int, niceness: int) -> None:
    """Give up what a model's code must not have. Everything that is imported later would fail: call it last."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # before it is not dumpable: then these files are root's
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.nice(niceness)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # it never takes the processor from who has it
    gc.collect()
    held = virtual_bytes()
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 3,
        resource.RLIMIT_AS: held + memory_bytes,
    }
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def virtual_bytes() -> int:
    """Return the address space that the interpreter and the libraries have taken already."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def serve(source: int, sink: int) -> None:
    """Answer requests one by one until the client closes. Raises OSError of the pipes, FrameError."""
    models: dict[int, Runtime] = {}
    while (head := read_exactly(source, 4)) is not None:
        body = read_exactly(source, length_of(head))
        if body is None:
            return
        try:
            answer = carry_out(models, read_request(body))
        except ModelFault as fault:
            answer = Answer(0, 0, b"", fault.code, str(fault.params.get("detail", "")))
        except MemoryError:
            answer = Answer(0, 0, b"", "model_memory_gone")
        write_all(sink, answer.framed())


def carry_out(models: dict[int, Runtime], request: Request) -> Answer:
    """Do one request. Raises ModelFault, MemoryError."""
    if request.kind == LOAD:
        expected, raw = request.data[:32], request.data[32:]
        if hashlib.sha256(raw).digest() != expected:
            raise ModelFault("model_hash_differs")
        model = Runtime(raw)
        if model.output_dtype.name not in DTYPES:
            raise ModelFault("model_runtime_refused", {"detail": model.output_dtype.name})
        models[request.model] = model
        return Answer(model.outputs, DTYPES.index(model.output_dtype.name), b"")
    if request.kind == DROP:
        models.pop(request.model, None)
        return Answer(0, 0, b"")
    assert request.kind == RUN
    runtime = models.get(request.model)
    if runtime is None:
        raise ModelFault("model_not_loaded")
    try:
        rows = np.frombuffer(request.data, DTYPES[request.dtype]).reshape(-1, request.columns)
        out = runtime.run(rows)
    except ValueError as error:
        raise ModelFault("model_rows", {"detail": str(error)}) from error
    return Answer(out.shape[1], DTYPES.index(out.dtype.name), out.tobytes())


def read_exactly(source: int, count: int) -> bytes | None:
    """Return so many bytes; None when the client has closed."""
    parts: list[bytes] = []
    while count:
        part = os.read(source, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write_all(sink: int, data: bytes) -> None:
    """Write everything. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]


if __name__ == "__main__":
    sys.exit(main())
