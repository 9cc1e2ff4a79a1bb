"""Commissioning: from rows of normal operation to a signed thing's two halves, an int8 model and the manifest that says what it is.

Room: ground. The trainer calls it in a process of its own; it is pure but for the runtime, which it asks what the int8 model really says.
It opens no file, reads no clock and changes no ledger. The same rows and options give the same bytes.

The walk: scale the plan to its tags -> fit each kind of model and judge it out of fold -> coverage: make it again from the first rows
alone and see how it judges the later ones -> keep one -> int8 -> int8 against float.
docs/decisions/0018-how-settings-were-chosen.md says where the defaults come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidate, Settings, candidates, shifted
from models.decision import ALARMED_SHARE_MAX, COVER_SHARES, COVER_WINDOWS_MIN, DecisionSettings
from models.flatbuffer import write_model
from models.input_plan import InputPlan
from models.input_stream import Rows, features_again
from models.litert import Runtime
from models.manifest import Agreement, Coverage, Manifest, TensorForm
from models.quantise import INSIDE, RANGE, forward, quantised
from models.scorer import Scorer
from models.slow_residuals import RULE, drift_limits

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]
"""Called with the stage (features, folds, fitting, quantising, comparing) and how much of the whole is done, 0 to 1."""

WINDOWS_MIN: Final = 4
"""So many lengths of the window are needed to learn at all."""
COVER_ROWS_MIN: Final = 1200
"""No model of fewer rows counts as covered: what moves slowly has not been seen to come back."""
SCALE_SHARE_MIN: Final = 1e-3
"""Least scale of a tag, as a share of its mean: what stood still while normal is not infinitely exact."""
BETTER_BY: Final = 0.1
"""How much more of the shifts a later kind must find to be kept."""
BAND_QUANTILES: Final = (0.001, 0.999)


class CannotLearnError(Exception):
    """The rows are not enough to learn from: a message code with its parameters."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        super().__init__(f"{code} {params}")
        self.code = code
        self.params = params


SETTINGS: Final = Settings()
DECISION: Final = DecisionSettings(threshold=1.0)
"""The default decision; its threshold is set when a model is learned."""


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """What the rows do not say. kinds: in the order they are tried; a later one is kept only if it is clearly better."""

    name: str
    who: str = ""
    recipe: str = ""
    made_ms: int = 0
    code_version: str = ""
    kinds: tuple[str, ...] = ("components", "ridge", "whitening", "autoencoder")
    settings: Settings = SETTINGS
    decision: DecisionSettings = DECISION
    limits: Mapping[str, Sequence[float | None]] | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """What came out. found_shares: kind -> share of shifts put in that it found. float_self: the model before int8.

    unlike_ms: where it would find hardly anything, from when to when the rows are that are most unlike the rest.
    """

    manifest: Manifest
    model: bytes
    found_shares: dict[str, float]
    float_self: Candidate
    unlike_ms: tuple[int, int] | None = None


def _silent(stage: str, share: float) -> None:
    """Nobody listens."""


def learn(plan: InputPlan, rows: Rows, options: LearnOptions, progress: Progress = _silent) -> Learned:
    """Return a model of these rows.

    Args:
        plan: tags, grid, window; the scales of its tags are set here from the rows.
        rows: normal operation in the order of time; rows that abstained and rows with a missing tag are left out here.

    Raises:
        CannotLearnError: model_rows_few {rows_have, rows_want}.
        ModelFault: of the runtime, where there is none.
    """
    progress("features", 0.0)
    rows_have = int(rows.usable.sum())
    if rows_have < WINDOWS_MIN * plan.window:
        raise CannotLearnError("model_rows_few", rows_have=rows_have, rows_want=WINDOWS_MIN * plan.window)
    plan = scaled_plan(plan, rows.values[rows.usable])
    rows = features_again(plan, rows)
    whole = rows.usable & np.isfinite(rows.features).all(axis=1)
    features, values, cells = rows.features[whole], rows.values[whole], rows.cells[whole]
    if len(features) < WINDOWS_MIN * plan.window:
        raise CannotLearnError("model_rows_few", rows_have=len(features), rows_want=WINDOWS_MIN * plan.window)
    made, coverage, found = _chosen(plan, features, options, progress)
    progress("fitting", 0.75)
    progress("quantising", 0.8)
    model = write_model(INSIDE, quantised(made.layers, made.scaled(features)), f"witnessmark {made.kind}")
    draft = _manifest(plan, made, options, coverage, model, values, cells)
    progress("comparing", 0.9)
    manifest = compared(draft, made, model, features)
    progress("comparing", 1.0)
    if not manifest.is_blind:
        return Learned(manifest, model, found, made)
    first, last = made.unlike(plan.window)
    return Learned(manifest, model, found, made, (int(cells[first] - 1) * plan.grid_ms, int(cells[last]) * plan.grid_ms))


def scaled_plan(plan: InputPlan, values: Floats) -> InputPlan:
    """Return the plan with each tag's scale: its standard deviation in these values (n, tags), or what it must at least be."""
    tags = []
    for number, tag in enumerate(plan.tags):
        seen = values[:, number][np.isfinite(values[:, number])]
        if tag.role not in ("level", "counter") or not len(seen):
            tags.append(tag)
            continue
        least = max(SCALE_SHARE_MIN * float(np.abs(seen).mean()), 1e-9)
        tags.append(replace(tag, scale=max(float(seen.std()), least)))
    return replace(plan, tags=tuple(tags))


