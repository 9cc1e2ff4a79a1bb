"""Whether this machine has what models need: numpy and a runtime. Looks, and loads nothing.

Room: hall, judgement. `children` leaves the judge out without it, `desk` says so in health, `ledger replay` before it begins.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

RUNTIMES: Final = ("ai_edge_litert", "tflite_runtime")


def models_installed() -> bool:
    """Tell whether the extra `models` is there."""
    return find_spec("numpy") is not None and any(find_spec(each) is not None for each in RUNTIMES)
