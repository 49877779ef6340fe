"""Agreement of two measurements of the same quantity: lines with error in both, CCC, ICC, limits.

Points may come in subjects (`clustered`).  What each function takes as independent, it says.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from spect2pet.evaluate.clustered import (
    EXACT,
    Estimate,
    Moments,
    correlation,
    jackknife,
    jackknife_p,
)
from spect2pet.evaluate.statistics import CONFIDENCE

#: Normal deviate between which 95 % lie: limits of agreement, and intervals by normal theory.
Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


class Limits(NamedTuple):
    """Bias and 95 % limits of agreement, each with its interval.

    Attributes:
        bias: mean difference.
        lower: lower limit.
        upper: upper limit.
    """

    bias: Estimate = Estimate()
    lower: Estimate = Estimate()
    upper: Estimate = Estimate()


def deming_slope(points: Moments) -> np.ndarray:
    """Slope of the line with equal errors in x and y (Deming, 1943; variance ratio 1)."""
    apart = points.yy - points.xx
    return (apart + np.sqrt(apart**2 + 4 * points.xy**2)) / (2 * points.xy)


def deming_intercept(points: Moments) -> np.ndarray:
    """Intercept of the line of `deming_slope`, in units of y."""
    return points.y - deming_slope(points) * points.x


def concordance(points: Moments) -> np.ndarray:
    """Lin's concordance correlation coefficient (Lin, Biometrics 45:255, 1989)."""
    return 2 * points.xy / (points.xx + points.yy + (points.x - points.y) ** 2)


