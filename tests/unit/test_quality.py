"""Image quality beyond SSIM against closed forms and other implementations."""

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

from spect2pet.evaluate import quality

SHAPE = (64, 72, 20)
CONSTANTS = ((0.01 * 80) ** 2, (0.03 * 80) ** 2)
WINDOW = {"sigma": 1.5, "radius": 5, "constants": CONSTANTS}


@pytest.fixture
def brain():
    x, y, z = np.indices(SHAPE)
    return ((x - 31) / 24) ** 2 + ((y - 35) / 28) ** 2 + ((z - 10) / 8) ** 2 < 1


@pytest.fixture
def pet(brain):
    draw = np.random.default_rng(1)
    texture = ndimage.gaussian_filter(draw.normal(size=SHAPE), 1.2)
    return (brain * (45 + 12 * texture / texture.std())).astype(np.float32)


# --- MS-SSIM -------------------------------------------------------------------


def halved(volume):
    return (volume[::2, ::2] + volume[1::2, ::2] + volume[::2, 1::2] + volume[1::2, 1::2]) / 4


def test_ms_ssim_is_that_of_scikit_image_scale_by_scale(pet, brain):
    """Luminance apart from the rest, from SSIM with and without it."""
    image = ndimage.gaussian_filter(pet, (1.5, 1.5, 0)) * 0.9
    slices, whole = np.arange(4, 16), np.ones(SHAPE, bool)
    weights = np.array([0.0448, 0.2856, 0.3001]) / 0.6305
    expected = []
    for k in slices:
        a, b, value = image[:, :, k].astype(float), pet[:, :, k].astype(float), 1.0
        for scale, weight in enumerate(weights):
            if scale:
                a, b = halved(a), halved(b)
            options = {
                "full": True, "gaussian_weights": True, "use_sample_covariance": False,
                "sigma": 1.5, "data_range": 80.0, "K2": 0.03,
            }  # fmt: skip
            ssim = structural_similarity(a, b, K1=0.01, **options)[1]
            # With a large K1 the luminance is one.
            structure = structural_similarity(a, b, K1=1e6, **options)[1]
            value *= (ssim if scale == 2 else structure).mean() ** weight
        expected.append(value)
    found = quality.ms_ssim(image, pet, whole, slices, **WINDOW)
    assert found == pytest.approx(np.mean(expected), abs=2e-5)


def test_ms_ssim_of_an_image_with_itself_is_one(pet, brain):
    assert quality.ms_ssim(pet, pet, brain, np.arange(4, 16), **WINDOW) == pytest.approx(1)


def test_ms_ssim_of_flat_images_is_their_luminance(brain):
    a, b = 40.0 * np.ones(SHAPE), 50.0 * np.ones(SHAPE)
    c1, weight = CONSTANTS[0], 0.3001 / 0.6305
    luminance = (2 * 40 * 50 + c1) / (40**2 + 50**2 + c1)
    found = quality.ms_ssim(a, b, np.ones(SHAPE, bool), np.arange(5, 9), **WINDOW)
    # In single precision, as of a variance of zero.
    assert found == pytest.approx(luminance**weight, abs=1e-3)


def test_ms_ssim_looks_at_the_brain_alone(pet, brain):
    spoilt = pet.copy()
    spoilt[:, 70:] = 500
    slices = np.arange(4, 16)
    one, two = (
        quality.ms_ssim(image, pet * 1.1, brain & (np.indices(SHAPE)[1] < 40), slices, **WINDOW)
        for image in (pet, spoilt)
    )
    assert one == pytest.approx(two, abs=1e-6)


# --- Detail and resolution ---------------------------------------------------------


def test_hfen_is_that_of_the_written_out_filter(pet, brain):
    image = ndimage.gaussian_filter(pet, (1, 1, 0))
    # The kernel as derivatives of a sampled Gaussian of 15 × 15 voxels.
    at = np.arange(-7, 8)
    gaussian = np.exp(-(at**2) / (2 * 1.5**2))
    gaussian /= gaussian.sum()
    second = (at**2 / 1.5**4 - 1 / 1.5**2) * gaussian
    kernel = np.outer(second, gaussian) + np.outer(gaussian, second)
    k = 10
    filtered = [
        ndimage.correlate(plane[:, :, k].astype(float), kernel, mode="reflect")
        for plane in (image - pet, pet)
    ]
    only = np.zeros(SHAPE, bool)
    only[:, :, k] = brain[:, :, k]
    expected = np.linalg.norm(filtered[0][only[:, :, k]]) / np.linalg.norm(
        filtered[1][only[:, :, k]]
    )
    assert quality.hfen(image, pet, only) == pytest.approx(expected, rel=1e-4)


def test_hfen_of_pet_is_zero_and_of_nothing_is_one(pet, brain):
    assert quality.hfen(pet, pet, brain) == 0
    assert quality.hfen(np.zeros(SHAPE), pet, brain) == pytest.approx(1)
    # A shift of level is no detail, where the filter does not reach the edge of the shift.
    assert quality.hfen(pet + 7, pet, brain) < 1e-4


def waves(limit_mm, voxel_mm, seed):
    """Noise of a cube that has only wavelengths longer than the limit."""
    spectrum = np.fft.fftn(np.random.default_rng(seed).normal(size=(48, 48, 48)))
    frequency = np.fft.fftfreq(48, voxel_mm)
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(frequency, frequency, frequency)))
    return np.fft.ifftn(spectrum * (radius < 1 / limit_mm)).real


