"""Anatomy: the template, and the transforms that make people differ."""

import numpy as np
import pytest
from scipy import ndimage

from cohort_settings import default_settings
from spect2pet.cohort import anatomy

SETTINGS = default_settings()


@pytest.fixture(scope="module")
def template():
    return anatomy.load_template()


def test_template_is_oriented_and_symmetric(template):
    x = template.affine[0, 3] + template.affine[0, 0] * np.arange(template.grey.shape[0])
    assert template.grey.shape == template.white.shape == template.regions.shape
    np.testing.assert_array_equal(x, -x[::-1])
    np.testing.assert_allclose(template.grey, template.grey[::-1], atol=0.05)
    # Centres of AAL regions in MNI space as commonly published, to the nearest millimetre.
    for name, centre in {
        "Precentral_L": (-39, -6, 51),
        "Precentral_R": (41, -8, 52),
        "Calcarine_L": (-7, -79, 6),
        "Calcarine_R": (16, -73, 9),
        "Caudate_L": (-11, 11, 9),
        "Caudate_R": (15, 12, 9),
    }.items():
        index = np.argwhere(template.labelled([name])).mean(axis=0)
        place = template.affine[:3, :3] @ index + template.affine[:3, 3]
        np.testing.assert_allclose(place, centre, atol=4)


def test_brain_has_a_human_volume(template):
    litres = (template.grey + template.white).sum() * anatomy.VOXEL_MM**3 / 1e6
    assert 1.4 < litres < 2.0


def test_every_anatomy_is_folded_nowhere(template):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        coordinates = anatomy.warp_coordinates(template, rng, SETTINGS["anatomy"])
        determinant = anatomy.jacobian(coordinates)
        assert determinant.min() > 0.1
        assert determinant.std() > 0.05


def test_exponential_follows_the_velocity_field():
    rng = np.random.default_rng(5)
    shape = (30, 32, 28)
    fields = [anatomy.smooth_field(rng, shape, 16.0, 4.0) for _ in range(3)]
    velocity = 5.0 * np.stack(fields, axis=-1)
    moved = anatomy.exponential(velocity, 4.0)
    start = rng.uniform(10, 18, size=(200, 3))
    place = start.copy()
    steps = 400
    for _ in range(steps):
        speed = [
            ndimage.map_coordinates(velocity[..., axis], place.T, order=1) for axis in range(3)
        ]
        place += np.stack(speed, axis=-1) / 4.0 / steps
    expected = (place - start) * 4.0
    found = np.stack(
        [ndimage.map_coordinates(moved[..., axis], start.T, order=1) for axis in range(3)], axis=-1
    )
    assert np.abs(expected).max() > 5
    assert np.abs(found - expected).max() < 0.35


def test_inverse_of_a_deformation_is_the_exponential_of_the_negative():
    rng = np.random.default_rng(6)
    velocity = 4.0 * np.stack(
        [anatomy.smooth_field(rng, (24, 24, 24), 20.0, 4.0) for _ in range(3)], axis=-1
    )
    there, back = anatomy.exponential(velocity, 4.0), anatomy.exponential(-velocity, 4.0)
    grid = np.stack(np.meshgrid(*[np.arange(24.0)] * 3, indexing="ij"))
    landed = grid + np.moveaxis(there, -1, 0) / 4.0
    returned = np.stack(
        [
            there[..., axis]
            + ndimage.map_coordinates(back[..., axis], landed, order=1, mode="nearest")
            for axis in range(3)
        ]
    )
    assert np.abs(returned[:, 6:-6, 6:-6, 6:-6]).max() < 0.4


def test_smooth_field_has_unit_variance_and_the_asked_smoothness():
    field = anatomy.smooth_field(np.random.default_rng(1), (100, 100, 100), 10.0)
    assert field.std() == pytest.approx(1, abs=0.15)
    lag = 10  # 20 mm: two sigma, where the correlation of smoothed noise is exp(-1)
    correlation = np.corrcoef(field[:-lag].ravel(), field[lag:].ravel())[0, 1]
    assert correlation == pytest.approx(np.exp(-1), abs=0.12)


def test_carried_map_lies_where_the_transform_says(template):
    values = np.zeros(template.grey.shape, np.float32)
    values[30, 70, 40] = 1
    shifted = (
        np.stack(np.meshgrid(*[np.arange(n) for n in values.shape], indexing="ij"), axis=-1)
        @ np.diag(np.diag(template.affine)[:3])
        + template.affine[:3, 3]
        + [6.0, -4.0, 2.0]
    )
    found = anatomy.carry(values, template.affine, shifted.astype(np.float32))
    assert np.unravel_index(found.argmax(), found.shape) == (27, 72, 39)


def test_distance_is_zero_in_the_brain_and_the_neck_goes_on(template):
    depth = anatomy.distance_from_brain(template)
    assert depth[(template.grey + template.white) > 0.6].max() < 1e-6
    brain = np.argwhere((template.grey + template.white) > 0.5)
    top = brain[:, 2].max()
    assert depth[brain[brain[:, 2] == top][0][0], brain[brain[:, 2] == top][0][1], top + 5] >= 8
    assert (depth[:, :, 0] == 0).sum() > 500