def concordance_interval(points: Moments, n: int) -> Estimate:
    """Lin's coefficient with its interval by Fisher's z, all points taken as independent.

    The variance is that of Lin (1989) as corrected in Biometrics 56:324 (2000).

    Args:
        points: moments of all points.
        n: their number.

    Returns:
        The coefficient; without interval where there are fewer than four points.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ccc, r = float(concordance(points)), float(correlation(points))
        if n < 4 or not abs(ccc) < 1:
            return Estimate(ccc)
        shift = (points.x - points.y) ** 2 / np.sqrt(points.xx * points.yy)
        variance = (
            (1 - r**2) * ccc**2 * (1 - ccc**2) / r**2
            + 2 * ccc**3 * (1 - ccc) * shift / r
            - ccc**4 * shift**2 / (2 * r**2)
        ) / (n - 2)
        half = Z * np.sqrt(variance) / (1 - ccc**2)
    return Estimate(
        ccc, float(np.tanh(np.arctanh(ccc) - half)), float(np.tanh(np.arctanh(ccc) + half))
    )


def intraclass(ratings: np.ndarray) -> tuple[Estimate, Estimate]:
    """Intraclass correlations of single ratings, all targets taken as independent.

    ICC(2,1), absolute agreement of judges drawn at random, and ICC(3,1), consistency of these very
    judges, with their intervals (Shrout & Fleiss, Psychol Bull 86:420, 1979).

    Args:
        ratings: (targets, judges); a judge is an image here, a target a region of a subject.

    Returns:
        ICC(2,1) and ICC(3,1); NaN where there are fewer than three targets or none varies.
    """
    n, k = ratings.shape
    if n < 3 or np.ptp(ratings) == 0:
        return Estimate(), Estimate()
    mean = ratings.mean()
    of_targets, of_judges = ratings.mean(axis=1), ratings.mean(axis=0)
    bms = k * np.sum((of_targets - mean) ** 2) / (n - 1)
    jms = n * np.sum((of_judges - mean) ** 2) / (k - 1)
    residual = ratings - of_targets[:, None] - of_judges + mean
    freedom = (n - 1) * (k - 1)
    ems = np.sum(residual**2) / freedom
    agreement = (bms - ems) / (bms + (k - 1) * ems + k * (jms - ems) / n)
    consistency = (bms - ems) / (bms + (k - 1) * ems)
    if ems <= EXACT * bms:
        return Estimate(float(agreement)), Estimate(float(consistency))

    tail = (1 + CONFIDENCE) / 2
    low = bms / ems / stats.f.ppf(tail, n - 1, freedom)
    high = bms / ems * stats.f.ppf(tail, freedom, n - 1)
    of_consistency = ((low - 1) / (low + k - 1), (high - 1) / (high + k - 1))

    judged = k * agreement * jms / ems
    rest = n * (1 + (k - 1) * agreement) - k * agreement
    v = freedom * (judged + rest) ** 2 / ((n - 1) * judged**2 + rest**2)
    f_low, f_high = stats.f.ppf(tail, n - 1, v), stats.f.ppf(tail, v, n - 1)
    both = k * jms + (k * n - k - n) * ems
    of_agreement = (
        n * (bms - f_low * ems) / (f_low * both + n * bms),
        n * (f_high * bms - ems) / (both + n * f_high * bms),
    )
    return (
        Estimate(float(agreement), *map(float, of_agreement)),
        Estimate(float(consistency), *map(float, of_consistency)),
    )


def limits_of_agreement(difference: np.ndarray, subjects: np.ndarray) -> Limits:
    """Bias and 95 % limits of agreement of measurements that come in subjects.

    The variance of a difference is that between subjects plus that within (Bland & Altman, J
    Biopharm Stat 17:571, 2007, section 3); with one difference a subject it is the ordinary one of
    Bland & Altman (Lancet 327:307, 1986).  The bias has its interval from the means of subjects
    (Student's t), the limits by recovering variance estimates (Zou, Stat Methods Med Res 22:630,
    2013), with Student's t for the bias.

    Args:
        difference: n differences.
        subjects: n labels.

    Returns:
        The limits; without intervals where there are fewer than three subjects.
    """
    _, subject, count = np.unique(subjects, return_inverse=True, return_counts=True)
    n, m = len(difference), len(count)
    bias = float(difference.mean())
    means = np.bincount(subject, weights=difference) / count
    if n < 3 or m < 2:
        return Limits(Estimate(bias))
    inner = n - m
    within = float(np.sum((difference - means[subject]) ** 2)) / inner if inner else 0.0
    between_ms = float(np.sum(count * (means - bias) ** 2)) / (m - 1)
    divisor = (n - np.sum(count**2) / n) / (m - 1)
    variance = max((between_ms - within) / divisor, 0.0) + within
    sd = np.sqrt(variance)
    lower, upper = bias - Z * sd, bias + Z * sd
    if m < 3:
        return Limits(Estimate(bias), Estimate(lower), Estimate(upper))

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, m - 1) * stats.sem(means))
    of_means = float(means.var(ddof=1))
    of_points = float(1 - np.mean(1 / count)) * within
    down, up = (
        np.sqrt(max(variance + sign * np.hypot(*terms), 0.0))
        for sign, terms in zip((-1, 1), _variance_terms(of_means, of_points, m, inner), strict=True)
    )
    inwards, outwards = np.hypot(half, Z * (sd - down)), np.hypot(half, Z * (up - sd))
    return Limits(
        Estimate(bias, bias - half, bias + half),
        Estimate(float(lower), float(lower - outwards), float(lower + inwards)),
        Estimate(float(upper), float(upper - inwards), float(upper + outwards)),
    )


def _variance_terms(
    of_means: float, of_points: float, subjects: int, inner: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """How far each part of a variance may lie below and above its estimate (Zou 2013)."""
    tail = (1 - CONFIDENCE) / 2
    parts = [(of_means, subjects - 1), (of_points, inner)]
    # Where no subject has two differences there is no part within.
    parts = [(part, freedom) for part, freedom in parts if freedom > 0]
    below = [part * (1 - freedom / stats.chi2.isf(tail, freedom)) for part, freedom in parts]
    above = [part * (freedom / stats.chi2.ppf(tail, freedom) - 1) for part, freedom in parts]
    return (below[0], sum(below[1:])), (above[0], sum(above[1:]))


def proportional_bias(sums: np.ndarray) -> tuple[Estimate, float]:
    """Does the difference y − x grow with the mean of both?

    The slope of the difference on the mean (Bland & Altman, Stat Methods Med Res 8:135, 1999),
    with interval and test by the jackknife over subjects.

    Args:
        sums: as `clustered.sums_by_subject` gives them.

    Returns:
        The slope, and the p value of the hypothesis that it is zero.
    """
    found = jackknife(_slope_of_difference, sums)
    return found, jackknife_p(found, len(sums))


def _slope_of_difference(points: Moments) -> np.ndarray:
    """Slope of y − x on (x + y) / 2, from the moments of x and y."""
    return 2 * (points.yy - points.xx) / (points.xx + points.yy + 2 * points.xy)
