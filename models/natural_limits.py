"""What tags do in normal operation, and the limits that the rules of sensor faults take from it.

Room: ground, models; pure. Commissioning calls it with the very readings that the model is trained on; the limits stand in the manifest.
Every limit is larger than the largest thing seen, so the rules find nothing in the readings that they were learned from. Engineering limits
(`range`) are not learned: a range taken from a morning is left by every afternoon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.input_plan import InputPlan
from models.signs import SIGNS, Sign, Signs, devices_of

Limits = Mapping[str, Sequence[float | None]]
"""Kind of sign (`signs.SIGNS`) -> per tag, what is too much; None: this tag has no such rule."""

STEP_FACTOR: Final = 2.0
STEP_REPORTS: Final = 200
"""With fewer changes than that nothing is known of how far a tag steps."""
RUN_FACTOR: Final = 2.0
RUN_SHARE: Final = 0.02
"""A tag that stood longer than this share of the readings' time stands naturally: fifty such times say little of how long it may."""
STEP_TAIL: Final = 8.0
"""A tag whose largest step is so many times its usual one jumps naturally (noise: four to five times): it has no rule for jumps."""
MISSING_MS: Final = 3000.0
MISSING_TIMES: Final = 2.0
LATE_MS: Final = 2000.0
CLOCK_MS: Final = 5000.0
SOURCE_MS: Final = 2000.0
HEARTBEAT_SHARE: Final = 0.4
"""Values are held for two and a half heartbeats: so long after the last one a standing value is told again."""
CLOSE_MS: Final = 5000


def natural_limits(
    plan: InputPlan,
    tag_index: NDArray[np.int64],
    time_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    source_ms: Sequence[int | None] | None = None,
    cuts_ms: Iterable[int] = (),
) -> dict[str, list[float | None]]:
    """Learn the limits of a plan's tags from normal readings: columns of one length in any order, NaN is missing from then on.

    `cuts_ms`: times before which something was left out, or nobody looked. That is no silence of a sensor, and nothing is reckoned over it.
    """
    largest: dict[str, list[float]] = {kind: [0.0] * len(plan.tags) for kind in SIGNS}
    for kind in ("source_early_ms", "source_late_ms"):
        largest[kind] = [-np.inf] * len(plan.tags)

    def keep(sign: Sign) -> None:
        sizes = largest["step" if sign.kind == "spike" else sign.kind]
        sizes[sign.tag_index] = max(sizes[sign.tag_index], sign.size)

    signs = Signs(plan, largest, keep)
    order = np.argsort(time_ms, kind="stable")
    values = value[order].tolist()
    sources = [None] * len(values) if source_ms is None else [source_ms[k] for k in order]
    close_ms: int | None = None
    cuts = sorted(cuts_ms, reverse=True)
    for i, at_ms, one, source in zip(tag_index[order].tolist(), time_ms[order].tolist(), values, sources, strict=True):
        if cuts and at_ms >= cuts[-1]:
            while cuts and at_ms >= cuts[-1]:
                cuts.pop()
            signs.forget()
        elif close_ms is not None and at_ms > close_ms:
            signs.close(close_ms)
        if close_ms is None or at_ms > close_ms:
            close_ms = -(-at_ms // CLOSE_MS) * CLOSE_MS
        signs.take(i, at_ms, one, source)
    if close_ms is not None:
        signs.close(close_ms + CLOSE_MS)  # steps that wait are told by then
    span_ms = float(np.ptp(time_ms)) if len(time_ms) else 0.0
    return _limits(plan, largest, span_ms, [_steps(value[order][tag_index[order] == i]) for i in range(len(plan.tags))])


def _steps(values: NDArray[np.float64]) -> tuple[int, float, float]:
    """Return how many changes a tag made, the smallest of them, which is the step of its resolution, and the middle one."""
    changes = np.abs(np.diff(values[np.isfinite(values)]))
    changes = changes[changes > 0]
    return len(changes), float(changes.min(initial=np.inf)), float(np.median(changes)) if len(changes) else 0.0


def _limits(
    plan: InputPlan, largest: Mapping[str, Sequence[float]], span_ms: float, steps: Sequence[tuple[int, float, float]]
) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {kind: [None] * len(plan.tags) for kind in SIGNS if kind != "spike"}
    devices = devices_of(plan)
    for i, tag in enumerate(plan.tags):
        seen = {kind: sizes[i] for kind, sizes in largest.items()}
        changes, smallest, usual = steps[i]
        if changes >= STEP_REPORTS and 0 < seen["step"] <= STEP_TAIL * usual:
            found["step"][i] = max(STEP_FACTOR * seen["step"], seen["step"] + 2 * smallest)
        if changes >= 1 and 0 < seen["constant_ms"] <= RUN_SHARE * span_ms:
            found["same_reports"][i] = RUN_FACTOR * max(seen["same_reports"], 1.0)
            found["constant_ms"][i] = RUN_FACTOR * seen["constant_ms"] + HEARTBEAT_SHARE * tag.hold_ms
        found["missing_ms"][i] = max(MISSING_MS, RUN_FACTOR * seen["missing_ms"])
        found["missing_times"][i] = max(MISSING_TIMES, RUN_FACTOR * seen["missing_times"])
        if devices[i] == i and seen["late_ms"] > 0:
            found["late_ms"][i] = max(RUN_FACTOR * seen["late_ms"], seen["late_ms"] + LATE_MS)
        if tag.role in {"clock", "uptime"}:
            found["clock_ms"][i] = max(CLOCK_MS, RUN_FACTOR * seen["clock_ms"])
        for kind in ("source_early_ms", "source_late_ms"):
            if np.isfinite(seen[kind]):
                found[kind][i] = max(seen[kind], 0.0) + SOURCE_MS  # a time that only aged until now may be new any moment
    return found
