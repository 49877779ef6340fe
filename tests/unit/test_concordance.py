"""Agreement statistics against published examples, other packages and closed forms."""

import math

import numpy as np
import pytest
from scipy import odr, stats
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from spect2pet.evaluate import clustered, concordance
from spect2pet.evaluate.passing_bablok import MAX_POINTS, passing_bablok

# Bland & Altman, Lancet 327:307 (1986): peak flow by large and mini meter, L/min.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
# Bland & Altman, J Biopharm Stat 17:571 (2007), table 1: cardiac output by radionuclide
# ventriculography and impedance cardiography; measurements of one person a line.
VENTRICULOGRAPHY = [
    [7.83, 7.42, 7.89, 7.12, 7.88], [6.16, 7.26, 6.71, 6.54],
    [4.75, 5.24, 4.86, 4.78, 6.05, 5.42], [4.21, 3.61, 3.72, 3.87, 3.92],
    [3.13, 2.98, 2.85, 3.17, 3.09, 3.12], [5.92, 6.42, 5.92, 6.27], [7.13, 6.62, 6.58, 6.93],
    [4.54, 4.81, 5.11, 5.29, 5.39, 5.57], [4.48, 4.92, 3.97], [4.22, 4.65, 4.74, 4.44, 4.50],
    [6.78, 6.07, 6.52, 6.42, 6.41, 5.76], [5.06, 4.72, 4.90, 4.80, 4.90, 5.10],
]  # fmt: skip
IMPEDANCE = [
    [6.57, 5.62, 6.90, 6.57, 6.35], [4.06, 4.29, 4.26, 4.09],
    [4.71, 5.50, 5.08, 5.02, 6.01, 5.67], [4.14, 4.20, 4.61, 4.68, 5.04],
    [3.03, 2.86, 2.77, 2.46, 2.32, 2.43], [5.90, 5.81, 5.70, 5.76], [5.09, 4.63, 4.61, 5.09],
    [4.72, 4.61, 4.36, 4.20, 4.36, 4.20], [3.17, 3.12, 2.96], [4.35, 4.62, 3.16, 3.53, 3.53],
    [7.20, 6.09, 7.00, 7.10, 7.40, 6.80], [4.50, 4.20, 3.80, 3.80, 4.20, 4.50],
]  # fmt: skip
# Potthoff & Roy, Biometrika 51:313 (1964): pituitary to pterygomaxillary fissure at 8, 10, 12 and
# 14 years, mm; R's data set `Orthodont`.
AGES = np.array([8.0, 10.0, 12.0, 14.0])
ORTHODONT = np.array([
    [26, 25, 29, 31], [21.5, 22.5, 23, 26.5], [23, 22.5, 24, 27.5], [25.5, 27.5, 26.5, 27],
    [20, 23.5, 22.5, 26], [24.5, 25.5, 27, 28.5], [22, 22, 24.5, 26.5], [24, 21.5, 24.5, 25.5],
    [23, 20.5, 31, 26], [27.5, 28, 31, 31.5], [23, 23, 23.5, 25], [21.5, 23.5, 24, 28],
    [17, 24.5, 26, 29.5], [22.5, 25.5, 25.5, 26], [23, 24.5, 26, 30], [22, 21.5, 23.5, 25],
    [21, 20, 21.5, 23], [21, 21.5, 24, 25.5], [20.5, 24, 24.5, 26], [23.5, 24.5, 25, 26.5],
    [21.5, 23, 22.5, 23.5], [20, 21, 21, 22.5], [21.5, 22.5, 23, 25], [23, 23, 23.5, 24],
    [20, 21, 22, 21.5], [16.5, 19, 19, 19.5], [24.5, 25, 28, 28],
])  # fmt: skip
# Shrout & Fleiss, Psychol Bull 86:420 (1979), table 2: six targets by four judges.
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
                    [6, 2, 4, 7]])  # fmt: skip


def sums_of(x, y, subjects=None):
    x, y = np.asarray(x, float), np.asarray(y, float)
    return clustered.sums_by_subject(x, y, np.arange(len(x)) if subjects is None else subjects)


def points_of(x, y):
    return clustered.moments(sums_of(x, y).sum(axis=0))


