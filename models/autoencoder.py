"""A small dense autoencoder, trained in numpy: expects of each feature what fits through a narrow waist.

Room: ground, pure numpy. `commission` tries it after the linear models; nothing else calls it. Same seed and rows, same weights.
Rows are features in standard deviations of the training rows, (n, features). It sees them with noise added and learns to take it away,
so that it cannot learn to copy. Adam with a cosine rate (Kingma and Ba, arXiv 1412.6980); a fixed number of steps, so that an hour of
rows takes no longer than ten minutes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.quantise import Dense

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Training:
    """How it is trained. waist: values in the middle, as a share of the features; noise in standard deviations."""

    hidden: int = 24
    waist_share: float = 0.3
    steps: int = 500
    batch: int = 64
    rate: float = 4e-3
    noise: float = 0.3
    decay: float = 1e-4
    seed: int = 1


def fitted(rows: Floats, training: Training) -> list[Dense]:
    """Return four layers: features - hidden - waist - hidden - features."""
    random = np.random.default_rng(training.seed)
    width = rows.shape[1]
    widths = [width, training.hidden, max(2, round(width * training.waist_share)), training.hidden, width]
    weights = [random.normal(0, np.sqrt(1.5 / a), (b, a)) for a, b in pairwise(widths)]
    biases = [np.zeros(b) for b in widths[1:]]
    adam = _Adam([*weights, *biases], training)
    for step in range(training.steps):
        clean = rows[random.integers(0, len(rows), training.batch)]
        seen = [clean + random.normal(0, training.noise, clean.shape)]
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            value = seen[-1] @ weight.T + bias
            seen.append(np.maximum(value, 0) if _relu(number) else value)
        adam.move(_gradients(weights, seen, clean, training.decay), step)
    return [Dense(weight, bias, _relu(number)) for number, (weight, bias) in enumerate(zip(weights, biases, strict=True))]


def _relu(layer: int) -> bool:
    """Whether a layer is cut off below zero: the hidden ones are, the waist and the output are not."""
    return layer % 2 == 0


def _gradients(weights: list[Floats], seen: list[Floats], clean: Floats, decay: float) -> list[Floats]:
    """Return the gradients of the mean squared error, weights first, then biases."""
    back = 2 * (seen[-1] - clean) / len(clean)
    of_weights: list[Floats] = []
    of_biases: list[Floats] = []
    for number in range(len(weights) - 1, -1, -1):
        if _relu(number):
            back = back * (seen[number + 1] > 0)
        of_weights.insert(0, back.T @ seen[number] + decay * weights[number])
        of_biases.insert(0, back.sum(axis=0))
        back = back @ weights[number]
    return [*of_weights, *of_biases]


class _Adam:
    """Moves numbers in place against their gradients."""

    def __init__(self, numbers: list[Floats], training: Training) -> None:
        self._numbers, self._training = numbers, training
        self._first = [np.zeros_like(each) for each in numbers]
        self._second = [np.zeros_like(each) for each in numbers]

    def move(self, gradients: list[Floats], step: int) -> None:
        rate = self._training.rate * 0.5 * (1 + np.cos(np.pi * step / self._training.steps))
        for number, gradient, first, second in zip(self._numbers, gradients, self._first, self._second, strict=True):
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient * gradient - second)
            unbiased = np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8
            number -= rate * (first / (1 - 0.9 ** (step + 1))) / unbiased
