"""The core's side of the privileged part: one process for one request, off the loop's own work, ended when it takes too long.

Room: hall, network. The desk calls it. As root the privileged part is started directly; as the gateway's own user through `sudo -n`, which
works only where the one rule of docs/network.md is. Whatever it prints is read strictly. Who is not root cannot end what sudo started, so
the privileged part has a deadline of its own, and no wait here is without one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from runtime.network.privileged import DEADLINE_S
from runtime.network.settings import NetworkError, Settings, profile_name, settings_of
from runtime.supervisor import module_command

MODULE: Final = "runtime.network.privileged"
SUDO: Final = "/usr/bin/sudo"
TIMEOUT_S: Final = DEADLINE_S + 5.0
"""A little longer than the privileged part gives itself and what it runs; one request alone is shorter than the door waits for an act."""
KILL_S: Final = 1.0
SUDO_SAYS: Final = ("sudo:", "sudo-rs:", "Sorry,")
SAID_MAX: Final = 200
ANSWER_SIZE_MAX: Final = 16_384
Run = Callable[[dict[str, Any]], dict[str, Any]]
"""One request to the privileged part and its answer; blocking, raises NetworkError."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is configured for an interface, and what the back end can do besides static addresses. `profile`: see Backend."""

    settings: Settings
    can: tuple[str, ...]
    lasting: bool
    profile: str = ""


class Privileged:
    """`read`, `put` and `put_back` of one back end."""

    def __init__(self, work: Executor, run: Run | None = None) -> None:
        self._work, self._run = work, run or run_privileged

    async def read(self, backend: str, name: str) -> Found:
        """Return what is configured for an interface. Raises NetworkError."""
        match await self._ask({"backend": backend, "do": "read", "interface": name}):
            case {"settings": dict(raw), "can": list(can), "lasting": bool(lasting), **rest}:
                return Found(settings_of(raw), tuple(str(each) for each in can), lasting, profile_name(rest.get("profile", "")))
        raise NetworkError("net_privileged", said="")

    async def put(self, backend: str, name: str, settings: Settings, profile: str = "") -> None:
        """Put settings in force. Raises NetworkError."""
        await self._put("put", backend, name, settings, profile)

    async def put_back(self, backend: str, name: str, settings: Settings, profile: str = "") -> None:
        """Put in force what was before. Raises NetworkError."""
        await self._put("put_back", backend, name, settings, profile)

    async def _put(self, do: str, backend: str, name: str, settings: Settings, profile: str) -> None:
        of = {"profile": profile} if profile else {}
        if await self._ask({"backend": backend, "do": do, "interface": name, "settings": settings.plain(), **of}):
            raise NetworkError("net_privileged", said="")

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(self._work, self._run, request)


def run_privileged(request: dict[str, Any], started_by: Sequence[str] | None = None, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Run the privileged part once; `started_by` is `command` but in tests. Blocking.

    Raises NetworkError, `net_not_allowed` where the gateway's user may not.
    """
    try:
        process = subprocess.Popen(  # no `with`: that would wait without limit for what cannot be ended
            started_by or command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, cwd="/"
        )
    except OSError as error:  # no sudo here
        raise NetworkError("net_not_allowed" if os.geteuid() else "net_privileged", said=type(error).__name__) from error
    try:
        stdout, stderr = process.communicate(json.dumps(request).encode(), timeout_s)
    except subprocess.TimeoutExpired as error:
        _leave(process)
        raise NetworkError("net_privileged", said="timeout") from error
    return _answer(process.returncode, stdout, stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:SAID_MAX])


def _leave(process: subprocess.Popen[bytes]) -> None:
    """End it and what it runs if we may; under sudo we may not, and then it ends by its own deadline."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_S)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _answer(code: int, stdout: bytes, said: str) -> dict[str, Any]:
    """Return the answer that was printed; `said` is the last line on standard error. Raises NetworkError."""
    if not stdout.strip() and said.startswith(SUDO_SAYS):
        raise NetworkError("net_not_allowed")
    try:
        answer = json.loads(stdout[:ANSWER_SIZE_MAX])
    except (ValueError, RecursionError) as error:
        raise NetworkError("net_privileged", said=said or type(error).__name__) from error
    match answer:
        case {"fault": [str(fault), dict(params)], **rest} if not rest and fault.startswith("net_"):
            raise NetworkError(fault, **{str(name): value for name, value in params.items() if isinstance(value, str | int)})
        case dict() if "fault" not in answer and code == 0:
            return answer
    raise NetworkError("net_privileged", said=said)


def command() -> list[str]:
    """Return how the privileged part is started: as the sudo rule has it, word for word."""
    return [SUDO, "-n", sys.executable, "-I", "-m", MODULE] if os.geteuid() else module_command(MODULE)
