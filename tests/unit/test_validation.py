"""Validation measures against independent values."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from spect2pet import validation

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


def test_every_subject_counts_the_same_and_only_the_brain():
    pet = torch.zeros(3, 20, 20)
    p2p = torch.zeros(3, 20, 20)
    brain = torch.zeros(3, 20, 20, dtype=torch.bool)
    brain[:, 8:12, 8:12] = True
    p2p[0] = p2p[1] = 0.1
    p2p[2] = 0.4
    p2p[:, :3] = 9
    error, _ = validation.measure(p2p, pet, brain, torch.tensor([0, 0, 1]), scale=50.0)
    assert error == pytest.approx(0.5 * (5 + 20))
