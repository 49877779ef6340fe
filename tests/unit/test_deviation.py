"""Deviation from a few normal people: rare as often as it says, and like known tests."""

import numpy as np
import pytest
from scipy import stats

from spect2pet.lesions import deviation

PLACES = 40_000


def people(seed, count, spread):
    """Relative CBF of normal people whose places have the given spread."""
    mean = np.linspace(20, 70, PLACES)
    return mean * (1 + spread * np.random.default_rng(seed).normal(size=(count, PLACES)))


def inverse_chi2(seed, degrees, shared):
    """Spreads whose variances are scaled inverse chi-squared."""
    drawn = np.random.default_rng(seed).chisquare(degrees, PLACES)
    return np.sqrt(shared * degrees / drawn)


@pytest.mark.parametrize("count", [3, 4, 6, 15])
@pytest.mark.parametrize("kind", ["alike", "different"])
def test_a_normal_person_is_below_minus_two_as_often_as_a_normal_variable(count, kind):
    spread = 0.06 if kind == "alike" else inverse_chi2(9, 8, 0.06**2)
    values = people(1, count + 1, spread)
    z = deviation.z_scores(values[-1], deviation.norm_of(values[:-1]))
    assert np.mean(z < -2) == pytest.approx(stats.norm.cdf(-2), abs=0.006)
    assert np.mean(z > 2) == pytest.approx(stats.norm.cdf(-2), abs=0.006)
    assert np.std(z) == pytest.approx(1, abs=0.05)


def test_variances_that_are_alike_are_pooled():
    norm = deviation.norm_of(people(2, 5, 0.06))
    np.testing.assert_allclose(norm.spread, 0.06, rtol=0.05)
    assert np.ptp(norm.spread) < 0.01
    assert norm.degrees > 100


def test_the_prior_is_that_the_variances_were_drawn_from():
    values = people(3, 5, inverse_chi2(4, 8, 0.05**2))
    variance = np.var(values / values.mean(axis=0), axis=0, ddof=1)
    moderated, degrees = deviation.moderate(variance, 4)
    assert degrees - 4 == pytest.approx(8, rel=0.1)
    # Smyth 2004: the moderated variance is a weighted mean of the shared and the place's own.
    slope, shared = np.polyfit(variance, moderated, 1)
    assert slope == pytest.approx(4 / 12, rel=0.05)
    assert shared == pytest.approx(8 / 12 * 0.05**2, rel=0.05)


def test_without_moderation_it_is_the_t_test_of_one_case(monkeypatch):
    """Crawford and Howell's test is Student's for two groups, one of which is a single case."""
    monkeypatch.setattr(deviation, "moderate", lambda variance, degrees: (variance, degrees))
    rng = np.random.default_rng(5)
    normals, case = rng.normal(50, 4, (6, 20)), rng.normal(45, 6, 20)
    z = deviation.z_scores(case, deviation.norm_of(normals))
    for place in range(20):
        p = stats.ttest_ind([case[place]], normals[:, place]).pvalue
        assert 2 * stats.norm.sf(abs(z[place])) == pytest.approx(p, rel=1e-6)
        assert np.sign(z[place]) == np.sign(case[place] - normals[:, place].mean())


def test_a_deep_deficit_has_a_finite_deviation():
    normals = people(6, 4, inverse_chi2(7, 6, 0.05**2))
    z = deviation.z_scores(np.zeros(PLACES), deviation.norm_of(normals))
    assert np.isfinite(z).all()
    assert z.max() < -2


def test_two_normal_people_are_no_norm():
    assert deviation.norm_of(people(8, 2, 0.05)) is None
    assert deviation.norm_of(np.empty((0,))) is None
