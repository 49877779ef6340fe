"""What the uncertainty of all subjects together tells, set by set."""

import pandas as pd

from spect2pet.evaluate.evaluation import SCALES, SETS
from spect2pet.evaluate.statistics import linear_regression, mean_interval


def summarise(uncertainty: pd.DataFrame) -> pd.DataFrame:
    """The calibration of each set: bins averaged over its subjects, and what they show.

    Args:
        uncertainty: tables of `uncertainty.measure_subject` of all subjects, with ``set``.

    Returns:
        One row a set, scale and bin, columns as `evaluation_columns.UNCERTAINTY_SUMMARY`.
    """
    tables = []
    for name in SETS:
        for scale in SCALES:
            members = uncertainty[(uncertainty["set"] == name) & (uncertainty["scale"] == scale)]
            if len(members):
                tables.append(_pool(members).assign(set=name, scale=scale))
    table = pd.concat(tables, ignore_index=True)
    return table[["set", "scale", *(c for c in table if c not in ("set", "scale"))]]


def _pool(members: pd.DataFrame) -> pd.DataFrame:
    """The bins of one set and scale, with what is true of all of them in every row."""
    bins = members.groupby("bin")[["sd", "rmse"]].mean().reset_index()
    line = linear_regression(bins["sd"], bins["rmse"])
    mean, low, high = mean_interval(members.groupby("subject")["spearman"].first())
    return bins.assign(
        ratio=bins["rmse"] / bins["sd"].where(bins["sd"] > 0),
        relative=bool(members["relative"].any()),
        subjects=members["subject"].nunique(),
        slope=line.slope,
        slope_low=line.slope_low,
        slope_high=line.slope_high,
        intercept=line.intercept,
        spearman=mean,
        spearman_low=low,
        spearman_high=high,
        grows=low > 0,
    )
