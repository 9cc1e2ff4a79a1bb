"""The one place that holds the version of Witnessmark.

Room: hall. The build reads this file as text; `runtime.cli` and the faces import it. It never imports anything.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
"""The version of the distribution `witnessmark` (semantic versioning; formats have version numbers of their own)."""
