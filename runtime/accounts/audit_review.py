"""The door's tenant for signing off a part of the audit trail: that somebody looked at it, recorded like any act.

Room: hall. `app` gives it to the door. It changes nothing: the intent, with who, when and why, and the person's own signature where they
gave one, is the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable

from runtime.acts import Act, Outcome
from runtime.faces.feed import RequestRefusedError


class AuditReview:
    """`audit.review`: params `first` and `last`, the numbers of entries, both included."""

    def __init__(self, size: Callable[[], int]) -> None:
        """`size` tells how many entries are durable."""
        self._size = size

    async def check(self, act: Act) -> None:
        """See Tenant."""
        first, last = act.params.get("first"), act.params.get("last")
        if set(act.params) != {"first", "last"} or type(first) is not int or type(last) is not int or not 0 <= first <= last < self._size():
            raise RequestRefusedError("audit_range", last=self._size() - 1)
        if not act.reason.strip():
            raise RequestRefusedError("audit_meaning")

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        return Outcome("done", {"first": act.params["first"], "last": act.params["last"]})
