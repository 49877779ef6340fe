"""Receiver operating characteristics: areas, their intervals, and two images on the same cases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
#: Replicates of a bootstrap over subjects.
REPLICATES = 2000
#: Specificity at which a sensitivity is told.
SPECIFICITY = 0.9


@dataclass(frozen=True)
class Areas:
    """Areas under the curves of k scores of the same cases.

    Attributes:
        auc: areas (k,); NaN where there are no positive or no negative cases.
        covariance: their covariance (k, k) by DeLong; NaN with fewer than two of either.
    """

    auc: np.ndarray
    covariance: np.ndarray


def delong(positive: ArrayLike, scores: ArrayLike) -> Areas:
    """Areas under ROC curves and their covariance (DeLong et al., Biometrics 44:837, 1988).

    In O(n log n) by midranks (Sun and Xu, IEEE Signal Process Lett 21:1389, 2014).

    Args:
        positive: booleans (n,), the cases to be found.
        scores: (k, n), higher where a case is thought positive.

    Returns:
        The areas; each case counts as independent, which regions of one subject are not.
    """
    positive, scores = np.asarray(positive, dtype=bool), np.atleast_2d(scores)
    with_it, without = scores[:, positive], scores[:, ~positive]
    m, n = with_it.shape[1], without.shape[1]
    if m == 0 or n == 0:
        empty = np.full(len(scores), np.nan)
        return Areas(empty, np.full((len(scores),) * 2, np.nan))
    ranks = stats.rankdata(np.hstack([with_it, without]), axis=1)
    # How often each positive case exceeds a negative one, and each negative is exceeded.
    exceeds = (ranks[:, :m] - stats.rankdata(with_it, axis=1)) / n
    exceeded = 1 - (ranks[:, m:] - stats.rankdata(without, axis=1)) / m
    if m < 2 or n < 2:
        return Areas(exceeds.mean(axis=1), np.full((len(scores),) * 2, np.nan))
    covariance = np.atleast_2d(np.cov(exceeds)) / m + np.atleast_2d(np.cov(exceeded)) / n
    return Areas(exceeds.mean(axis=1), covariance)


def interval(auc: float, variance: float) -> tuple[float, float]:
    """The 95 % confidence interval of an area by the normal distribution, cut at 0 and 1."""
    half = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance)
    return float(np.clip(auc - half, 0, 1)), float(np.clip(auc + half, 0, 1))


def difference_p(areas: Areas, first: int, second: int) -> float:
    """Two-sided p value of two areas being equal; NaN where both scores order all cases alike."""
    cov = areas.covariance
    variance = cov[first, first] + cov[second, second] - 2 * cov[first, second]
    # Rounding alone makes a variance of this size.
    if not variance > 1e-12:
        return np.nan
    z = (areas.auc[first] - areas.auc[second]) / np.sqrt(variance)
    return float(2 * stats.norm.sf(abs(z)))


def curve(positive: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The empirical ROC curve.

    Args:
        positive: booleans (n,).
        score: (n,), higher where a case is thought positive.

    Returns:
        1 − specificity and sensitivity at every threshold, from (0, 0) to (1, 1).
    """
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score)
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # cases that tie are called together
    found = np.cumsum(positive[order])[last] / max(positive.sum(), 1)
    false = np.cumsum(~positive[order])[last] / max((~positive).sum(), 1)
    return np.append(0.0, false), np.append(0.0, found)


def sensitivity_at(positive: ArrayLike, score: ArrayLike, specificity: float = SPECIFICITY):
    """Largest sensitivity at a specificity of at least ``specificity``."""
    false, found = curve(positive, score)
    return float(found[false <= 1 - specificity + 1e-12].max())


def bootstrap(
    positive: ArrayLike, scores: ArrayLike, cluster: ArrayLike, seed: int, count: int = REPLICATES
) -> np.ndarray:
    """Areas of samples of whole clusters, drawn with replacement (Rutter, Acad Radiol 7:413, 2000).

    Args:
        positive: booleans (n,).
        scores: (k, n), higher where a case is thought positive.
        cluster: (n,), such as the subject of a region.
        seed: of the draws.
        count: number of samples.

    Returns:
        Areas (count, k), the same samples for all scores; NaN where a sample has no positive or
        no negative case.
    """
    positive, scores = np.asarray(positive, dtype=bool), np.atleast_2d(scores)
    names, of = np.unique(np.asarray(cluster), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=count
    )
    own = np.eye(len(names))[of]
    pairs = drawn @ own[positive].sum(axis=0) * (drawn @ own[~positive].sum(axis=0))
    areas = []
    for score in scores:
        # Won pairs of a positive case of one cluster and a negative case of another.
        won = own[positive].T @ _kernel(score[positive], score[~positive]) @ own[~positive]
        with np.errstate(invalid="ignore"):
            areas.append(np.einsum("ci,ij,cj->c", drawn, won, drawn) / pairs)
    return np.transpose(areas)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """The central 95 % of bootstrapped values; NaN where nothing varies to be known."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.nan, np.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def _kernel(with_it: np.ndarray, without: np.ndarray) -> np.ndarray:
    """1 where a positive case scores higher than a negative one, 0.5 where both are alike."""
    return (with_it[:, None] > without) + 0.5 * (with_it[:, None] == without)
