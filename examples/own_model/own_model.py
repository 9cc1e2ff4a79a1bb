"""What every way of training has in common: the rows of a gateway in, `model.tflite` and `manifest.cbor` out.

Used by with_numpy.py, with_keras.py and with_torch.py beside it. It needs the package `witnessmark` with the extra `models`, nothing
else. Rows are taken in time order: a model is trained on the first 60 %, its threshold comes from the next 20 %, and the last 20 %,
which had no part in either, tell how often it alarms on what is normal. That share is written into the manifest, good or bad.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from models.decision import ALARMED_SHARE_MAX
from models.gatekeeper import CheckedModel, TensorInfo, check_model
from models.litert import Runtime
from models.manifest import Agreement, Coverage, Manifest, TensorForm
from models.scorer import Scorer

FACTOR = 1.33
"""The threshold is the highest score of the second part times this."""


class Site:
    """The rows that `witnessmark model rows` wrote. `train` are scaled rows (n, features) to learn from, missing features 0."""

    def __init__(self, folder: Path) -> None:
        with open(folder / "rows.csv", encoding="utf-8", newline="") as file:
            table = list(csv.reader(file))
        self.rows = np.array([[float(each) for each in row[1:]] for row in table[1:]]).reshape(len(table) - 1, -1)
        if len(self.rows) < 50:
            raise SystemExit(f"{len(self.rows)} rows are too few to learn from: write more with --from and --to.")
        self.times_ms = [int(row[0]) for row in table[1:]]
        self.folder = folder
        self.given = Manifest.from_plain(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
        first, second = len(self.rows) * 6 // 10, len(self.rows) * 8 // 10
        self.parts = slice(0, first), slice(first, second), slice(second, None)
        self.mean = np.nanmean(self.rows[self.parts[0]], axis=0)
        self.spread = np.nanstd(self.rows[self.parts[0]], axis=0) + 1e-6
        self.train = self.scaled(self.rows[self.parts[0]])

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in standard deviations of the training part."""
        return np.nan_to_num((rows - self.mean) / self.spread)

    def finish(self, kind: str, who: str, model: bytes, real: Callable[[np.ndarray], np.ndarray]) -> Manifest:
        """Check the model as a gateway would, set its threshold, write both files.

        `real` gives the float outputs (n, features) of scaled rows: what the int8 model is held against.
        """
        checked = check_model(model, sha256(model).digest())
        runtime = Runtime(model)
        bare = self._bare(kind, who, checked)
        exact = real(self.scaled(self.rows))
        given = outputs_of(bare, runtime, self.rows)
        residual = (self.scaled(self.rows) - given)[self.parts[1]].std(axis=0) + 1e-3
        manifest = replace(bare, residual=tuple(residual.tolist()))
        scores = scores_of(manifest, runtime, self.rows)
        threshold = float(scores[self.parts[1]].max() * FACTOR)
        share = float((scores[self.parts[2]] > threshold).mean())
        float_scores = (((self.scaled(self.rows) - exact) / residual) ** 2).sum(axis=1)
        covered = share <= ALARMED_SHARE_MAX
        manifest = replace(
            manifest,
            decision=replace(manifest.decision, threshold=threshold),
            threshold_how=f"highest of the next 20 % of the rows, times {FACTOR}",
            coverage=Coverage(covered, share, 0 if covered else len(self.rows)),
            int8_float=Agreement(
                rms=float(np.sqrt(((given - exact) ** 2).mean())),
                differing_share=float(((scores > threshold) != (float_scores > threshold)).mean()),
            ),
        )
        (self.folder / "model.tflite").write_bytes(model)
        (self.folder / "manifest.cbor").write_bytes(manifest.encoded())
        said = f"{len(model)} bytes, threshold {threshold:.1f}, {share:.2%} of the last rows alarm"
        print(f"{said}, int8 off by {manifest.int8_float.rms:.3f} sd")
        return manifest

    def _bare(self, kind: str, who: str, checked: CheckedModel) -> Manifest:
        return replace(
            self.given,
            kind=kind,
            who=who,
            code_version=f"own model, {kind}",
            model_sha256=checked.sha256,
            mean=tuple(self.mean.tolist()),
            spread=tuple(self.spread.tolist()),
            residual=(1.0,) * self.rows.shape[1],
            input=form_of(checked.input),
            output_form=form_of(checked.output),
            output="reconstruction",
            gather="sum",
            rows=len(self.rows),
            first_ms=self.times_ms[0],
            last_ms=self.times_ms[-1],
            made_ms=time.time_ns() // 1_000_000,
        )


def form_of(tensor: TensorInfo) -> TensorForm:
    """Return the tensor's form as a manifest says it."""
    return TensorForm("int8", tensor.scale, tensor.zero_point) if tensor.dtype == "int8" else TensorForm("float32", 1.0, 0)


def outputs_of(manifest: Manifest, runtime: Runtime, rows: np.ndarray) -> np.ndarray:
    """Return the model's outputs in standard deviations."""
    stored: Any = runtime.run(Scorer(manifest).inputs(rows)).astype(float)
    return (stored - manifest.output_form.zero_point) * manifest.output_form.scale


def scores_of(manifest: Manifest, runtime: Runtime, rows: np.ndarray) -> np.ndarray:
    """Return the scores, as the gateway will reckon them."""
    scorer = Scorer(manifest)
    inputs = scorer.inputs(rows)
    return np.array([each.score for each in scorer.judged(rows, inputs, runtime.run(inputs))])
