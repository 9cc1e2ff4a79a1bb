"""uvicorn's server without its command line and its reloader (click, multiprocessing: 2 MB), which its package imports beside it.

Room: hall, face. The only file of the face that imports uvicorn.
"""

from __future__ import annotations

import sys
from types import ModuleType

_stand_in = ModuleType("uvicorn.main")
if sys.modules.setdefault("uvicorn.main", _stand_in) is _stand_in:
    for _name in ("Server", "main", "run"):
        setattr(_stand_in, _name, None)  # what `uvicorn/__init__.py` takes from there

from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle  # noqa: E402
from uvicorn.server import Server  # noqa: E402

if sys.modules["uvicorn.main"] is _stand_in:
    del sys.modules["uvicorn.main"]  # whoever imports it later gets the real one

__all__ = ["Config", "H11Protocol", "RequestResponseCycle", "Server"]
