"""The channelised observer against the formulas of its channels and of the ideal observer."""

import numpy as np
import pytest

from spect2pet.lesions import observers

SHAPE = (121, 91, 91)
CENTRE = np.array([[60, 45, 45]])


@pytest.mark.parametrize("frequency", [0.01, 0.02, 0.05, 0.1])
def test_channels_pass_waves_as_the_published_formula_says(frequency):
    x = np.arange(SHAPE[0]) - CENTRE[0, 0]
    wave = np.broadcast_to(np.cos(2 * np.pi * frequency * x)[:, None, None], SHAPE)
    sigmas = np.array([0.015, 0.03, 0.06])
    expected = np.exp(-0.5 * (frequency / (2 * sigmas)) ** 2) - np.exp(
        -0.5 * (frequency / sigmas) ** 2
    )
    np.testing.assert_allclose(observers.channel_responses(wave, CENTRE)[0], expected, atol=1e-3)


def test_channels_do_not_see_what_is_everywhere():
    (found,) = observers.channel_responses(np.full(SHAPE, 7.0), CENTRE)
    np.testing.assert_allclose(found, 0, atol=1e-3)


def test_channels_look_at_the_place_they_are_asked_for():
    image = np.zeros((40, 41, 42))
    image[10, 20, 30] = -1
    at, beside = observers.channel_responses(image, np.array([[10, 20, 30], [30, 20, 10]]))
    assert (at < 0).all()
    assert (np.abs(at) > 3 * np.abs(beside)).all()
    assert observers.channel_responses(image, np.empty((0, 3), int)).shape == (0, 3)


def draw(seed, count):
    """Responses of two classes with a known covariance and distance."""
    rng = np.random.default_rng(seed)
    root = np.array([[2.0, 0, 0], [1.5, 1, 0], [-1, 0.5, 0.7]])
    distance = np.array([1.0, 2.0, -0.5])
    with_it, without = (rng.normal(size=(count, 3)) @ root.T for _ in range(2))
    return with_it + distance, without, root @ root.T, distance


def test_the_observer_reaches_the_detectability_of_the_ideal_linear_one():
    with_it, without, covariance, distance = draw(0, 4000)
    template = observers.hotelling_template(with_it, without)
    fresh = draw(1, 4000)
    reached = observers.detectability(fresh[0] @ template, fresh[1] @ template)
    # Barrett et al. 1993: d'^2 = distance^T covariance^-1 distance.
    assert reached == pytest.approx(
        np.sqrt(distance @ np.linalg.solve(covariance, distance)), rel=0.05
    )


def test_no_other_weights_tell_the_classes_apart_better():
    with_it, without, *_ = draw(2, 30)
    template = observers.hotelling_template(with_it, without)
    best = observers.detectability(with_it @ template, without @ template)
    for other in np.random.default_rng(3).normal(size=(200, 3)):
        assert observers.detectability(with_it @ other, without @ other) <= best + 1e-9


def test_detectability_is_the_distance_in_standard_deviations():
    scores = np.array([-1.0, 0.0, 1.0])
    assert observers.detectability(scores + 2.5, scores) == pytest.approx(2.5)
    # Variances 4 and 1, whose mean is 2.5.
    assert observers.detectability(2 * scores + 3, scores) == pytest.approx(3 / np.sqrt(2.5))
    assert np.isnan(observers.detectability(scores, scores[:1]))
    assert np.isnan(observers.detectability(np.ones(3), np.ones(3)))


def test_too_few_places_teach_nothing():
    with_it, without, *_ = draw(4, 5)
    assert observers.hotelling_template(with_it[:1], without) is None
    assert observers.hotelling_template(with_it[:3], without[:3]) is None
    assert observers.hotelling_template(np.zeros((5, 3)), np.zeros((5, 3))) is None
