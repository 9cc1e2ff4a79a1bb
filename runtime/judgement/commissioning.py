"""Learning a model from the ledger: training set, limits of the rules, model and manifest.

Room: hall, judgement; the trainer's process (numpy). It joins what `training_set` reads to what `models.commission` makes of it, and
writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger_client.reader import LedgerReader
from models.commission import LearnOptions, learn
from models.input_plan import InputPlan
from models.manifest import Manifest
from models.natural_limits import natural_limits
from runtime.judgement.training_set import Progress, gather
from runtime.version import VERSION


@dataclass(frozen=True, slots=True)
class Commissioned:
    """A model, and how many rows of the time asked for are not in it: `left_out` were not normal, `settling` came right after a start.

    `unlike_ms`: see models.commission.Learned.
    """

    manifest: Manifest
    model: bytes
    left_out: int
    settling: int
    unlike_ms: tuple[int, int] | None


def learn_model(reader: LedgerReader, plan: InputPlan, order: Mapping[str, Any], progress: Progress) -> Commissioned:
    """Return what comes of an order of the core. Raises LedgerError, CannotLearnError, ModelFault, OSError."""
    found = gather(reader, reader.size(), plan, str(order["name"]), int(order["from_ms"]), int(order["to_ms"]), progress)
    seen = found.readings
    limits = natural_limits(plan, seen.tag_index, seen.time_ms, seen.value, seen.source_ms, found.cuts_ms)
    options = LearnOptions(
        name=str(order["name"]), who=str(order["who"]), recipe=str(order["recipe"]), made_ms=int(order["made_ms"]), code_version=VERSION,
        limits=limits,
    )  # fmt: skip
    learned = learn(plan, found.rows, options, progress)
    progress("writing", 1.0)
    return Commissioned(learned.manifest, learned.model, found.left_out, found.settling, learned.unlike_ms)
