"""Effect sizes against closed forms, and bootstrap intervals against what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from spect2pet.evaluate.effects import bootstrap_mean, effect_of

# Student, Biometrika 6:1 (1908); R's data set `sleep`, paired t = 4.0621 of ten.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_dz_is_t_over_the_root_of_n():
    effect = effect_of(FIRST, SECOND, seed=1)
    assert effect.cohen_dz == pytest.approx(4.0621 / math.sqrt(10), abs=5e-5)


@pytest.mark.parametrize(("n", "unbias"), [(3, 0.5642), (5, 0.7979), (10, 0.9139), (20, 0.9599)])
def test_the_correction_for_small_samples_is_that_of_hedges(n, unbias):
    # c(m) of Hedges (1981) for m = n − 1: 2 by hand 1/√π, 4 by hand 2/√(2π), the others from its
    # approximation 1 − 3 / (4m − 1), which is exact to 0.001 there.
    before = np.zeros(n)
    after = np.arange(n) + 1.0
    effect = effect_of(before, after, seed=1)
    assert effect.hedges_gz / effect.cohen_dz == pytest.approx(unbias, abs=1e-3)


def test_pairs_without_a_number_are_left_out():
    with_gap = effect_of([*FIRST, np.nan, 1.0], [*SECOND, 2.0, np.nan], seed=1)
    assert with_gap == effect_of(FIRST, SECOND, seed=1)


def test_without_differences_there_is_no_effect():
    for before, after in (([], []), ([1.0], [2.0]), ([1.0, 2.0], [2.0, 3.0])):
        effect = effect_of(before, after, seed=1)
        assert math.isnan(effect.cohen_dz) and math.isnan(effect.bootstrap_low)


def test_five_subjects_have_an_interval_within_their_range():
    low, high = bootstrap_mean(np.array([0.02, 0.05, 0.06, 0.03, 0.09]), seed=1)
    assert 0.02 <= low < 0.05 < high <= 0.09


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=15)
    assert bootstrap_mean(values, seed=4) == bootstrap_mean(values, seed=4)
    assert bootstrap_mean(values, seed=4) != bootstrap_mean(values, seed=5)


def test_of_many_symmetric_values_the_interval_is_students():
    values = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    low, high = bootstrap_mean(values, seed=1)
    half = stats.t.ppf(0.975, 59) * values.std(ddof=1) / math.sqrt(60)
    assert (low, high) == pytest.approx((-half, half), rel=0.06)


@pytest.mark.parametrize("n", [10, 20])
def test_95_of_100_intervals_hold_the_true_mean(n):
    draw = np.random.default_rng(2025)
    hits, repetitions = 0, 600
    for seed in range(repetitions):
        low, high = bootstrap_mean(draw.normal(0.04, 0.03, n), seed, resamples=1500)
        hits += low <= 0.04 <= high
    assert 0.93 <= hits / repetitions <= 0.97