@pytest.fixture
def cloud():
    """Points of six subjects, each with a slope and level of its own."""
    draw = np.random.default_rng(5)
    subjects = np.repeat(np.arange(6), 30)
    x = draw.normal(50, 12, 180)
    level, rise = draw.normal(0, 5, 6), draw.normal(0.8, 0.15, 6)
    return x, level[subjects] + rise[subjects] * x + draw.normal(0, 3, 180), subjects


# --- Lines ---------------------------------------------------------------------


def orthogonal_line(x, y):
    """Slope and intercept by orthogonal distance regression (ODRPACK)."""
    start = np.polyfit(x, y, 1)
    fitted = odr.ODR(
        odr.RealData(x, y), odr.Model(lambda beta, x: beta[0] * x + beta[1]), beta0=start,
        sstol=1e-14, partol=1e-14,
    ).run()  # fmt: skip
    return fitted.beta


def test_deming_is_orthogonal_distance_regression():
    expected = orthogonal_line(np.array(LARGE, float), np.array(MINI, float))
    points = points_of(LARGE, MINI)
    assert concordance.deming_slope(points) == pytest.approx(expected[0], rel=1e-6)
    assert concordance.deming_intercept(points) == pytest.approx(expected[1], rel=1e-5)


def test_deming_interval_is_the_jackknife_written_out():
    x, y = np.array(LARGE, float), np.array(MINI, float)
    n = len(x)
    without = [orthogonal_line(np.delete(x, i), np.delete(y, i))[0] for i in range(n)]
    error = np.sqrt((n - 1) * np.var(without))
    found = clustered.jackknife(concordance.deming_slope, sums_of(x, y))
    # Student's t, 97.5th percentile, 16 degrees of freedom (printed tables: 2.120).
    assert found.high - found.value == pytest.approx(2.1199053 * error, rel=1e-4)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_jackknife_of_a_mean_is_its_standard_error():
    y = np.array(MINI, float)
    found = clustered.jackknife(lambda points: points.y, sums_of(y, y))
    half = 2.1199053 * y.std(ddof=1) / np.sqrt(len(y))
    assert found == pytest.approx((y.mean(), y.mean() - half, y.mean() + half))
    t_test = stats.ttest_1samp(y - 400, 0)
    shifted = clustered.jackknife(lambda points: points.y - 400, sums_of(y, y))
    assert clustered.jackknife_p(shifted, len(y)) == pytest.approx(t_test.pvalue)


def test_deming_and_passing_bablok_do_not_care_which_image_is_x(cloud):
    x, y, _ = cloud
    assert concordance.deming_slope(points_of(y, x)) == pytest.approx(
        1 / concordance.deming_slope(points_of(x, y))
    )
    # 120 points have an even number of slopes, whose middle two are averaged.
    there, back = passing_bablok(x[:121], y[:121]), passing_bablok(y[:121], x[:121])
    assert back.slope.value == pytest.approx(1 / there.slope.value, rel=1e-3)
    assert back.slope.low == pytest.approx(1 / there.slope.high, rel=1e-3)


def test_passing_bablok_worked_out_by_hand():
    # Slopes 2, 1, 4/3, 0, 1, 2 in order: 0, 1, 1, 4/3, 2, 2; none below −1.
    line = passing_bablok(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 3, 5]))
    assert line.slope.value == pytest.approx((1 + 4 / 3) / 2)
    assert line.intercept.value == pytest.approx(1 / 12)


