"""What can be asked about diagnostics, and the action that each question needs. Names only, so that a core costs nothing that nobody asks.

Room: hall, diagnostics. `core_questions` makes rows of it; `desk` answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VIEW, BUNDLE, PROBE = "view.diagnostics", "diag.bundle", "diag.probe"
ACTION_OF: Final[Mapping[str, str]] = {
    "diag.state": VIEW,
    "diag.log": VIEW,
    "diag.preview": BUNDLE,
    "diag.part": BUNDLE,
    "diag.archive": BUNDLE,
    "diag.targets": PROBE,
    "diag.probe": PROBE,
}
"""Request -> the action that it needs."""
