"""Do two images say the same of a region's flow, and of the difference between the sides?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from spect2pet.evaluate import clustered, concordance
from spect2pet.evaluate.agreement_columns import AGREEMENT, ASYMMETRY
from spect2pet.evaluate.clustered import Estimate
from spect2pet.evaluate.evaluation import BRAIN, SCALES, SETS, TRUTH, on_scale
from spect2pet.evaluate.passing_bablok import passing_bablok
from spect2pet.evaluate.statistics import CONFIDENCE, linear_regression

#: Pairs of images, y and x: those of the study, and each beside what is true of a simulated
#: subject.
PAIRS = (
    ("SPECT", "PET"),
    ("P2P", "PET"),
    ("P2P", "SPECT"),
    ("SPECT", TRUTH),
    ("P2P", TRUTH),
    ("PET", TRUTH),
)
#: Regions that differ more than this between the sides count as affected, percent of their mean.
AFFECTED_PERCENT = 10.0


def agree(regions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Agreement of regional CBF between images, for each set.

    Args:
        regions: region means of all subjects, as ``regions.tsv`` holds them.
        seed: of the bootstrap over subjects.

    Returns:
        One row a set, atlas, scale and pair of images, columns as `agreement_columns.AGREEMENT`;
        NaN in place of what the points do not tell.  Pairs with the truth are left out where it is
        known of no subject.
    """
    regions, rows = _numbered(regions), []
    for scale in SCALES:
        for about, points in _groups(on_scale(regions, scale)):
            for x, y, pair, known in _pairs(points):
                found = _agreement(x, y, known["subject"].to_numpy(), seed)
                rows.append({**about, "scale": scale, **pair, **found})
    return _ordered(rows, list(AGREEMENT))


def compare_asymmetry(regions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Agreement of left–right differences between images, for each set.

    The asymmetry index is 200 (L − R) / (L + R), in percent of the mean of both sides; it does not
    depend on the scale of an image.

    Args:
        regions: as for `agree`.
        seed: of the bootstrap over subjects.

    Returns:
        One row a set, atlas and pair of images, columns as `agreement_columns.ASYMMETRY`.
    """
    rows = []
    index = asymmetry_index(_numbered(regions[regions["atlas"] != BRAIN]))
    for about, points in _groups(index):
        for x, y, pair, known in _pairs(points):
            subjects = known["subject"].to_numpy()
            rows.append(
                {
                    **about,
                    **pair,
                    **_correlation(x, y, subjects, seed),
                    **_likeness(x, y),
                    **_limits(x, y, subjects),
                    **_affected_side(x, y),
                }
            )
    return _ordered(rows, list(ASYMMETRY))


def asymmetry_index(regions: pd.DataFrame) -> pd.DataFrame:
    """Asymmetry index of every region that has two sides.

    Args:
        regions: region means, a row a region and side.

    Returns:
        One row a subject and region: ``set``, ``subject``, ``atlas``, ``region``, ``relative``, and
        200 (L − R) / (L + R) of each image, percent; NaN without flow.
    """
    keys = ["set", "subject", "atlas", "region", "relative"]
    names = _images(regions)
    left, right = (
        regions[regions["hemisphere"] == side].set_index(keys)[names] for side in ("L", "R")
    )
    both = left.index.intersection(right.index, sort=False)
    total = left.loc[both] + right.loc[both]
    index = 200 * (left.loc[both] - right.loc[both]) / total.where(total > 0)
    return index.reset_index()


def _numbered(regions: pd.DataFrame) -> pd.DataFrame:
    """The same with numbers for subjects in the order of their labels, as texts sort slowly."""
    return regions.assign(subject=pd.factorize(regions["subject"], sort=True)[0])


def _images(regions: pd.DataFrame) -> list[str]:
    """The columns of images, the truth among them where it is known."""
    return [name for name in ("spect", "p2p", "pet", TRUTH) if name in regions]


def _groups(points: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The points of every set and atlas."""
    for (name, atlas), members in points.groupby(["set", "atlas"], sort=False):
        yield {"set": name, "atlas": atlas}, members


def _pairs(
    points: pd.DataFrame,
) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any], pd.DataFrame]]:
    """Values x and y of every pair of images, what a row says of them, and where they are from."""
    for y, x in PAIRS:
        columns = [x.lower(), y.lower()]
        if not set(columns) <= set(points):
            continue
        known = points.dropna(subset=columns)
        if x == TRUTH and known.empty:
            continue
        about = {
            "relative": bool(known["relative"].any()),
            "y": y,
            "x": x,
            "subjects": known["subject"].nunique(),
            "n": len(known),
        }
        values = known[columns].to_numpy(dtype=np.float64)
        yield values[:, 0], values[:, 1], about, known


