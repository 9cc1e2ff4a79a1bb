"""`python -I -m runtime.network.privileged`: the one privileged part. It reads one request, does it, prints one answer, ends.

Room: hall, network. It reads standard input. The core runs it, as root or by one sudo rule (docs/network.md); it takes no argument, no
file and no name of a program from whoever calls it, and checks everything it reads by itself. It keeps nothing: what to undo comes as
settings, like every change. It ends itself and what it runs at its deadline, because under sudo the core cannot. Under sudo it does nothing
from files that somebody besides root can change: that finds a machine set up wrongly, it is no defence against who has changed them.

    {"backend": "ip", "do": "read", "interface": "eth0"} -> {"settings": {…}, "can": […], "lasting": false, "profile": ""}
    {"backend": "ip", "do": "put", "interface": "eth0", "settings": {…}, "profile": "…"}, the profile where there is one -> {}
    {"backend": "ip", "do": "put_back", "interface": "eth0", "settings": {…}, "profile": "…"}, the same -> {}
    anything that fails -> {"fault": ["net_…", {…}]}
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from runtime.network.backend import BACKENDS
from runtime.network.look import LINKS
from runtime.network.settings import NetworkError, interface_name, profile_name, settings_of

REQUEST_SIZE_MAX: Final = 8_192
DEADLINE_S: Final = 40
"""For one request, all its programs and what it takes back together."""


class DeadlineError(BaseException):
    """The time is over: past every `except` that would try something else first, and through `subprocess.run`, which ends its program."""


def main() -> int:
    """Do one request; 0 when it was done."""
    signal.signal(signal.SIGALRM, _over)
    signal.alarm(DEADLINE_S)
    try:
        _require_roots_own()
        answer = answer_of(sys.stdin.buffer.read(REQUEST_SIZE_MAX + 1))
    except NetworkError as error:
        answer = {"fault": [error.code, error.params]}
    except DeadlineError:
        answer = {"fault": ["net_privileged", {"said": "timeout"}]}
    signal.alarm(0)
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "fault" in answer else 0


def _over(_number: int, _frame: object) -> None:
    raise DeadlineError


def _require_roots_own() -> None:
    """Under sudo: interpreter, environment and package are root's alone. Raises NetworkError `net_not_roots`."""
    if "SUDO_UID" not in os.environ:
        return
    program, prefix, package = Path(sys.executable), Path(sys.prefix), Path(__file__).parent
    path = others_may_change((program, program.parent, prefix, prefix / "pyvenv.cfg", Path(__file__), package, package.parents[1]))
    if path is not None:
        raise NetworkError("net_not_roots", path=str(path))


def others_may_change(paths: Iterable[Path]) -> Path | None:
    """Return the first of the paths, and of the folders that they lie in, that is not root's or that others may write; None without."""
    for path in (each.resolve() for each in paths if each.exists()):
        for at, kept in ((path, 0), *((folder, stat.S_ISVTX) for folder in path.parents)):
            found = at.stat()
            if found.st_uid != 0 or (found.st_mode & 0o022 and not found.st_mode & kept):
                return at
    return None


def answer_of(data: bytes) -> dict[str, Any]:
    """Return the answer to one request. Raises NetworkError."""
    try:
        raw = json.loads(data) if len(data) <= REQUEST_SIZE_MAX else None
    except (ValueError, RecursionError):
        raw = None
    match raw:
        case {"backend": str(backend), "do": "read", "interface": name, **rest} if not rest and backend in BACKENDS:
            chosen, there = BACKENDS[backend], _there(name)
            profile = chosen.profile(there)
            settings = chosen.read(there, profile).plain()
            return {"settings": settings, "can": list(chosen.can), "lasting": chosen.lasting, "profile": profile}
        case {"backend": str(backend), "do": "put" | "put_back" as do, "interface": name, "settings": dict(given), **rest} if (
            rest.keys() <= {"profile"} and backend in BACKENDS
        ):
            put = BACKENDS[backend].put if do == "put" else BACKENDS[backend].put_back
            put(_there(name), settings_of(given), profile_name(rest.get("profile", "")))
            return {}
    raise NetworkError("net_shape")


def _there(raw: object) -> str:
    """Return the name of an interface that this machine has. Raises NetworkError."""
    name = interface_name(raw)
    if not (LINKS / name).exists():
        raise NetworkError("net_interface", name=name)
    return name


if __name__ == "__main__":
    sys.exit(main())
