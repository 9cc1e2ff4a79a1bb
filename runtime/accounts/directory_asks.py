"""The core's end of `directory_child`: starts one for each question, gives it its time, believes nothing but the shape of its answer.

Room: hall, accounts. `directory_desk` awaits it. Threads of its own wait, never the loop; so few ask at once that a directory which hangs
leaves the faces' lane to everybody else; a child that is late is killed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from runtime.accounts.directory import AWAY, FAULTS, DirectoryError
from runtime.faces.feed import RequestRefusedError
from runtime.supervisor import module_command

CHILD: Final = "runtime.accounts.directory_child"
START_S: Final = 3.0
"""What an interpreter needs to start on a slow board, on top of the directory's own time."""
ANSWER_BYTES_MAX: Final = 256 << 10
ASKING_MAX: Final = 2
NICENESS: Final = 5


class DirectoryAsks:
    """`ask` one question; `close` ends what still asks. `asked` counts the children."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(ASKING_MAX, thread_name_prefix="directory")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._asking: Counter[str] = Counter()
        self._closed = False
        self.asked = 0

    async def ask(self, what: str, server: Mapping[str, Any], timeout_s: float, source: str, **question: Any) -> dict[str, Any]:
        """Return what the directory says. Raises DirectoryError, or RequestRefusedError `login_busy` when too many ask."""
        if self._asking.total() >= ASKING_MAX or (source and self._asking[source]):
            raise RequestRefusedError("login_busy")
        self._asking[source] += 1
        try:
            said = json.dumps({"what": what, "server": dict(server), **question}).encode()
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._run, said, timeout_s + START_S)
        finally:
            self._asking[source] -= 1
            self._asking += Counter()  # drops what is at zero
        return _read(answer)

    def close(self) -> None:
        """End every child. Blocking, briefly."""
        self._closed = True
        for each in list(self._running):
            each.kill()
        self._threads.shutdown(cancel_futures=True)

    def _run(self, question: bytes, deadline_s: float) -> bytes:
        """Run one child, in a thread: it gets its question whole and is ended at its deadline, whatever it does."""
        self.asked += 1
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        command = module_command(CHILD, niceness=NICENESS)
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, start_new_session=True) as child:
            self._running.add(child)
            late = threading.Timer(deadline_s, child.kill)
            late.daemon = True
            late.start()
            try:
                if self._closed:
                    raise DirectoryError(AWAY, "the core ends")
                assert child.stdin is not None and child.stdout is not None  # noqa: PT018  they are pipes
                try:
                    child.stdin.write(question)
                    child.stdin.close()
                except BrokenPipeError:
                    pass  # it ended before it read: what it says tells
                return child.stdout.read(ANSWER_BYTES_MAX + 1)
            finally:
                late.cancel()
                child.kill()
                self._running.discard(child)


def _read(answer: bytes) -> dict[str, Any]:
    if not answer:
        raise DirectoryError(AWAY, "no answer in time")
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise DirectoryError(AWAY, "an answer that is none") from error
    match found:
        case {"said": dict(said)}:
            return said
        case {"fault": [str(code), str(reason)]} if code in FAULTS:
            raise DirectoryError(code, reason)
    raise DirectoryError(AWAY, "an answer that is none")
