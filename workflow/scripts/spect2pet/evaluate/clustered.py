"""Lines and correlations of points that come in subjects, with what is honest about them.

Regions of one subject share its errors, so a thousand of them are not a thousand independent
observations.  What is estimated here from all points has its uncertainty from the subjects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from spect2pet.evaluate.statistics import CONFIDENCE

#: Resamples of subjects behind an interval.
RESAMPLES = 2000
#: Share of variance below which what is left of it is rounding.
EXACT = 1e-12
#: Where a mixed model's search begins: standard deviations of intercept and slope over the error's.
STARTS = ((0.5, 0.1), (0.1, 0.5))


class Estimate(NamedTuple):
    """A number with its 95 % confidence interval; NaN where it cannot be told."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Moments:
    """Means, variances (n) and covariance of points; numbers, or arrays of one shape.

    Attributes:
        x: mean of x.
        y: mean of y.
        xx: variance of x.
        yy: variance of y.
        xy: covariance.
    """

    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    yy: np.ndarray
    xy: np.ndarray


#: What is estimated from the moments of all points.
Statistic = Callable[[Moments], np.ndarray]


def sums_by_subject(x: np.ndarray, y: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Sums of every subject's points, from which the moments of any subjects together follow.

    Args:
        x: n values.
        y: n values.
        subjects: n labels.

    Returns:
        One row a subject: number of points and the sums of x, y, x², y² and xy.
    """
    _, subject = np.unique(subjects, return_inverse=True)
    terms = (np.ones_like(x), x, y, x * x, y * y, x * y)
    return np.column_stack([np.bincount(subject, weights=term) for term in terms])


def moments(sums: np.ndarray) -> Moments:
    """Moments of points from their sums.

    Args:
        sums: the sums of `sums_by_subject` along the last axis, of subjects added.
    """
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    x, y = x / n, y / n
    return Moments(x, y, xx / n - x**2, yy / n - y**2, xy / n - x * y)


def slope(points: Moments) -> np.ndarray:
    """Slope of the ordinary least-squares line of y on x."""
    return points.xy / points.xx


def correlation(points: Moments) -> np.ndarray:
    """Pearson's correlation coefficient."""
    return points.xy / np.sqrt(points.xx * points.yy)


def jackknife(statistic: Statistic, sums: np.ndarray) -> Estimate:
    """A statistic of all points, with the interval that leaving out single subjects gives.

    The delete-one-group jackknife (Tukey, Ann Math Stat 29:614, 1958) with Student's t of one
    degree of freedom less than there are subjects.  Where each point is a subject of its own it
    is the jackknife of Linnet (Stat Med 9:1463, 1990), usual with Deming regression.

    Args:
        statistic: what is estimated.
        sums: as `sums_by_subject` gives them.

    Returns:
        The estimate; without interval where there are fewer than three subjects.
    """
    subjects = len(sums)
    total = sums.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(moments(total)))
        if subjects < 3:
            return Estimate(value)
        without = statistic(moments(total - sums))
    error = np.sqrt((subjects - 1) / subjects * np.sum((without - without.mean()) ** 2))
    half = float(error * stats.t.ppf((1 + CONFIDENCE) / 2, subjects - 1))
    return Estimate(value, value - half, value + half)


def jackknife_p(estimate: Estimate, subjects: int) -> float:
    """Two-sided p value, by Student's t, of the hypothesis that a jackknifed number is zero."""
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, subjects - 1) if subjects > 2 else np.nan
    error = (estimate.high - estimate.value) / quantile
    return float(2 * stats.t.sf(abs(estimate.value / error), subjects - 1)) if error > 0 else np.nan


