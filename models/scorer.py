"""Features to input rows, output rows to scores, and how much each tag had in a score.

Room: ground, pure. The judge, a replay and `commission` call it, so that a model is judged in service as it was when its threshold was
set. It never runs a model. Deterministic to the bit: elementwise float64 and sums of a fixed order, no matrix product, so a row has the
same score alone, in a block, and on another processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from models.model_fault import ModelFault

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of one row.

    score: what is compared with the threshold. contributions: how much of it each tag had, in the order of the plan's tags; the score
    of a reconstruction is the sum or the largest of them, each measured by its ceiling in the manifest. For other outputs, how far each
    tag's features are from normal, in squared standard deviations.
    """

    score: float
    contributions: tuple[float, ...]

    def shares(self) -> tuple[float, ...]:
        """Return the contributions as shares of their sum."""
        whole = sum(self.contributions)
        return tuple(each / whole if whole else 0.0 for each in self.contributions)


class Gathering:
    """Makes contributions of tags and a score out of what was missed per feature: in service, and when a threshold is set."""

    def __init__(self, owners: Sequence[int], ceilings: Floats, how: str) -> None:
        """`owners`: the tag of each feature. `ceilings`: (tags,), what a contribution is measured by. `how`: sum or largest, of those."""
        owner = np.array(owners, dtype=np.intp)
        self._ceilings, self._largest = ceilings, how == "largest"
        self._order = np.argsort(owner, kind="stable")
        """Features tag by tag, so that those of one tag are neighbours."""
        self._owned, self._starts = np.unique(owner[self._order], return_index=True)

    def parts(self, missed: Floats) -> Floats:
        """Return the contributions (n, tags) of residuals (n, features); NaN contributes nothing."""
        squares = np.where(np.isnan(missed), 0.0, missed * missed)[:, self._order]
        parts = np.zeros((len(missed), len(self._ceilings)))
        parts[:, self._owned] = np.add.reduceat(squares, self._starts, axis=1)
        return parts

    def scores(self, parts: Floats) -> Floats:
        """Return the scores (n,) of contributions."""
        measured = parts / self._ceilings
        found: Floats = np.max(measured, axis=1) if self._largest else np.cumsum(measured, axis=1)[:, -1]
        return found  # summed one after another: a faster sum would add in an order of its own


class Scorer:
    """The numbers of one manifest, made ready."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._mean = np.array(manifest.mean)
        self._spread = np.array(manifest.spread)
        self._residual = np.array(manifest.residual)
        self._gathering = Gathering(manifest.plan.tag_of_feature, np.array(manifest.ceilings), manifest.gather)

    def inputs(self, features: Floats) -> NDArray[Any]:
        """Return the model's input rows (n, features): int8 as the manifest says, beyond its range the nearest it has; or float32."""
        scaled = self.scaled(features)
        form = self._manifest.input
        if form.dtype == "float32":
            return scaled.astype(np.float32)
        stored: Floats = np.clip(np.rint(scaled / form.scale) + form.zero_point, -128, 127)
        return stored.astype(np.int8)

    def judged(self, features: Floats, inputs: NDArray[Any], outputs: NDArray[Any]) -> list[Judged]:
        """Return a score for each row.

        Args:
            features: (n, features), as they were given to `inputs`, which made `inputs` of them.
            inputs: (n, features).
            outputs: (n, outputs) of the model, in its own type.

        Raises:
            ModelFault: model_output_shape, when the outputs are not those that the manifest speaks of; model_output_not_finite.
        """
        scores, parts = self.arrays(features, outputs)
        return [Judged(score, tuple(part)) for score, part in zip(scores.tolist(), parts.tolist(), strict=True)]

    def arrays(self, features: Floats, outputs: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return scores (n,) and contributions (n, tags): what `judged` says, as columns."""
        kind, real = self._manifest.output, self._real(features, outputs)
        scaled = self.scaled(features)
        missed = (scaled - real) / self._residual if kind == "reconstruction" else scaled
        parts = self._gathering.parts(np.where(np.isnan(features), np.nan, missed))
        if kind == "reconstruction":
            return self._gathering.scores(parts), parts
        if kind == "score":
            return real[:, 0], parts
        others = np.delete(real, self._manifest.normal_class, axis=1)
        return np.max(others, axis=1) - real[:, self._manifest.normal_class], parts

    def residuals(self, features: Floats, outputs: NDArray[Any]) -> Floats | None:
        """Return what a reconstruction missed, signed, in what it misses on normal rows (n, features); NaN where a feature is missing.

        None for models of another output. `slow_residuals` watches their means.
        """
        if self._manifest.output != "reconstruction":
            return None
        missed: Floats = (self.scaled(features) - self._real(features, outputs)) / self._residual
        return np.where(np.isnan(features), np.nan, missed)

    def foretold(self, features: Floats, outputs: NDArray[Any]) -> Floats:
        """Return what a reconstruction makes of the features (n, features), in their own units."""
        return self.unscaled(self._real(features, outputs))

    def unscaled(self, scaled: Floats) -> Floats:
        """Return features in their own units, of such in standard deviations from their normal means."""
        features: Floats = scaled * self._spread + self._mean
        return features

    def _real(self, features: Floats, outputs: NDArray[Any]) -> Floats:
        form = self._manifest.output_form
        real: Floats = outputs.astype(np.float64)
        if form.dtype == "int8":
            real = (real - form.zero_point) * form.scale
        self._check(real, features)
        return real

    def scaled(self, features: Floats) -> Floats:
        """Return the features in standard deviations; a missing one, NaN, is taken as normal: it neither alarms nor calms."""
        scaled: Floats = (features - self._mean) / self._spread
        return np.where(np.isnan(scaled), 0.0, scaled)

    def _check(self, real: Floats, features: Floats) -> None:
        kind, width = self._manifest.output, real.shape[1] if real.ndim == 2 else -1
        wanted = {"reconstruction": width == features.shape[1], "score": width == 1, "class": width > max(1, self._manifest.normal_class)}
        if len(real) != len(features) or not wanted[kind]:
            raise ModelFault("model_output_shape", {"output": kind, "shape": "x".join(str(each) for each in real.shape)})
        if not np.isfinite(real).all():
            raise ModelFault("model_output_not_finite", {"output": kind})
