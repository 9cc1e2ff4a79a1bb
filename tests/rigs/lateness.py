"""How far read times lie behind a grid whose phase nobody knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def late_ms(times: Iterable[int], period_ms: int) -> list[int]:
    """Return how far each time lies behind the grid of `period_ms`, earliest first.

    The phase is unknown: it is where the circle of all phases is cut so that they spread least, and the earlier one where two cuts spread
    the same. Many times of one phase are one place on that circle.
    """
    phases = sorted(t % period_ms for t in times)
    cuts = sorted(set(phases))
    start = min(((cuts[i - 1] - cuts[i]) % period_ms, cuts[i]) for i in range(len(cuts)))[1] if cuts else 0
    return sorted((p - start) % period_ms for p in phases)
