"""The core's side of the privileged part: one process for one request, off the loop's own work, ended when it takes too long.

Room: hall, network. The desk calls it. As root the privileged part is started directly; as the gateway's own user through `sudo -n`, which
works only where the one rule of docs/network.md is. Whatever it prints is read strictly.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from runtime.network.settings import NetworkError, Settings, settings_of
from runtime.supervisor import module_command

MODULE: Final = "runtime.network.privileged"
SUDO: Final = "/usr/bin/sudo"
TIMEOUT_S: Final = 45.0
"""Longer than any one program that the privileged part runs, shorter than the door waits for an act."""
ANSWER_SIZE_MAX: Final = 16_384
Run = Callable[[dict[str, Any]], dict[str, Any]]
"""One request to the privileged part and its answer; blocking, raises NetworkError."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is configured for an interface, and what the back end can do besides static addresses."""

    settings: Settings
    can: tuple[str, ...]
    lasting: bool


class Privileged:
    """`read` and `put` of one back end."""

    def __init__(self, work: Executor, run: Run | None = None) -> None:
        self._work, self._run = work, run or run_privileged

    async def read(self, backend: str, name: str) -> Found:
        """Return what is configured for an interface. Raises NetworkError."""
        match await self._ask({"backend": backend, "do": "read", "interface": name}):
            case {"settings": dict(raw), "can": list(can), "lasting": bool(lasting)}:
                return Found(settings_of(raw), tuple(str(each) for each in can), lasting)
        raise NetworkError("net_privileged", said="")

    async def put(self, backend: str, name: str, settings: Settings) -> None:
        """Put settings in force. Raises NetworkError."""
        await self._ask({"backend": backend, "do": "put", "interface": name, "settings": settings.plain()})

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(self._work, self._run, request)


def run_privileged(request: dict[str, Any]) -> dict[str, Any]:
    """Run the privileged part once. Blocking. Raises NetworkError, `net_not_allowed` where the gateway's user may not."""
    try:
        done = subprocess.run(
            command(),
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            start_new_session=True,
            cwd="/",
        )
        answer = json.loads(done.stdout[:ANSWER_SIZE_MAX])
    except subprocess.TimeoutExpired as error:
        raise NetworkError("net_privileged", said="timeout") from error
    except FileNotFoundError as error:
        raise NetworkError("net_not_allowed") from error
    except (OSError, ValueError, RecursionError) as error:
        raise NetworkError("net_not_allowed" if os.geteuid() else "net_privileged", said=type(error).__name__) from error
    match answer:
        case {"fault": [str(code), dict(params)]} if code.startswith("net_"):
            raise NetworkError(code, **{str(name): value for name, value in params.items() if isinstance(value, str | int)})
        case dict():
            return answer
    raise NetworkError("net_privileged", said="")


def command() -> list[str]:
    """Return how the privileged part is started: as the sudo rule has it, word for word."""
    return [SUDO, "-n", sys.executable, "-I", "-m", MODULE] if os.geteuid() else module_command(MODULE)
