"""Validation measures against independent values, over whole volumes of each subject."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from packed_slices import LEARNT, packed
from spect2pet.core.errors import InputError
from spect2pet.train import validation
from spect2pet.train.deconvolution import Identity
from spect2pet.train.networks import Generator

torch.set_num_threads(1)

RNG = np.random.default_rng(7)


def blobs(count, size=40):
    images = RNG.random((count, size, size)).astype(np.float32)
    images[:, :8] = images[:, -8:] = images[:, :, :8] = images[:, :, -8:] = 0
    return images


def test_ssim_is_that_of_scikit_image():
    image, reference = blobs(2)
    _, expected = structural_similarity(
        reference.astype(float),
        image.astype(float),
        full=True,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.3,
    )
    found = validation.ssim_map(
        torch.from_numpy(image)[None], torch.from_numpy(reference)[None], 1.3
    )
    np.testing.assert_allclose(found[0].numpy(), expected, atol=2e-5)


def test_equal_images_are_wholly_alike():
    image = torch.from_numpy(blobs(1))
    assert validation.ssim_map(image, image, 1.0).min() == pytest.approx(1, abs=1e-4)


def test_only_the_brain_counts_and_every_slice_the_same():
    pet = torch.zeros(2, 20, 20)
    p2p = torch.zeros(2, 20, 20)
    brain = torch.zeros(2, 20, 20, dtype=torch.bool)
    brain[0, 8:12, 8:12] = brain[1, 8:10, 8:10] = True
    p2p[0], p2p[1] = 0.1, 0.4
    p2p[:, :3] = 9
    found = validation.measure(p2p, pet, brain, scale=50.0)
    assert found.l1 == pytest.approx((5 + 20) / 2)


def test_ssim_is_the_mean_over_the_brain_of_each_slice():
    images, pet = blobs(2), blobs(2)
    brain = np.zeros((2, 40, 40), dtype=bool)
    brain[0, 10:30, 12:20] = brain[1, 15:18, 9:30] = True
    expected = []
    for image, reference, mask in zip(images, pet, brain, strict=True):
        _, likeness = structural_similarity(
            reference.astype(float),
            image.astype(float),
            full=True,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=validation.DATA_RANGE / 60,
        )
        expected.append(likeness[mask].mean())
    found = validation.measure(*map(torch.from_numpy, (images, pet, brain)), scale=60.0)
    assert found.ssim == pytest.approx(np.mean(expected), abs=2e-5)


# --- Whole subjects ----------------------------------------------------------------


class Recorded(Generator):
    """Adds to every slice a tenth of its height, and remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def make(self, volume):
        self.shown.append(volume)
        return volume + 0.1 * torch.arange(len(volume)).view(-1, 1, 1)


def validate(generator, data):
    return validation.validate(generator, data, torch.device("cpu"))


def test_whole_volumes_are_shown_and_the_slices_of_the_table_come_back():
    data, generator = packed(), Recorded()
    made, _ = validate(generator, data)
    assert not generator.training
    assert [tuple(volume.shape) for volume in generator.shown] == [(4, 32, 40), (4, 32, 40)]
    np.testing.assert_array_equal(torch.cat(generator.shown).numpy(), data.validation[:, 0])
    rows, heights = [1, 4 + 1, 4 + 2], np.array([1, 1, 2], dtype=np.float32)
    assert LEARNT["validation", "03"] == [1]
    assert LEARNT["validation", "04"] == [1, 2]
    expected = data.validation[rows, 0] + np.float32(0.1) * heights[:, None, None]
    np.testing.assert_allclose(made, expected, rtol=1e-6)


def test_every_subject_counts_the_same_however_many_slices_it_has():
    data = packed()
    _, found = validate(Identity(), data)
    by_subject = []
    for rows in ([1], [5, 6]):
        slices = [
            np.abs(data.validation[row, 0] - data.validation[row, 1])[data.brain[row]].mean()
            for row in rows
        ]
        by_subject.append(np.mean(slices) * data.scale)
    assert found.l1 == pytest.approx(np.mean(by_subject), rel=1e-5)
    assert found.l1 != pytest.approx(np.mean([by_subject[0], *2 * by_subject[1:]]), rel=1e-3)


def test_perfect_p2p_has_no_error():
    data = packed()
    data.validation[:, 0] = data.validation[:, 1]
    _, found = validate(Identity(), data)
    assert found.l1 == 0
    assert found.ssim == pytest.approx(1, abs=1e-4)


def test_half_precision_on_disk_changes_next_to_nothing():
    data = packed()
    halved = replace(data, validation=data.validation.astype(np.float16))
    (made, found), (expected, known) = validate(Identity(), halved), validate(Identity(), data)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, rtol=2**-11)
    assert found.l1 == pytest.approx(known.l1, rel=1e-2)
    assert found.ssim == pytest.approx(known.ssim, abs=1e-3)


def test_slices_that_are_not_finite_are_named():
    data = packed()
    data.validation[5, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match="sub-04: its packed slices hold NaN"):
        validation.validate(Identity(), data, torch.device("cpu"))