def slow_passing_bablok(x, y):
    """The paper's formulas with loops, ranks from 1."""
    slopes = []
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            dx, dy = x[j] - x[i], y[j] - y[i]
            if dx == 0 and dy == 0:
                continue
            slope = math.copysign(math.inf, dy) if dx == 0 else dy / dx
            if slope != -1:
                slopes.append(slope)
    slopes.sort()
    n, total = len(x), len(slopes)
    shift = sum(slope < -1 for slope in slopes)
    at = lambda rank: slopes[rank + shift - 1]  # noqa: E731
    middle = at((total + 1) // 2) if total % 2 else (at(total // 2) + at(total // 2 + 1)) / 2
    c = 1.959963985 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    first = round((total - c) / 2)
    return middle, at(first), at(total - first + 1)


@pytest.mark.parametrize("digits", [0, 3])
def test_passing_bablok_is_the_paper_written_out(digits):
    draw = np.random.default_rng(2)
    true = draw.uniform(20, 80, 61)
    x, y = (np.round(true * k + draw.normal(0, 8, 61), digits) for k in (1, 0.9))
    line = passing_bablok(x, y)
    assert tuple(line.slope) == pytest.approx(slow_passing_bablok(x, y))
    assert line.intercept.value == np.median(y - line.slope.value * x)
    assert line.intercept.low == np.median(y - line.slope.high * x)


def test_an_outlier_moves_ordinary_least_squares_but_not_passing_bablok():
    draw = np.random.default_rng(3)
    x = np.linspace(20, 80, 50)
    y = x + draw.normal(0, 1, 50)
    y[-2:] = 300
    assert np.polyfit(x, y, 1)[0] > 1.5
    assert passing_bablok(x, y).slope.value == pytest.approx(1, abs=0.05)


def test_the_cusum_test_tells_a_curve_from_a_line():
    draw = np.random.default_rng(4)
    x = np.linspace(10, 90, 120)
    straight = x + draw.normal(0, 3, 120)
    bent = 0.012 * (x - 10) ** 2 + draw.normal(0, 1, 120)
    assert passing_bablok(x, straight).linear_p > 0.05
    assert passing_bablok(x, bent).linear_p < 0.001


def test_points_that_tell_no_line_have_none():
    for x, y in (([1, 2], [1, 2]), ([5, 5, 5, 5], [1, 2, 3, 4]), ([1, 2, 3], [4, 4, 4])):
        assert np.isnan(passing_bablok(np.array(x, float), np.array(y, float)).slope.value)
    many = np.arange(MAX_POINTS + 1.0)
    assert np.isnan(passing_bablok(many, many).slope.value)


# --- Mixed model and bootstrap ----------------------------------------------------


def test_the_mixed_slope_meets_nlme():
    # R, nlme: lme(distance ~ age, Orthodont, random = ~ age | Subject): 0.660185, standard error
    # 0.0712533 and slope SD 0.2264 (Pinheiro & Bates, Mixed-Effects Models in S and S-PLUS, 2000,
    # section 4.2).  The design is balanced, so that the correlation of intercept and slope, which
    # is not modelled here, has no part in them.
    subjects = np.repeat(np.arange(27), 4)
    line = clustered.mixed_line(sums_of(np.tile(AGES, 27), ORTHODONT.ravel(), subjects))
    t = stats.t.ppf(0.975, 26)
    assert line.slope.value == pytest.approx(0.660185, abs=1e-6)
    assert line.slope.high - line.slope.value == pytest.approx(t * 0.0712533, rel=2e-3)
    assert line.slope_sd == pytest.approx(0.2264, rel=5e-3)
    # In closed form: the standard error of the mean of the children's own slopes.
    own = np.array([np.polyfit(AGES, child, 1)[0] for child in ORTHODONT])
    assert line.slope.high - line.slope.value == pytest.approx(t * stats.sem(own), rel=2e-3)
    assert line.p == pytest.approx(stats.ttest_1samp(own, 0).pvalue, rel=0.05)


def test_the_mixed_slope_meets_statsmodels(cloud):
    x, y, subjects = cloud
    fixed = np.column_stack([np.ones(len(x)), (x - x.mean()) / x.std()])
    free = MixedLMParams.from_components(fe_params=np.ones(2), cov_re=np.eye(2))
    fitted = MixedLM(y, fixed, groups=subjects, exog_re=fixed).fit(reml=True, free=free)
    line = clustered.mixed_line(sums_of(x, y, subjects))
    assert line.slope.value == pytest.approx(fitted.fe_params[1] / x.std(), rel=1e-4)
    half = stats.t.ppf(0.975, 5) * fitted.bse_fe[1] / x.std()
    assert line.slope.high - line.slope.value == pytest.approx(half, rel=5e-3)


def test_without_differences_between_subjects_the_mixed_model_is_least_squares():
    draw = np.random.default_rng(8)
    x = np.tile(np.linspace(10, 90, 40), 5)
    noise = np.tile(draw.normal(0, 4, 40), 5)  # the same in all, so that no subject differs
    line = clustered.mixed_line(sums_of(x, 5 + 0.7 * x + noise, np.repeat(np.arange(5), 40)))
    expected = stats.linregress(x, 5 + 0.7 * x + noise)
    assert line.slope_sd == 0
    assert line.slope.value == pytest.approx(expected.slope)
    half = stats.t.ppf(0.975, 4) * expected.stderr
    assert line.slope.high - line.slope.value == pytest.approx(half, rel=1e-6)


def test_points_on_one_line_or_of_two_subjects_have_no_mixed_model():
    x = np.arange(12.0)
    assert np.isnan(clustered.mixed_line(sums_of(x, 2 * x + 1, np.repeat(np.arange(4), 3))).p)
    two = sums_of(x, np.sin(x), np.repeat(np.arange(2), 6))
    assert np.isnan(clustered.mixed_line(two).slope.value)


def test_moments_of_subjects_together_are_those_of_numpy(cloud):
    x, y, subjects = cloud
    points = clustered.moments(sums_of(x, y, subjects).sum(axis=0))
    (xx, xy), (_, yy) = np.cov(x, y, ddof=0)
    assert (points.xx, points.xy, points.yy) == pytest.approx((xx, xy, yy))
    assert clustered.slope(points) == pytest.approx(np.polyfit(x, y, 1)[0])
    assert clustered.correlation(points) == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_the_bootstrap_draws_subjects_with_all_their_points(cloud):
    x, y, subjects = cloud
    low, high = clustered.bootstrap(clustered.slope, sums_of(x, y, subjects), seed=1)
    draw = np.random.default_rng(17)
    slopes = []
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(subjects == s) for s in draw.integers(0, 6, 6)])
        slopes.append(np.polyfit(x[rows], y[rows], 1)[0])
    width = np.subtract(*np.percentile(slopes, (97.5, 2.5)))
    assert high - low == pytest.approx(width, rel=0.08)
    assert (low, high) == clustered.bootstrap(clustered.slope, sums_of(x, y, subjects), seed=1)
    assert np.isnan(clustered.bootstrap(clustered.slope, sums_of([1, 2], [1, 3]), seed=1)).all()


