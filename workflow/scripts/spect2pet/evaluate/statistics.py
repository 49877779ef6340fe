"""Regression and paired tests, with what a paper states of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Regression:
    """Ordinary least squares of y on x; NaN where the points do not tell.

    Attributes:
        n: number of points.
        slope: in units of y over x.
        slope_low: lower end of the slope's 95 % confidence interval.
        slope_high: upper end of it.
        intercept: in units of y.
        intercept_low: lower end of the intercept's 95 % confidence interval.
        intercept_high: upper end of it.
        r: Pearson's correlation coefficient.
        r_low: lower end of its 95 % confidence interval.
        r_high: upper end of it.
        p: two-sided, of the hypothesis that the slope is zero.
    """

    n: int
    slope: float = np.nan
    slope_low: float = np.nan
    slope_high: float = np.nan
    intercept: float = np.nan
    intercept_low: float = np.nan
    intercept_high: float = np.nan
    r: float = np.nan
    r_low: float = np.nan
    r_high: float = np.nan
    p: float = np.nan


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of two measurements of the same subjects; NaN where too few.

    Attributes:
        n: number of pairs.
        before_mean: mean of the first measurement.
        before_sd: its standard deviation (n − 1).
        after_mean: mean of the second measurement.
        after_sd: its standard deviation (n − 1).
        difference: mean of second − first.
        difference_low: lower end of its 95 % confidence interval (Student's t).
        difference_high: upper end of it.
        t: statistic of the paired t test.
        t_p: its two-sided p value.
        wilcoxon: statistic of the Wilcoxon signed-rank test, the smaller rank sum.
        wilcoxon_p: its two-sided p value.
    """

    n: int
    before_mean: float = np.nan
    before_sd: float = np.nan
    after_mean: float = np.nan
    after_sd: float = np.nan
    difference: float = np.nan
    difference_low: float = np.nan
    difference_high: float = np.nan
    t: float = np.nan
    t_p: float = np.nan
    wilcoxon: float = np.nan
    wilcoxon_p: float = np.nan


def linear_regression(x: ArrayLike, y: ArrayLike) -> Regression:
    """Ordinary least squares of y on x with confidence intervals.

    Slope and intercept have intervals from Student's t with n − 2 degrees of
    freedom, r from Fisher's z (Fisher, Metron 1:3, 1921).

    Args:
        x: n values, such as ROI means of PET.
        y: n values, such as ROI means of SPECT; pairs with NaN are left out.

    Returns:
        The line. With fewer than three points, or where x or y does not vary, only
        ``n``; with exactly three there is no interval of r.
    """
    x, y = _complete(x, y)
    n = len(x)
    if n < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Regression(n)
    line = OLS(y, np.column_stack([np.ones(n), x])).fit()
    (intercept_low, intercept_high), (slope_low, slope_high) = line.conf_int(1 - CONFIDENCE)
    correlation = stats.pearsonr(x, y)
    r_low, r_high = correlation.confidence_interval(CONFIDENCE) if n > 3 else (np.nan, np.nan)
    return Regression(
        n=n,
        slope=float(line.params[1]),
        slope_low=float(slope_low),
        slope_high=float(slope_high),
        intercept=float(line.params[0]),
        intercept_low=float(intercept_low),
        intercept_high=float(intercept_high),
        r=float(correlation.statistic),
        r_low=float(r_low),
        r_high=float(r_high),
        p=float(line.pvalues[1]),
    )


def paired_comparison(before: ArrayLike, after: ArrayLike) -> Comparison:
    """Compare two measurements of the same subjects.

    Paired t test (Student, Biometrika 6:1, 1908) and Wilcoxon signed-rank test
    (Wilcoxon, Biometrics Bull 1:80, 1945; exact below 51 pairs without ties).

    Args:
        before: n values, such as the SSIM of SPECT.
        after: n values of the same subjects, such as the SSIM of P2P; pairs with
            NaN are left out.

    Returns:
        Means, mean difference and both tests. One pair has means alone; where all
        differences are equal there is no test.
    """
    before, after = _complete(before, after)
    n = len(before)
    if n == 0:
        return Comparison(0)
    difference = after - before
    means: dict[str, Any] = {
        "n": n,
        "before_mean": float(before.mean()),
        "after_mean": float(after.mean()),
        "difference": float(difference.mean()),
    }
    if n == 1:
        return Comparison(**means)
    means |= {"before_sd": float(before.std(ddof=1)), "after_sd": float(after.std(ddof=1))}
    if np.ptp(difference) == 0:
        return Comparison(**means)
    student = stats.ttest_rel(after, before)
    low, high = student.confidence_interval(CONFIDENCE)
    signed_rank = stats.wilcoxon(after, before)
    return Comparison(
        **means,
        difference_low=float(low),
        difference_high=float(high),
        t=float(student.statistic),
        t_p=float(student.pvalue),
        wilcoxon=float(signed_rank.statistic),
        wilcoxon_p=float(signed_rank.pvalue),
    )


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean of independent values with its confidence interval by Student's t.

    Args:
        values: n values, such as one correlation a subject; NaN are left out.

    Returns:
        Mean, lower and upper end of its 95 % confidence interval; NaN where too few.
    """
    every = np.asarray(values, dtype=np.float64)
    known = every[~np.isnan(every)]
    mean = float(known.mean()) if len(known) else np.nan
    if len(known) < 2:
        return mean, np.nan, np.nan
    half = stats.sem(known) * stats.t.ppf((1 + CONFIDENCE) / 2, len(known) - 1)
    return mean, float(mean - half), float(mean + half)


def holm(p_values: ArrayLike) -> np.ndarray:
    """P values of several tests, corrected for their number (Holm, Scand J Stat 6:65, 1979).

    Args:
        p_values: one a test; NaN where there was no test, which is not counted.

    Returns:
        The corrected p values in the same order.
    """
    corrected = np.array(p_values, dtype=np.float64)
    known = ~np.isnan(corrected)
    if known.any():
        corrected[known] = multipletests(corrected[known], method="holm")[1]
    return corrected


def _complete(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The pairs without NaN, as float64."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = ~(np.isnan(x) | np.isnan(y))
    return x[known], y[known]
