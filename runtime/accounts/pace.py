"""How often people may change something about themselves: everybody may, and each change is two entries of the ledger. Pure.

Room: hall, accounts. `tenants` asks it before an act of `permissions.OWN` begins, and notes each that does. Times are given. What an admin
does to others is not counted here: it wants a role and a fresh password.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from runtime.faces.feed import RequestRefusedError

DAY_MS: Final = 86_400_000
PER_DAY: Final = 20
"""Of each kind of change, for each person: more than anybody needs, and little for a ledger."""


class OwnPace:
    """Kept in memory: a restart ends every session, and with it what a program could go on with."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str], deque[int]] = {}

    def require(self, account: str, action: str, now_ms: int) -> None:
        """Refuse one more too many. `account` is the folded name. Raises RequestRefusedError `own_too_often`."""
        done = self._done.get((account, action))
        if done is not None and len(done) >= PER_DAY and now_ms - done[0] < DAY_MS:
            raise RequestRefusedError("own_too_often", most=PER_DAY, retry_after_s=-(-(done[0] + DAY_MS - now_ms) // 1_000))

    def note(self, account: str, action: str, now_ms: int) -> None:
        """Count one that begins."""
        self._done.setdefault((account, action), deque(maxlen=PER_DAY)).append(now_ms)
