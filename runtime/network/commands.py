"""Programs of the machine that know or change its network, run with a limit of time and output and without a shell. Blocking.

Room: hall, network. `look` reads with it, the back ends change with it. Arguments are lists; nothing of a request becomes a shell's word.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any, Final

from runtime.network.settings import NetworkError

TIMEOUT_S: Final = 10.0
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_MAX: Final = 1 << 20
SAID_MAX: Final = 200


def program(name: str) -> str | None:
    """Return where a program of the system is, None when there is none; never one of the caller's own PATH."""
    return shutil.which(name, path=PATH)


def run(name: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> str:
    """Run a program to its end and return what it printed. Raises NetworkError `net_program_missing`, `net_program_failed`."""
    path = program(name)
    if path is None:
        raise NetworkError("net_program_missing", program=name)
    try:
        done = subprocess.run(
            [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False,
            env={"PATH": PATH, "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NetworkError("net_program_failed", program=name, said="timeout") from error
    except OSError as error:
        raise NetworkError("net_program_failed", program=name, said=error.strerror or "") from error
    if done.returncode:
        raise NetworkError("net_program_failed", program=name, said=done.stderr.decode("utf-8", "replace").strip()[:SAID_MAX])
    return done.stdout[:OUTPUT_MAX].decode("utf-8", "replace")


def run_json(name: str, *arguments: str) -> Any:
    """Run a program that prints JSON. Raises NetworkError."""
    text = run(name, *arguments)
    try:
        return json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise NetworkError("net_program_failed", program=name, said="no JSON") from error