def _agreement(x: np.ndarray, y: np.ndarray, subjects: np.ndarray, seed: int) -> dict[str, Any]:
    """Everything that a row says of the agreement of y with x."""
    simple, robust = linear_regression(x, y), passing_bablok(x, y)
    mixed, deming = clustered.MixedLine(), (Estimate(), Estimate())
    proportional, proportional_p = Estimate(), np.nan
    if _determined(x, y):
        sums = clustered.sums_by_subject(x, y, subjects)
        mixed = clustered.mixed_line(sums)
        deming = (
            clustered.jackknife(concordance.deming_slope, sums),
            clustered.jackknife(concordance.deming_intercept, sums),
        )
        proportional, proportional_p = concordance.proportional_bias(sums)
    return {
        **_told("slope", Estimate(simple.slope, simple.slope_low, simple.slope_high)),
        "p": simple.p,
        **_told("mixed_slope", mixed.slope),
        "mixed_slope_sd": mixed.slope_sd,
        "mixed_p": mixed.p,
        **_cluster("slope", clustered.slope, x, y, subjects, seed),
        **_correlation(x, y, subjects, seed),
        **_told("deming_slope", deming[0]),
        **_told("deming_intercept", deming[1]),
        **_told("passing_bablok_slope", robust.slope),
        **_told("passing_bablok_intercept", robust.intercept),
        "passing_bablok_linear_p": robust.linear_p,
        **_likeness(x, y),
        **_cluster("ccc", concordance.concordance, x, y, subjects, seed),
        **_limits(x, y, subjects),
        **_told("proportional_slope", proportional),
        "proportional_p": proportional_p,
    }


def _determined(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether points can tell a line."""
    return len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0


def _told(name: str, estimate: Estimate) -> dict[str, float]:
    """Three columns of a number and its interval."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _cluster(
    name: str,
    statistic: clustered.Statistic,
    x: np.ndarray,
    y: np.ndarray,
    subjects: np.ndarray,
    seed: int,
) -> dict[str, float]:
    """Two columns of a number's interval from the bootstrap over subjects."""
    low = high = np.nan
    if _determined(x, y):
        sums = clustered.sums_by_subject(x, y, subjects)
        low, high = clustered.bootstrap(statistic, sums, seed)
    return {f"cluster_{name}_low": low, f"cluster_{name}_high": high}


def _correlation(x: np.ndarray, y: np.ndarray, subjects: np.ndarray, seed: int) -> dict[str, float]:
    """Pearson's r with its interval from the bootstrap over subjects."""
    return {
        "r": linear_regression(x, y).r,
        **_cluster("r", clustered.correlation, x, y, subjects, seed),
    }


def _likeness(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Concordance and intraclass correlations."""
    ccc, agreement, consistency = Estimate(), Estimate(), Estimate()
    if _determined(x, y):
        one = np.zeros(len(x))
        points = clustered.moments(clustered.sums_by_subject(x, y, one).sum(axis=0))
        ccc = concordance.concordance_interval(points, len(x))
        agreement, consistency = concordance.intraclass(np.column_stack([x, y]))
    return {
        **_told("ccc", ccc),
        **_told("icc_2_1", agreement),
        **_told("icc_3_1", consistency),
    }


def _limits(x: np.ndarray, y: np.ndarray, subjects: np.ndarray) -> dict[str, float]:
    """Bias of y and its limits of agreement with x."""
    found = concordance.limits_of_agreement(y - x, subjects) if len(x) else concordance.Limits()
    return {
        **_told("bias", found.bias),
        **_told("lower_limit", found.lower),
        **_told("upper_limit", found.upper),
    }


def _affected_side(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Does y find the affected side where x differs between the sides?"""
    affected = np.abs(x) > AFFECTED_PERCENT
    same = np.sign(x[affected]) == np.sign(y[affected])
    found = same & (np.abs(y[affected]) > AFFECTED_PERCENT)
    return {
        "affected": int(affected.sum()),
        **_told("same_side", _share(same)),
        **_told("detected", _share(found)),
    }


def _share(right: np.ndarray) -> Estimate:
    """Share of what is right, with its interval (Wilson, J Am Stat Assoc 22:209, 1927)."""
    if not len(right):
        return Estimate()
    interval = proportion_confint(right.sum(), len(right), alpha=1 - CONFIDENCE, method="wilson")
    return Estimate(float(right.mean()), *map(float, interval))


def _ordered(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """The rows as a table, set after set as in `SETS`, atlas after atlas."""
    table = pd.DataFrame(rows, columns=columns)
    order = {name: place for place, name in enumerate([*SETS, *table["atlas"].unique()])}
    return table.sort_values(
        ["set", "atlas"], kind="stable", key=lambda names: names.map(order), ignore_index=True
    )