@pytest.mark.parametrize(("limit_mm", "voxel_mm"), [(10.0, 2.0), (16.0, 2.0), (20.0, 4.0)])
def test_resolution_is_where_shared_detail_ends(limit_mm, voxel_mm):
    shared = waves(limit_mm, voxel_mm, 1)
    rest = [
        waves(2 * voxel_mm, voxel_mm, seed) - waves(limit_mm, voxel_mm, seed) for seed in (2, 3)
    ]
    whole = np.ones((48, 48, 48), bool)
    image, pet = (40 + 10 * (shared + own) for own in rest)
    found = quality.fsc_resolution_mm(image, pet, whole, voxel_mm)
    assert found == pytest.approx(limit_mm, rel=0.1)


def test_resolution_of_noise_of_known_strength():
    """Signal falls with frequency under flat noise in one image: half of the power is signal
    where both are equal, and the correlation there is 1 / √2; it is 1 / 2 at a third."""
    voxel = 2.0
    draw = np.random.default_rng(4)
    spectrum = np.fft.fftn(draw.normal(size=(64, 64, 64)))
    frequency = np.fft.fftfreq(64, voxel)
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(frequency, frequency, frequency)))
    blur = np.exp(-((radius / 0.06) ** 2))
    pet = np.fft.ifftn(spectrum * blur).real
    noise = 0.2
    image = pet + noise * draw.normal(size=(64, 64, 64))
    # FSC = blur / √(blur² + noise²) = 1/2 where blur = noise / √3.
    expected = 1 / (0.06 * np.sqrt(np.log(np.sqrt(3) / noise)))
    found = quality.fsc_resolution_mm(image, pet, np.ones((64, 64, 64), bool), voxel)
    assert found == pytest.approx(expected, rel=0.06)


def test_resolution_of_an_image_that_is_pet_is_twice_the_voxel(pet, brain):
    assert quality.fsc_resolution_mm(pet, pet, brain, 2.0) == 4.0
    assert np.isnan(quality.fsc_resolution_mm(np.full(SHAPE, 3.0), pet, brain, 2.0))


def test_a_blurred_image_has_less_detail_by_every_measure(pet, brain):
    images = [ndimage.gaussian_filter(pet, sigma) for sigma in (0.8, 1.6)]
    slices = np.arange(4, 16)
    sharp, soft = (
        (
            -quality.ms_ssim(image, pet, brain, slices, **WINDOW),
            quality.hfen(image, pet, brain),
        )
        for image in images
    )
    assert (np.array(sharp) < np.array(soft)).all()


# --- Bias and contrast -----------------------------------------------------------


def test_bias_is_that_of_the_brain(pet, brain):
    image = pet + np.where(brain, 4, 90)
    assert quality.bias(image, pet, brain) == pytest.approx(4, abs=1e-5)


def test_contrast_is_that_of_grey_over_white_matter(brain):
    labels = np.where(np.indices(SHAPE)[0] < 32, 2001, 0)
    pet = np.where(labels > 0, 60.0, 20.0)
    image = np.where(labels > 0, 48.0, 24.0)
    found = quality.grey_white_contrast(image, pet, brain, labels)
    assert found == pytest.approx((48 / 24) / (60 / 20))
    # Its scale does not matter, the edge between both does not count.
    assert quality.grey_white_contrast(7 * image, pet, brain, labels) == pytest.approx(found)
    image[32] = 48
    assert quality.grey_white_contrast(image, pet, brain, labels) == pytest.approx(found)


def test_without_white_matter_or_flow_there_is_no_contrast(pet, brain):
    assert np.isnan(quality.grey_white_contrast(pet, pet, brain, np.ones(SHAPE)))
    assert np.isnan(quality.grey_white_contrast(0 * pet, pet, brain, np.zeros(SHAPE)))


# --- Noise -----------------------------------------------------------------------


def test_noise_in_white_matter_is_that_which_was_added():
    """The sum of squares of 27 normal values has a chi-square distribution of 26 degrees."""
    shape, level = (40, 40, 40), 0.08
    draw = np.random.default_rng(11)
    image = 25 * (1 + level * draw.standard_normal(shape))
    labels = np.where(np.indices(shape)[0] < 12, 2001, 0)
    image[labels > 0] *= 4
    # A ventricle without flow: its edge is no noise.
    image[25:30, 15:25, 15:25] = 1
    found = quality.white_noise(image, np.ones(shape, bool), labels)
    assert found == pytest.approx(level * np.sqrt(stats.chi2(26).median() / 26), rel=0.03)
    assert quality.white_noise(3 * image, np.ones(shape, bool), labels) == pytest.approx(found)


def test_a_smooth_slope_is_hardly_noise():
    x = np.indices((40, 40, 40))[0]
    found = quality.white_noise(20 + 0.1 * x, np.ones(x.shape, bool), np.zeros(x.shape))
    # Three equally frequent values, a step of 0.1 apart.
    assert found == pytest.approx(0.1 * np.sqrt(2 / 3 * 27 / 26) / 22, rel=0.01)


def test_without_white_matter_there_is_no_noise_in_it(pet, brain):
    assert np.isnan(quality.white_noise(pet, brain, np.ones(SHAPE)))
