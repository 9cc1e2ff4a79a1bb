"""The feed's requests of commissioning, and the action that each needs. Constants.

Room: hall, commissioning. `desk` answers them; `core_questions` knows them before the desk is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LOOK: Final = "device.look"
VIEW: Final = "view.config"
ACTION_OF: Final[Mapping[str, str]] = {
    "bench.read": LOOK,
    "bench.ways": LOOK,
    "bench.scaling": LOOK,
    "bench.detect": LOOK,
    "bench.scan": LOOK,
    "bench.scan_state": LOOK,
    "bench.scan_cancel": LOOK,
    "bench.offers": LOOK,
    "bench.browse": LOOK,
    "bench.templates": LOOK,
    "bench.places": LOOK,
    "draft": VIEW,
    "config.judge": VIEW,
    "config.revision": VIEW,
    "tags.table": VIEW,
    "tags.judge": VIEW,
    "tags.sheet": VIEW,
}
"""Request -> the action that it needs."""
