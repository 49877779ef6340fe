"""What every column of the tables of agreement holds, with its unit."""

from spect2pet.evaluate.evaluation_columns import REGRESSION

_NAIVE = "all points taken as independent"


def _interval(name: str, what: str, how: str) -> dict[str, str]:
    """Descriptions of a number and the two ends of its interval."""
    return {
        name: what,
        f"{name}_low": f"Lower end of its 95 % confidence interval; {how}",
        f"{name}_high": f"Upper end of its 95 % confidence interval; {how}",
    }


def _cluster(name: str, what: str) -> dict[str, str]:
    """Descriptions of the two ends of an interval from the bootstrap over subjects."""
    how = f"95 % confidence interval of {what} by the bootstrap over subjects, percentile limits"
    return {
        f"cluster_{name}_low": f"Lower end of the {how}; too narrow with few subjects",
        f"cluster_{name}_high": f"Upper end of the {how}; too narrow with few subjects",
    }


def _limits(unit: str) -> dict[str, str]:
    """Descriptions of bias and limits of agreement."""
    zou = "from variances between and within subjects (Zou 2013)"
    return {
        **_interval("bias", f"Mean of y − x, {unit}", "Student's t over means of subjects"),
        **_interval(
            "lower_limit",
            f"Lower 95 % limit of agreement of y − x, {unit}, with the variance between subjects "
            "and within (Bland & Altman 2007)",
            zou,
        ),
        **_interval("upper_limit", f"Upper 95 % limit of agreement of y − x, {unit}", zou),
    }


_LIKENESS = {
    **_interval(
        "ccc", "Concordance correlation coefficient (1) (Lin 1989, 2000)", f"Fisher's z, {_NAIVE}"
    ),
    **_interval(
        "icc_2_1",
        "Intraclass correlation of single ratings, absolute agreement (1) (Shrout & Fleiss 1979)",
        f"F distribution, {_NAIVE}",
    ),
    **_interval(
        "icc_3_1",
        "Intraclass correlation of single ratings, consistency (1) (Shrout & Fleiss 1979)",
        f"F distribution, {_NAIVE}",
    ),
}
_CORRELATION = {
    "r": "Pearson's correlation coefficient (1)",
    **_cluster("r", "r (1)"),
}
_PAIR = {
    "y": "Image that is judged: SPECT, P2P or PET",
    "x": "Image it is compared with: PET, SPECT or, of simulated subjects only, truth, the true "
    "flow",
    "subjects": "Number of subjects",
}

AGREEMENT = {
    **{name: REGRESSION[name] for name in ("set", "atlas", "scale", "relative")},
    **_PAIR,
    "n": "Number of points: regions × subjects",
    **_interval(
        "slope", "Slope of the ordinary least-squares line of y on x (1)", f"Student's t, {_NAIVE}"
    ),
    "p": f"Two-sided p value of a slope of zero (1); {_NAIVE}, which regions of one subject are "
    "not",
    **_interval(
        "mixed_slope",
        "Mean slope of y on x in a mixed model with random intercepts and slopes of subjects (1)",
        "Student's t, subjects − 1 degrees of freedom",
    ),
    "mixed_slope_sd": "Standard deviation of that slope between subjects (1)",
    "mixed_p": "Two-sided p value of a mixed slope of zero (1)",
    **_cluster("slope", "slope (1)"),
    **_CORRELATION,
    **_interval(
        "deming_slope",
        "Slope of Deming regression, variance ratio 1 (1)",
        "jackknife over subjects",
    ),
    **_interval(
        "deming_intercept", "Intercept of that line, mL/100 g/min", "jackknife over subjects"
    ),
    **_interval(
        "passing_bablok_slope",
        "Slope of Passing–Bablok regression (1); n/a above 10000 points",
        f"ranks, {_NAIVE}",
    ),
    **_interval(
        "passing_bablok_intercept", "Intercept of that line, mL/100 g/min", f"ranks, {_NAIVE}"
    ),
    "passing_bablok_linear_p": f"P value of the cusum test of linearity (1); {_NAIVE}",
    **_LIKENESS,
    **_cluster("ccc", "ccc (1)"),
    **_limits("mL/100 g/min"),
    **_interval(
        "proportional_slope",
        "Slope of y − x on the mean of y and x (1); 0: the difference does not grow with flow",
        "jackknife over subjects",
    ),
    "proportional_p": "Two-sided p value of a proportional slope of zero (1), jackknife over "
    "subjects",
}

_WILSON = "Wilson's, all affected regions taken as independent"
ASYMMETRY = {
    **{name: REGRESSION[name] for name in ("set", "atlas", "relative")},
    **_PAIR,
    "n": "Number of points: regions with two sides × subjects",
    **_CORRELATION,
    **_LIKENESS,
    **_limits("percentage points of asymmetry index"),
    "affected": "Points whose asymmetry index 200 (L − R) / (L + R) of x is beyond ±10 %",
    **_interval("same_side", "Share of these in which y is lower on the same side (1)", _WILSON),
    **_interval(
        "detected",
        "Share of these in which the index of y is beyond 10 % too, to the same side (1)",
        _WILSON,
    ),
}
