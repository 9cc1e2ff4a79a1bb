"""A tenant of the door: handing out a bundle. What it holds was shown before; the ledger says who took it, why, and its hash.

Room: hall, diagnostics. `desk` gives it to the door. It checks and acts; it records nothing and knows no face.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Final

from runtime.acts import Act, Outcome
from runtime.diagnostics.bundles import Bundles
from runtime.door_tenants import DONE
from runtime.faces.feed import RequestRefusedError

ACTION: Final = "diag.bundle"
REASON_MAX: Final = 500


class BundleAct:
    """`diag.bundle`: target is a previewed bundle's id; param `leave_out` names files, separated by commas. The outcome has `sha256`."""

    def __init__(self, bundles: Bundles, work: Executor) -> None:
        """`work` is for acts alone: every act waits while this one does. A bundle is 4 MiB at the most."""
        self._bundles, self._work = bundles, work

    async def check(self, act: Act) -> None:
        """See runtime.door.Tenant."""
        if not act.reason.strip():
            raise RequestRefusedError("diag_reason_missing")
        self._bundles.get(act.target).chosen(_left_out(act))

    async def perform(self, act: Act) -> Outcome:
        """See runtime.door.Tenant."""
        bundle = self._bundles.get(act.target)
        loop = asyncio.get_running_loop()
        digest, size, count = await loop.run_in_executor(self._work, bundle.make, _left_out(act))
        return Outcome(DONE, {"sha256": digest, "size_bytes": size, "files": count})


def _left_out(act: Act) -> frozenset[str]:
    given = act.params.get("leave_out", "")
    if set(act.params) - {"leave_out"} or not isinstance(given, str) or len(given) > 4_000:
        raise RequestRefusedError("act_shape")
    return frozenset(name for name in given.split(",") if name)