def bootstrap(statistic: Statistic, sums: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % confidence interval of a statistic from subjects drawn anew with replacement.

    The cluster bootstrap (Davison & Hinkley, Bootstrap Methods and their Application, 1997,
    section 3.8) with percentile limits.  All points of a drawn subject come along.

    Args:
        statistic: what is estimated.
        sums: as `sums_by_subject` gives them.
        seed: of the draws; the same draws serve every statistic of the same subjects.

    Returns:
        Lower and upper end; NaN where there are fewer than three subjects.  With few subjects the
        interval is too narrow.
    """
    subjects = len(sums)
    if subjects < 3:
        return np.nan, np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        values = statistic(moments(_draws(subjects, seed) @ sums))
    outside = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(values, (outside, 100 - outside))
    return float(low), float(high)


@lru_cache(maxsize=1)  # with thousands of subjects the draws take longer than all that uses them
def _draws(subjects: int, seed: int) -> np.ndarray:
    """How often each subject is in each resample, (`RESAMPLES`, subjects)."""
    draw = np.random.default_rng(seed)
    times = draw.multinomial(subjects, np.full(subjects, 1 / subjects), size=RESAMPLES)
    return times.astype(np.float64)


class MixedLine(NamedTuple):
    """A line whose intercept and slope differ from subject to subject.

    Attributes:
        slope: mean slope with its interval.
        slope_sd: standard deviation of the slope between subjects.
        p: two-sided, of the hypothesis that the mean slope is zero.
    """

    slope: Estimate = Estimate()
    slope_sd: float = np.nan
    p: float = np.nan


def mixed_line(sums: np.ndarray) -> MixedLine:
    """Regress y on x with random intercepts and slopes of subjects.

    A mixed model (Laird & Ware, Biometrics 38:963, 1982) by restricted maximum likelihood,
    intercept and slope independent at the mean of x.  Either of their variances may be zero, as
    that of the intercept is where all subjects have been scaled to one mean; statsmodels' MixedLM
    does not find the maximum there.  Interval and p value are by Student's t with one degree of
    freedom less than there are subjects (containment method).

    Args:
        sums: as `sums_by_subject` gives them; x and y must vary.

    Returns:
        The line; nothing where there are fewer than three subjects or all points lie on a line.
    """
    subjects, n = len(sums), float(sums[:, 0].sum())
    if subjects < 3 or 1 - correlation(moments(sums.sum(axis=0))) ** 2 < EXACT:
        return MixedLine()
    standard, scale = _standardised(sums)
    searches = [
        optimize.minimize(
            lambda roots: _restricted_likelihood(roots**2, standard, n)[0],
            start,
            method="Nelder-Mead",  # without bounds, as only the squares count
            options={"xatol": 1e-4, "fatol": 1e-6},
        )
        for start in STARTS
    ]
    # Three digits are what the search is exact to; fewer make zero what is.
    roots = np.round(np.abs(min(searches, key=lambda search: search.fun).x), 3)
    _, fixed, covariance, error = _restricted_likelihood(roots**2, standard, n)
    value, se = fixed[1] * scale, np.sqrt(covariance[1, 1]) * scale
    half = se * stats.t.ppf((1 + CONFIDENCE) / 2, subjects - 1)
    return MixedLine(
        Estimate(float(value), float(value - half), float(value + half)),
        float(roots[1] * np.sqrt(error) * scale),
        float(2 * stats.t.sf(abs(value) / se, subjects - 1)),
    )


def _standardised(sums: np.ndarray) -> tuple[np.ndarray, float]:
    """The sums of x and y with mean 0 and variance 1, and what turns their slope back."""
    whole = moments(sums.sum(axis=0))
    n, x, y, xx, yy, xy = sums.T
    a, b = float(whole.x), float(whole.y)
    s, t = np.sqrt(float(whole.xx)), np.sqrt(float(whole.yy))
    centred = (
        n,
        (x - n * a) / s,
        (y - n * b) / t,
        (xx - 2 * a * x + n * a**2) / s**2,
        (yy - 2 * b * y + n * b**2) / t**2,
        (xy - a * y - b * x + n * a * b) / (s * t),
    )
    return np.column_stack(centred), t / s


def _restricted_likelihood(
    ratios: np.ndarray, sums: np.ndarray, n: float
) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Minus twice the restricted log-likelihood, profiled over fixed effects and error variance.

    Args:
        ratios: variances of intercept and slope over that of the error.
        sums: as `sums_by_subject` gives them.
        n: number of points.

    Returns:
        Minus twice the log-likelihood but for a constant; intercept and slope; their covariance;
        the variance of the error.
    """
    count, x, y, xx, yy, xy = sums.T
    a, b = ratios
    # V = I + Z R Z', of which only 2 × 2 matrices I + Z'Z R are needed (Woodbury's identity),
    # inverted by hand: for thousands of subjects `np.linalg.solve` takes many times longer.
    spread = count * xx - x**2
    inner = 1 + a * count + b * xx + a * b * spread
    across = np.sum(x / inner)
    information = np.array(
        [
            [np.sum((count + b * spread) / inner), across],
            [across, np.sum((xx + a * spread) / inner)],
        ]
    )
    shrunk = ((1 + b * xx) * y - b * x * xy) / inner, ((1 + a * count) * xy - a * x * y) / inner
    score = np.array([part.sum() for part in shrunk])
    fixed = np.linalg.solve(information, score)
    total = yy.sum() - a * float(y @ shrunk[0]) - b * float(xy @ shrunk[1])
    error = (total - float(fixed @ score)) / (n - 2)
    logs = np.log(inner).sum() + np.linalg.slogdet(information)[1]
    return (n - 2) * np.log(error) + logs, fixed, error * np.linalg.inv(information), error