def test_bootstrap_over_many_subjects_covers_what_is_true():
    draw = np.random.default_rng(11)
    hits, repetitions, subjects = 0, 300, np.repeat(np.arange(40), 5)
    for seed in range(repetitions):
        x = draw.normal(0, 1, 200)
        y = (1 + draw.normal(0, 0.4, 40))[subjects] * x + draw.normal(0, 0.5, 200)
        low, high = clustered.bootstrap(clustered.slope, sums_of(x, y, subjects), seed)
        hits += low <= 1 <= high
    assert 0.91 <= hits / repetitions <= 0.98


# --- Concordance and intraclass correlation -----------------------------------------


def test_concordance_is_its_definition_and_meets_epi_ccc():
    x, y = np.array(LARGE, float), np.array(MINI, float)
    found = concordance.concordance_interval(points_of(x, y), len(x))
    expected = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert found.value == pytest.approx(expected)
    # Variance as R's epiR::epi.ccc (z-transform) computes it.
    r, p, k = np.corrcoef(x, y)[0, 1], expected, len(x)
    u = (y.mean() - x.mean()) / (x.var() * y.var()) ** 0.25
    variance = (
        ((1 - r**2) * p**2 * (1 - p**2) / r**2 + 2 * p**3 * (1 - p) * u**2 / r
         - 0.5 * p**4 * u**4 / r**2) / (k - 2)
    )  # fmt: skip
    t, half = np.log((1 + p) / (1 - p)) / 2, 1.959964 * np.sqrt(variance) / (1 - p**2)
    for end, z in ((found.low, t - half), (found.high, t + half)):
        assert end == pytest.approx((np.exp(2 * z) - 1) / (np.exp(2 * z) + 1))


def test_concordance_interval_covers_what_is_true():
    draw = np.random.default_rng(6)
    covariance = [[1.0, 0.8], [0.8, 1.44]]
    true = 2 * 0.8 / (1 + 1.44 + 0.5**2)
    hits = 0
    for _ in range(1000):
        x, y = draw.multivariate_normal([0, 0.5], covariance, 60).T
        found = concordance.concordance_interval(points_of(x, y), 60)
        hits += found.low <= true <= found.high
    assert 0.93 <= hits / 1000 <= 0.97


