"""`python -I -m runtime.network.privileged`: the one privileged part. It reads one request, does it, prints one answer, ends.

Room: hall, network. It reads standard input. The core runs it, as root or by one sudo rule (docs/network.md); it takes no argument, no
file and no name of a program from whoever calls it, and checks everything it reads by itself. It keeps nothing: what to undo comes as
settings, like every change.

    {"backend": "ip", "do": "read", "interface": "eth0"}                      -> {"settings": {…}, "can": […], "lasting": false}
    {"backend": "ip", "do": "put", "interface": "eth0", "settings": {…}}      -> {}
    anything that fails                                                       -> {"fault": ["net_…", {…}]}
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from runtime.network.backend import BACKENDS
from runtime.network.look import LINKS
from runtime.network.settings import NetworkError, interface_name, settings_of

REQUEST_SIZE_MAX: Final = 8_192


def main() -> int:
    """Do one request; 0 when it was done."""
    try:
        answer = answer_of(sys.stdin.buffer.read(REQUEST_SIZE_MAX + 1))
    except NetworkError as error:
        answer = {"fault": [error.code, error.params]}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "fault" in answer else 0


def answer_of(data: bytes) -> dict[str, Any]:
    """Return the answer to one request. Raises NetworkError."""
    try:
        raw = json.loads(data) if len(data) <= REQUEST_SIZE_MAX else None
    except (ValueError, RecursionError):
        raw = None
    match raw:
        case {"backend": str(backend), "do": "read", "interface": name, **rest} if not rest and backend in BACKENDS:
            chosen = BACKENDS[backend]
            return {"settings": chosen.read(_there(name)).plain(), "can": list(chosen.can), "lasting": chosen.lasting}
        case {"backend": str(backend), "do": "put", "interface": name, "settings": dict(given), **rest} if not rest and backend in BACKENDS:
            BACKENDS[backend].put(_there(name), settings_of(given))
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