def _chosen(plan: InputPlan, features: Floats, options: LearnOptions, progress: Progress) -> tuple[Candidate, Coverage, dict[str, float]]:
    """Return the model to keep, its coverage, and how much each found of the shifts put in.

    The first kind is kept unless a later one is covered and finds clearly more: a model that finds more because it also alarms on the
    next hour of normal operation is no better.
    """
    best: tuple[Candidate, Coverage] | None = None
    found: dict[str, float] = {}
    for number, kind in enumerate(options.kinds):
        progress("folds", 0.1 + 0.65 * number / len(options.kinds))
        made = candidates(kind, features, plan, options.settings)
        for one, coverage in zip(made, _coverages(plan, features, kind, options.settings), strict=True):
            found[f"{kind} {one.how}"] = one.found_share
            if best is None or (coverage.covered and one.found_share > best[0].found_share + BETTER_BY):
                best = one, coverage
    if best is None:
        raise ValueError("no kind of model to try")
    return *best, found


def _coverages(plan: InputPlan, features: Floats, kind: str, settings: Settings) -> list[Coverage]:
    """Return, for each way to make a score, whether models of the first rows would have been calm on all later ones.

    Three times, from a third, a half and three quarters of the rows; the worst counts. A model of the first third that is calm on the
    other two has seen what moves slowly come to rest.
    """
    rows = len(features)
    worst = [0.0] * len(settings.gathers)
    for share in COVER_SHARES:
        first = int(rows * share)
        if first < COVER_WINDOWS_MIN * plan.window:
            worst = [1.0] * len(worst)
            break
        earlier = candidates(kind, features[:first], plan, settings)
        worst = [max(before, one.alarmed_share(features[first:])) for before, one in zip(worst, earlier, strict=True)]
    wanted = [max(COVER_ROWS_MIN - rows, rows // 2 if share > ALARMED_SHARE_MAX else 0) for share in worst]
    return [Coverage(covered=more <= 0, alarmed_share=share, rows_wanted=max(0, more)) for share, more in zip(worst, wanted, strict=True)]


def compared(draft: Manifest, made: Candidate, model: bytes, features: Floats) -> Manifest:
    """Return the manifest with what int8 changes: the model is run on its own rows, and on rows with shifts put in.

    The threshold is widened to what the int8 model scores on normal rows, should rounding have lifted one above it.
    """
    tried = np.concatenate([features, shifted(made, features)])
    scorer = Scorer(draft)
    outputs = Runtime(model).run(scorer.inputs(tried))
    scores, _ = scorer.arrays(tried, outputs)
    clipped = np.clip(made.scaled(tried), -RANGE, RANGE)
    off = outputs.astype(np.float64) * INSIDE.scale - np.clip(forward(made.layers, clipped)[-1], -RANGE, RANGE)
    threshold = max(draft.threshold, float(scores[: len(features)].max()))
    differing = (scores > threshold) != (made.scores(tried) > made.threshold)
    agreement = Agreement(rms=float(np.sqrt(np.mean(off[: len(features)] ** 2))), differing_share=float(np.mean(differing)))
    return replace(draft, int8_float=agreement, decision=replace(draft.decision, threshold=threshold))


def _manifest(
    plan: InputPlan, made: Candidate, options: LearnOptions, coverage: Coverage, model: bytes, values: Floats, cells: NDArray[np.int64]
) -> Manifest:
    slow = drift_limits(plan, cells, made.missed)
    drift = {RULE: slow} if any(limit is not None for limit in slow) else {}
    with_bands = [_band(values[:, number]) for number in range(len(plan.tags))]
    form = TensorForm("int8", INSIDE.scale, INSIDE.zero_point)
    return Manifest(
        name=options.name,
        kind=made.kind,
        model_sha256=hashlib.sha256(model).digest(),
        plan=plan,
        mean=tuple(made.mean.tolist()),
        spread=tuple(made.spread.tolist()),
        residual=tuple(made.residual.tolist()),
        input=form,
        output_form=form,
        output="reconstruction",
        normal_class=0,
        gather="largest" if made.how == "largest" else "sum",
        ceilings=tuple(made.ceilings.tolist()),
        decision=replace(options.decision, threshold=made.threshold, look=plan.window),
        threshold_how=f"highest score of {options.settings.folds} contiguous folds, each by a model of the others, times {made.factor:g}",
        coverage=coverage,
        int8_float=Agreement(0.0, 0.0),
        bands=tuple(with_bands),
        limits={rule: list(of_tags) for rule, of_tags in (options.limits or {}).items()} | drift,
        rows=len(values),
        first_ms=int(cells[0]) * plan.grid_ms,
        last_ms=int(cells[-1]) * plan.grid_ms,
        code_version=options.code_version,
        recipe=options.recipe,
        who=options.who,
        made_ms=options.made_ms,
    )


def _band(values: Floats) -> tuple[float, float]:
    """Return what a tag was between in normal operation, but for one row in a thousand at each end."""
    low, high = np.quantile(values[np.isfinite(values)], BAND_QUANTILES) if np.isfinite(values).any() else (0.0, 0.0)
    return float(low), float(high)