def test_intraclass_correlations_meet_shrout_and_fleiss():
    agreement, consistency = concordance.intraclass(RATINGS)
    # Table 4 of the paper: .29 and .71.  Intervals as R's psych::ICC prints them.
    assert agreement.value == pytest.approx(0.29, abs=5e-3)
    assert consistency.value == pytest.approx(0.71, abs=5e-3)
    assert (agreement.low, agreement.high) == pytest.approx((0.019, 0.761), abs=1e-3)
    assert (consistency.low, consistency.high) == pytest.approx((0.342, 0.946), abs=1e-3)


def test_equal_images_agree_fully_and_a_shift_is_told_by_absolute_agreement_alone():
    x = np.array(LARGE, float)
    for estimate in concordance.intraclass(np.column_stack([x, x])):
        assert estimate.value == pytest.approx(1)
    agreement, consistency = concordance.intraclass(np.column_stack([x, x + 100]))
    assert consistency.value == pytest.approx(1)
    assert agreement.value < 0.9
    assert concordance.concordance(points_of(x, x)) == pytest.approx(1)
    assert np.isnan(concordance.intraclass(np.full((5, 2), 3.0))[0].value)


# --- Limits of agreement -------------------------------------------------------------


def test_limits_of_single_measurements_are_those_of_bland_and_altman():
    difference = np.array(LARGE, float) - MINI
    limits = concordance.limits_of_agreement(difference, np.arange(17))
    sd = difference.std(ddof=1)
    # The paper: mean −2.1, standard deviation 38.8, interval of the mean −22.0 to 17.8 L/min.
    assert limits.bias.value == pytest.approx(-2.1, abs=0.05)
    assert (limits.bias.low, limits.bias.high) == pytest.approx((-22.0, 17.8), abs=0.15)
    assert limits.upper.value - limits.bias.value == pytest.approx(1.96 * 38.8, abs=0.15)
    assert limits.upper.value - limits.lower.value == pytest.approx(2 * 1.959964 * sd)
    # Half width by the paper's √(3 / n) · SD · t is 34.6; the exact interval leans outwards.
    assert limits.upper.high - limits.upper.value > 34.6 > limits.upper.value - limits.upper.low


def test_limits_of_several_measurements_are_those_of_bland_and_altman():
    subjects = np.repeat(np.arange(12), [len(row) for row in IMPEDANCE])
    difference = np.concatenate(VENTRICULOGRAPHY) - np.concatenate(IMPEDANCE)
    limits = concordance.limits_of_agreement(difference, subjects)
    # The paper, section 3: mean 0.60, standard deviation 0.99062, of which within 0.1707 squared.
    assert limits.bias.value == pytest.approx(0.6021667, abs=1e-6)
    assert (limits.upper.value - limits.lower.value) / (2 * 1.959964) == pytest.approx(
        0.99062, abs=1e-5
    )


@pytest.mark.parametrize("each", [1, 8])
def test_intervals_of_limits_cover_what_is_true(each):
    draw = np.random.default_rng(each)
    within = 1.0 if each > 1 else 0.0
    true = 2 + 1.959964 * np.sqrt(3.0**2 + within**2)
    subjects, hits = np.repeat(np.arange(12), each), np.zeros(2)
    for _ in range(1500):
        values = 2 + draw.normal(0, 3, 12)[subjects] + within * draw.normal(0, 1, 12 * each)
        limits = concordance.limits_of_agreement(values, subjects)
        hits += (
            limits.upper.low <= true <= limits.upper.high,
            limits.bias.low <= 2 <= limits.bias.high,
        )
    assert (np.abs(hits / 1500 - 0.95) < 0.025).all()


def test_proportional_bias_is_the_slope_on_the_mean(cloud):
    x, y, subjects = cloud
    found, p = concordance.proportional_bias(sums_of(x, y, subjects))
    expected = stats.linregress((x + y) / 2, y - x)
    assert found.value == pytest.approx(expected.slope)
    # The subjects tell less than their points would if they were independent.
    assert p > expected.pvalue
    assert found.low < found.value < found.high


def test_too_few_subjects_give_numbers_without_intervals():
    limits = concordance.limits_of_agreement(np.array([1.0, 2, 4, 3]), np.array([0, 0, 1, 1]))
    assert limits.bias.value == 2.5
    assert np.isnan(limits.bias.low) and np.isnan(limits.upper.low)
    assert np.isfinite(limits.upper.value)
    one = concordance.limits_of_agreement(np.array([1.0, 2, 3]), np.zeros(3))
    assert one.bias.value == 2 and np.isnan(one.lower.value)
