"""Passing–Bablok regression: a line through two measurements that no outlier moves."""

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from spect2pet.evaluate.clustered import Estimate
from spect2pet.evaluate.statistics import CONFIDENCE

#: More points than this are not fitted: all their pairs together would not fit the memory.
MAX_POINTS = 10_000


class RobustLine(NamedTuple):
    """A Passing–Bablok line.

    Attributes:
        slope: with its interval.
        intercept: in units of y, with its interval.
        linear_p: p value of the hypothesis that the relation is linear (cusum test).
    """

    slope: Estimate = Estimate()
    intercept: Estimate = Estimate()
    linear_p: float = np.nan


def passing_bablok(x: np.ndarray, y: np.ndarray) -> RobustLine:
    """Fit y = a + b x by the shifted median of all pairwise slopes, points independent.

    Passing & Bablok, J Clin Chem Clin Biochem 21:709 (1983): slopes of −1 do not count, those
    below −1 shift the median, so that exchanging x and y inverts the line.  The interval is the
    rank interval of the paper, which takes all points as independent.

    Args:
        x: n values.
        y: n values, which should rise with x.

    Returns:
        The line; nothing where there are fewer than three or more than `MAX_POINTS` points or x or
        y does not vary.  Time and memory grow with the square of n.
    """
    n = len(x)
    if not 3 <= n <= MAX_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return RobustLine()
    slopes = _pairwise_slopes(x, y)
    count, shift = len(slopes), int(np.count_nonzero(slopes < -1))
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    first = round((count - z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)) / 2)
    wanted = [(count - 1) // 2, count // 2, first - 1, count - first]
    places = np.clip(np.array(wanted) + shift, 0, count - 1)
    slopes.partition(np.unique(places))
    middle_low, middle_high, low, high = map(float, slopes[places])
    slope = (middle_low + middle_high) / 2
    if not np.isfinite(slope):
        return RobustLine()
    if first < 1:  # too few points for ranks to tell
        low, high = -np.inf, np.inf
    intercepts = [
        float(np.median(y - b * x)) if np.isfinite(b) else np.nan for b in (slope, high, low)
    ]
    return RobustLine(
        Estimate(slope, *(b if np.isfinite(b) else np.nan for b in (low, high))),
        Estimate(*intercepts),
        _linearity(x, y, slope, intercepts[0]),
    )


def _pairwise_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes between all points, without those of equal points and those of −1."""
    n = len(x)
    slopes = np.empty(n * (n - 1) // 2)
    end = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(n - 1):
            start, end = end, end + n - 1 - i
            slopes[start:end] = (y[i + 1 :] - y[i]) / (x[i + 1 :] - x[i])
    return slopes[~np.isnan(slopes) & (slopes != -1)]


def _linearity(x: np.ndarray, y: np.ndarray, slope: float, intercept: float) -> float:
    """The cusum test of the paper: are points above and below the line well mixed along it?"""
    rest = y - intercept - slope * x
    above, below = np.count_nonzero(rest > 0), np.count_nonzero(rest < 0)
    if slope <= 0 or not (above and below):
        return np.nan
    score = np.select(
        [rest > 0, rest < 0], [np.sqrt(below / above), -np.sqrt(above / below)], default=0.0
    )
    along = (y + x / slope - intercept) / np.sqrt(1 + 1 / slope**2)
    furthest = np.abs(np.cumsum(score[np.argsort(along, kind="stable")])).max()
    return float(special.kolmogorov(furthest / np.sqrt(below + 1)))
