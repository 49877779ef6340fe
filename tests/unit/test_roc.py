"""Areas under ROC curves against published output, pairs counted one by one, and closed forms."""

import numpy as np
import pytest
from scipy import stats

from spect2pet.lesions import roc

# Albumin, total protein, K-G score and outcome of 43 patients with ovarian cancer (DeLong et al.,
# Biometrics 44:837, 1988), as printed in the SAS/STAT user's guide, example "Comparing Receiver
# Operating Characteristic Curves" of PROC LOGISTIC, with its output below.
PRINTED = """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
    1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
    4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
    3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
    3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
    3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
    3.6 6.6 5 1
"""
PATIENTS = np.array(PRINTED.split(), dtype=float).reshape(-1, 4)
ALBUMIN, KG_SCORE, PROTEIN = range(3)


@pytest.fixture
def published():
    """Outcome, and the three scores, of which a high K-G score is bad."""
    return PATIENTS[:, 3] == 1, np.array([PATIENTS[:, 0], -PATIENTS[:, 2], PATIENTS[:, 1]])


def draw(seed, cases=60, decimals=1):
    """Two correlated scores with ties, higher for the positive cases."""
    rng = np.random.default_rng(seed)
    positive = rng.random(cases) < 0.4
    shared = rng.normal(size=cases) + positive
    return positive, np.round(shared + 0.5 * rng.normal(size=(2, cases)), decimals)


def pair_by_pair(positive, score):
    """1, 0.5 or 0 for every pair of a positive and a negative case."""
    return np.array(
        [
            [float(a > b) + 0.5 * float(a == b) for b in score[~positive]]
            for a in score[positive]
        ]
    )  # fmt: skip


def test_areas_and_intervals_are_those_that_sas_prints(published):
    areas = roc.delong(*published)
    assert np.round(areas.auc, 4).tolist() == [0.7366, 0.7258, 0.6478]
    errors = np.sqrt(np.diag(areas.covariance))
    assert np.round(errors, 4).tolist() == [0.0927, 0.1028, 0.1000]
    low, high = roc.interval(areas.auc[ALBUMIN], areas.covariance[ALBUMIN, ALBUMIN])
    assert (round(low, 4), round(high, 4)) == (0.5549, 0.9182)


def test_paired_differences_are_those_that_sas_prints(published):
    areas = roc.delong(*published)
    for score, difference, p in ((ALBUMIN, 0.0108, 0.9102), (PROTEIN, -0.0780, 0.4561)):
        assert round(areas.auc[score] - areas.auc[KG_SCORE], 4) == difference
        assert round(roc.difference_p(areas, score, KG_SCORE), 4) == p
    contrast = np.array([[1, -1, 0], [0, -1, 1]])
    apart = contrast @ areas.auc
    chi2 = apart @ np.linalg.solve(contrast @ areas.covariance @ contrast.T, apart)
    assert round(chi2, 4) == 2.5340


@pytest.mark.parametrize("seed", range(5))
def test_the_fast_way_is_the_slow_way_with_ties(seed):
    positive, scores = draw(seed)
    areas = roc.delong(positive, scores)
    pairs = [pair_by_pair(positive, score) for score in scores]
    np.testing.assert_allclose(areas.auc, [p.mean() for p in pairs])
    of_cases = [np.cov([p.mean(axis=axis) for p in pairs]) for axis in (1, 0)]
    counts = positive.sum(), (~positive).sum()
    expected = sum(cov / n for cov, n in zip(of_cases, counts, strict=True))
    np.testing.assert_allclose(areas.covariance, expected)


def test_the_area_is_that_of_the_rank_sum_test():
    positive, scores = draw(7)
    u = stats.mannwhitneyu(scores[0][positive], scores[0][~positive]).statistic
    assert roc.delong(positive, scores).auc[0] == pytest.approx(
        u / positive.sum() / (~positive).sum()
    )


def test_equal_scores_have_no_p_value():
    positive, scores = draw(1)
    areas = roc.delong(positive, [scores[0], 3 * scores[0] + 1])
    assert areas.auc[0] == areas.auc[1]
    assert np.isnan(roc.difference_p(areas, 0, 1))


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_one_kind_of_case_has_no_area(positive):
    areas = roc.delong(positive, [[1.0, 2.0]])
    assert np.isnan(areas.auc).all()
    assert np.isnan(areas.covariance).all()


# --- Curve ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_area_below_the_curve_is_the_area(seed):
    positive, scores = draw(seed)
    false, found = roc.curve(positive, scores[0])
    assert (false[0], found[0], false[-1], found[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(found, false) == pytest.approx(roc.delong(positive, scores).auc[0])


def test_sensitivity_at_a_specificity_counts_cases():
    # Of 10 healthy cases one may be called a deficit: the one that scores 9.
    score = np.concatenate([np.arange(10.0), [20, 9.5, 8.5, 3]])
    positive = np.arange(14) >= 10
    assert roc.sensitivity_at(positive, score) == 3 / 4
    assert roc.sensitivity_at(positive, score, specificity=1.0) == 2 / 4


# --- Bootstrap of subjects --------------------------------------------------------


def test_a_sample_holds_whole_subjects():
    """Two subjects: a sample has the first twice, the second twice, or each once."""
    positive, scores = draw(3, cases=24)
    subject = np.repeat(["a", "b"], 12)
    found = roc.bootstrap(positive, scores, subject, seed=1, count=4000)
    expected = []
    for sample in (["a", "a"], ["a", "b"], ["b", "b"]):
        rows = np.concatenate([np.flatnonzero(subject == name) for name in sample])
        expected.append([pair_by_pair(positive[rows], score[rows]).mean() for score in scores])
    distance = np.abs(found[:, None, :] - np.array(expected)).max(axis=2)
    assert distance.min(axis=1).max() < 1e-12
    shares = np.bincount(distance.argmin(axis=1)) / len(found)
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.03)


def test_repeated_cases_of_a_subject_tell_nothing_new():
    positive, scores = draw(5, cases=80, decimals=6)
    once = roc.delong(positive, scores).covariance[0, 0]
    copies = np.repeat(np.arange(80), 20)
    many = roc.delong(positive[copies], scores[:, copies]).covariance[0, 0]
    drawn = roc.bootstrap(positive[copies], scores[:, copies], copies, seed=2)
    assert many < once / 15
    assert np.var(drawn[:, 0]) == pytest.approx(once, rel=0.15)


def test_samples_without_a_deficit_are_left_out_of_the_interval():
    positive = np.array([True, False, False])
    drawn = roc.bootstrap(positive, [[2.0, 1.0, 3.0]], ["a", "b", "c"], seed=0)
    assert 0.2 < np.isnan(drawn).mean() < 0.6
    assert roc.percentile_interval(drawn[:, 0]) == (0, 1)
    assert np.isnan(roc.percentile_interval(np.full(3, np.nan))).all()
