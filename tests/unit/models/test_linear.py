"""The linear models against what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest

from models import linear


@pytest.fixture
def rows(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 1, (500, 3)) @ rng.normal(0, 1, (3, 7)) + rng.normal(0, 0.3, (500, 7))
    return (found - found.mean(0)) / found.std(0)


def test_ridge_foretells_each_feature_from_the_others_as_least_squares_does(rows: np.ndarray) -> None:
    weights, strength = linear.ridge(rows, 0.05), 0.05
    for feature in range(7):
        others = np.delete(np.arange(7), feature)
        gram = rows[:, others].T @ rows[:, others] / len(rows) + strength * np.eye(6)
        wanted = np.linalg.solve(gram, rows[:, others].T @ rows[:, feature] / len(rows))
        assert weights[feature, others] == pytest.approx(wanted)
        assert weights[feature, feature] == 0


def test_a_single_wrong_feature_has_the_largest_residual(rows: np.ndarray) -> None:
    """Exactly so where nothing is shrunk: with P the inverse of the covariance, |P_gf| / sqrt(P_gg) <= sqrt(P_ff) (Cauchy-Schwarz)."""
    for strength, least in ((0.0, 1.0), (0.05, 0.75)):  # shrunk, the next to it may be a little larger, in one of a thousand draws
        residual = np.eye(7) - linear.ridge(rows, strength)
        felt = np.abs(residual) / (rows @ residual.T).std(0)[:, None]
        assert np.all(np.diag(felt) >= least * felt.max(0) * (1 - 1e-9))


def test_whitening_gives_uncorrelated_residuals_whose_squares_are_the_mahalanobis_distance(rows: np.ndarray) -> None:
    residual = rows @ (np.eye(7) - linear.whitening(rows, 0.0)).T
    assert residual.T @ residual / len(rows) == pytest.approx(np.eye(7), abs=1e-6)
    inverse = np.linalg.inv(rows.T @ rows / len(rows))
    assert (residual**2).sum(1) == pytest.approx(np.einsum("ni,ij,nj->n", rows, inverse, rows))


def test_components_keep_what_varies_most_and_nothing_twice(rows: np.ndarray) -> None:
    weights = linear.components(rows, 0.9)
    assert weights @ weights == pytest.approx(weights, abs=1e-9)
    missed = rows - rows @ weights.T
    assert (missed**2).sum() <= 0.1 * (rows**2).sum() * 1.001


@pytest.mark.parametrize("kind", linear.KINDS)
def test_features_that_say_the_same_do_not_break_it(kind: str, rows: np.ndarray) -> None:
    doubled = np.hstack([rows, rows[:, :2], np.zeros((len(rows), 1))])
    layer = linear.fitted(kind, doubled, 0.1)[0]
    assert np.isfinite(layer.weights).all()
    assert layer.weights.shape == (10, 10)
