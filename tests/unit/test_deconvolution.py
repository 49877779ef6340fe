"""Richardson–Lucy against an independent implementation, and what SPECT itself is."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d, gaussian_filter

from model_settings import model_settings
from spect2pet.train.deconvolution import Identity, RichardsonLucy
from spect2pet.train.frames import Frame
from spect2pet.train.methods import METHODS
from spect2pet.train.networks import generate

torch.set_num_threads(1)

FWHM = 3.2


def after(iterations, fwhm=FWHM):
    """The method after as many iterations; the first epoch is that of none."""
    method = RichardsonLucy(fwhm)
    for _ in range(iterations + 1):
        method.advance()
    return method


def kernel_of(fwhm):
    """A Gaussian of this width, cut at four standard deviations."""
    sigma = fwhm / 2.354820045
    offsets = np.arange(-np.ceil(4 * sigma), np.ceil(4 * sigma) + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def richardson_lucy(measured, fwhm, iterations):
    """Richardson, J Opt Soc Am 62:55 (1972), equation 14, with NumPy and SciPy."""

    def blur(volume):
        for axis in range(3):
            volume = convolve1d(volume, kernel_of(fwhm), axis=axis, mode="constant")
        return volume

    estimate = measured.copy()
    for _ in range(iterations):
        estimate *= blur(measured / np.maximum(blur(estimate), 1e-6))
    return estimate


def volume(seed=0, shape=(9, 14, 20)):
    """An asymmetric smooth volume with flow everywhere, down to its border."""
    rng = np.random.default_rng(seed)
    return 0.1 + gaussian_filter(rng.random(shape), 1.0) ** 3 * np.linspace(1, 2, shape[2])


def blurred_block():
    """A block of flow far from the border, as the point spread shows it, and the block."""
    block = np.zeros((31, 33, 35))
    block[13:18, 14:20, 15:19] = 1
    blurred = gaussian_filter(block, FWHM / 2.354820045, mode="constant")
    return torch.from_numpy(blurred).float(), torch.from_numpy(block).float()


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_iterations_are_those_of_an_independent_implementation(iterations):
    measured = volume()
    expected = richardson_lucy(measured, FWHM, iterations)
    found = generate(after(iterations), torch.from_numpy(measured).float())
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-4)
    assert np.abs(expected - measured).max() > 0.1


def test_the_point_spread_is_the_gaussian_that_was_asked_for():
    point = torch.zeros(21, 21, 21)
    point[10, 10, 10] = 1
    seen = RichardsonLucy(FWHM).blur(point)
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    for axis in range(3):
        offsets = torch.arange(21.0) - 10
        profile = seen.movedim(axis, 0).sum((1, 2))
        assert float((profile * offsets**2).sum()) ** 0.5 * 2.3548 == pytest.approx(FWHM, rel=0.01)


def test_no_iteration_is_spect():
    measured = torch.from_numpy(volume()).float()
    assert torch.equal(generate(after(0), measured), measured)


def test_negative_noise_becomes_no_flow():
    measured = torch.from_numpy(volume()).float() - 0.2
    for method in (after(0), after(3), Identity()):
        made = generate(method, measured)
        assert (made >= 0).all()
        assert made.isfinite().all()
    assert torch.equal(generate(Identity(), measured), measured.clamp_min(0))


def test_the_total_flow_of_an_inner_object_is_kept():
    blurred, block = blurred_block()
    made = generate(after(10), blurred)
    assert float(made.sum()) == pytest.approx(float(block.sum()), rel=0.002)


def test_it_comes_closer_to_the_object_with_every_iteration():
    blurred, block = blurred_block()
    errors = [float((generate(after(n), blurred) - block).abs().sum()) for n in (0, 1, 3, 10, 30)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * errors[0]


def test_a_blurred_point_becomes_sharper():
    point = np.zeros((25, 25, 25))
    point[12, 12, 12] = 1
    blurred = torch.from_numpy(gaussian_filter(point, FWHM / 2.354820045)).float()
    made = generate(after(10), blurred)
    assert float(made.max()) > 3 * float(blurred.max())
    offsets = (torch.arange(25.0) - 12) ** 2

    def width(image):
        return float((image.sum((0, 1)) * offsets).sum() / image.sum()) ** 0.5

    assert width(made) < 0.7 * width(blurred)


def test_an_empty_volume_stays_empty():
    assert not generate(after(5), torch.zeros(4, 8, 8)).any()


def test_the_settings_say_how_wide_the_point_spread_is():
    settings = model_settings(method="richardson_lucy", point_spread_mm=12)
    method = METHODS["richardson_lucy"].generator(settings, Frame((16, 16), 4.0))
    torch.testing.assert_close(method.kernel, RichardsonLucy(3.0).kernel)


def test_iterations_are_kept_with_the_weights():
    other = RichardsonLucy(FWHM)
    other.load_state_dict(after(4).state_dict())
    measured = torch.from_numpy(volume()).float()
    assert torch.equal(generate(other, measured), generate(after(4), measured))
