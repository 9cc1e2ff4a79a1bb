"""Linear models of normal operation, in closed form: each is one dense layer that says what it expects each feature to be.

Room: ground, pure numpy. `commission` chooses among them; nothing else calls it. They know no threshold and no tag.
Rows are features in standard deviations of the training rows, (n, features). What a model misses, row - expected, is the residual.

Sources: ridge of each feature on all others in terms of the inverse of the correlation matrix (Hastie, Tibshirani, Friedman, "The
Elements of Statistical Learning", 3.4 and 17.3); whitening by the symmetric root, which keeps each new coordinate nearest to its old one
(Kessy, Lewin, Strimmer, The American Statistician 72 (2018) 309), so that a residual still belongs to its tag; principal components.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.quantise import Dense

Floats = NDArray[np.float64]


def ridge(rows: Floats, strength: float) -> Floats:
    """Return weights (features, features), zeros on the diagonal: each feature from all the others, shrunk by `strength`.

    With a single wrong feature, its own residual is the largest in its own standard deviation: the right tag comes first.
    """
    precision = np.linalg.inv(_correlation(rows) + strength * np.eye(rows.shape[1]))
    weights: Floats = -precision / np.diag(precision)[:, None]
    np.fill_diagonal(weights, 0.0)
    return weights


def whitening(rows: Floats, strength: float) -> Floats:
    """Return weights (features, features) whose residual is the row whitened: its sum of squares is a shrunk Mahalanobis distance."""
    values, vectors = np.linalg.eigh(_correlation(rows) + strength * np.eye(rows.shape[1]))
    root = (vectors / np.sqrt(values)) @ vectors.T
    weights: Floats = np.eye(rows.shape[1]) - root
    return weights


def components(rows: Floats, share: float) -> Floats:
    """Return weights (features, features): the projection on the first principal components, as many as have this share of the variance.

    Normal operation moves along them most, slow drift too, so neither is a surprise to this model.
    """
    values, vectors = np.linalg.eigh(_correlation(rows))
    summed = np.cumsum(values[::-1]) / values.sum()
    kept = vectors[:, ::-1][:, : int(np.searchsorted(summed, share)) + 1]
    weights: Floats = kept @ kept.T
    return weights


KINDS: Final[dict[str, Callable[[Floats, float], Floats]]] = {"ridge": ridge, "whitening": whitening, "components": components}


def fitted(kind: str, rows: Floats, amount: float) -> list[Dense]:
    """Return the layers of one kind; amount: its strength or share."""
    weights = KINDS[kind](rows, amount)
    return [Dense(weights, np.zeros(len(weights)))]


def _correlation(rows: Floats) -> Floats:
    found: Floats = rows.T @ rows / len(rows)
    return found
