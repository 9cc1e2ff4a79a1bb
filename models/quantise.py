"""Float layers to int8 layers: post-training quantisation of a small dense chain.

Room: ground, pure numpy. `commission` calls it; `flatbuffer` writes what it returns. It never looks at a score.
Weights symmetric per output channel, activations asymmetric per tensor, bias int32 (the TFLite quantisation specification).
The input's and the output's range is fixed at +-RANGE standard deviations: a range taken from normal rows would saturate on just those
rows that matter. Beyond it a rule speaks, and the scorer still sees the unclipped feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.flatbuffer import Affine, DenseInt8

Floats = NDArray[np.float64]
RANGE: Final = 8.0
"""Standard deviations that inputs and outputs of a model can say."""
INSIDE: Final = Affine(float(np.float32(2 * RANGE / 255)), 0)
HEADROOM: Final = 1.5
"""How much further than on normal rows a hidden activation may go before it saturates."""


@dataclass(frozen=True, slots=True)
class Dense:
    """output = activation(weights @ input + bias); weights (outputs, inputs)."""

    weights: Floats
    bias: Floats
    relu: bool = False


def forward(layers: Sequence[Dense], rows: Floats) -> list[Floats]:
    """Return the rows (n, inputs) and the activations after each layer, in float64."""
    seen = [rows]
    for layer in layers:
        value = seen[-1] @ layer.weights.T + layer.bias
        seen.append(np.maximum(value, 0) if layer.relu else value)
    return seen


def quantised(layers: Sequence[Dense], normal: Floats) -> list[DenseInt8]:
    """Return the layers in int8; `normal` (n, inputs) are rows that hidden activations are measured on."""
    seen = forward(layers, np.clip(normal, -RANGE, RANGE))
    made: list[DenseInt8] = []
    before = INSIDE
    for number, layer in enumerate(layers):
        after = INSIDE if number == len(layers) - 1 else _range_of(seen[number + 1])
        scales = np.maximum(np.abs(layer.weights).max(axis=1), 1e-6) / 127
        weights = np.clip(np.rint(layer.weights / scales[:, None]), -127, 127).astype(np.int8)
        bias = np.clip(np.rint(layer.bias / (scales * before.scale)), -(2**31) + 1, 2**31 - 1).astype(np.int64)
        made.append(
            DenseInt8(
                inputs=layer.weights.shape[1],
                outputs=layer.weights.shape[0],
                weights=weights.tobytes(),
                weight_scales=tuple(scales.tolist()),
                bias=tuple(bias.tolist()),
                output=after,
                relu=layer.relu,
            )
        )
        before = after
    return made


def _range_of(activations: Floats) -> Affine:
    low = min(0.0, float(activations.min()) * HEADROOM)
    high = max(float(activations.max()) * HEADROOM, 1e-3)
    scale = float(np.float32((high - low) / 255))
    return Affine(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))
