"""uvicorn's server without its command line and its reloader (click, multiprocessing: 2 MB), which its package imports beside it.

Room: hall, face. The only file of the face that imports uvicorn. Where uvicorn is there already, or is made otherwise than we know, it
is imported as ever.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Final

MAIN: Final = "uvicorn.main"


def _leave_out_its_command_line() -> None:
    """Import the package with a stand-in for its command line, and take the stand-in away again."""
    if "uvicorn" in sys.modules:
        return
    stand_in = ModuleType(MAIN)
    shown = ("Server", "main", "run")
    vars(stand_in).update(dict.fromkeys(shown))
    sys.modules[MAIN] = stand_in
    try:
        package = importlib.import_module("uvicorn")
        for name in shown:
            vars(package).pop(name, None)
        vars(package)["__getattr__"] = _of_its_command_line
    except ImportError:  # it takes something else from there: then with everything
        for name in [name for name in sys.modules if name.partition(".")[0] == "uvicorn"]:
            del sys.modules[name]
    finally:
        sys.modules.pop(MAIN, None)


def _of_its_command_line(name: str) -> object:
    """Give what somebody asks of the package after all."""
    if name not in {"Server", "main", "run"}:
        raise AttributeError(name)
    return getattr(importlib.import_module(MAIN), name)


_leave_out_its_command_line()

from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle  # noqa: E402
from uvicorn.server import Server  # noqa: E402

__all__ = ["Config", "H11Protocol", "RequestResponseCycle", "Server"]
