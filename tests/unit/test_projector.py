"""System matrices against PyTomography's own and against geometry."""

import numpy as np
import pytest
import torch
from pytomography.metadata.SPECT import SPECTObjectMeta, SPECTProjMeta, SPECTPSFMeta
from pytomography.projectors.SPECT import SPECTSystemMatrix
from pytomography.transforms.SPECT import SPECTAttenuationTransform, SPECTPSFTransform

from spect2pet.cohort import physics
from spect2pet.cohort.projector import PetMatrix, SpectMatrix

WIDTH, HEIGHT, VIEWS, VOXEL_CM, RADIUS_CM = 40, 12, 8, 0.5, 13.5


def place(width=WIDTH, voxel=VOXEL_CM):
    return (np.arange(width) - (width - 1) / 2) * voxel


def disc(radius, height=HEIGHT, centre=(0.0, 0.0)):
    x = place()
    inside = (x[:, None] - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    return np.repeat(inside[:, :, None], height, axis=2).astype(np.float32)


def lopsided():
    """Smooth, and different in every direction."""
    x, z = place(), place(HEIGHT)
    blob = np.exp(-((x[:, None] - 3) ** 2) / 6 - ((x + 2) ** 2) / 12)
    other = np.exp(-((x[:, None] + 2) ** 2) / 4 - ((x - 4) ** 2) / 3)
    return (blob[:, :, None] + 0.7 * other[:, :, None] * np.exp(-((z - 1) ** 2) / 3)).astype("f4")


def linear(offset, slope):
    return lambda distance: offset + slope * distance


LEHR = linear(0.25, 0.044)


def spect(attenuation, fwhm=LEHR, views=VIEWS):
    return SpectMatrix(attenuation, VOXEL_CM, views, RADIUS_CM, fwhm)


def width_at_half(profile, voxel):
    """Full width at half maximum by linear interpolation."""
    half = profile.max() / 2
    above = np.flatnonzero(profile >= half)
    low, high = above[0], above[-1]
    left = low - (profile[low] - half) / (profile[low] - profile[low - 1])
    right = high + (profile[high] - half) / (profile[high] - profile[high + 1])
    return (right - left) * voxel


def test_spect_agrees_with_pytomography():
    image, water = lopsided(), disc(8.0) * physics.MU_WATER_SPECT
    ours = spect(water).forward(torch.from_numpy(image)).numpy()
    angles = 270 - np.arange(VIEWS) * 360 / VIEWS  # its angles start elsewhere and run back
    response = SPECTPSFMeta(
        (0.044 / physics.FWHM_PER_SIGMA, 0.25 / physics.FWHM_PER_SIGMA), kernel_dimensions="2D"
    )
    theirs = SPECTSystemMatrix(
        [SPECTAttenuationTransform(torch.from_numpy(water)), SPECTPSFTransform(response)],
        [],
        SPECTObjectMeta([VOXEL_CM] * 3, [WIDTH, WIDTH, HEIGHT]),
        SPECTProjMeta((WIDTH, HEIGHT), [VOXEL_CM] * 2, angles, np.full(VIEWS, RADIUS_CM)),
    ).forward(torch.from_numpy(image))
    theirs = theirs.numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 0.05 * theirs.max()
    np.testing.assert_allclose(ours.sum(axis=(1, 2)), theirs.sum(axis=(1, 2)), rtol=0.03)


@pytest.mark.parametrize("kind", ["spect", "pet"])
def test_back_projection_is_the_transpose(kind):
    water = disc(8.0) * 0.1
    matrix = spect(water) if kind == "spect" else PetMatrix(water, VOXEL_CM, VIEWS, 0.6)
    matrix.set_n_subsets(2)
    draw = torch.Generator().manual_seed(1)
    image = torch.rand((WIDTH, WIDTH, HEIGHT), generator=draw)
    for subset, views in ((None, VIEWS), (1, VIEWS // 2)):
        counts = torch.rand((views, WIDTH, HEIGHT), generator=draw)
        forth = (matrix.forward(image, subset) * counts).sum().item()
        back = (matrix.backward(counts, subset) * image).sum().item()
        assert forth == pytest.approx(back, rel=1e-4)


@pytest.mark.parametrize("kind", ["spect", "pet"])
def test_subset_holds_the_views_of_the_whole(kind):
    water, image = disc(8.0) * 0.1, torch.from_numpy(lopsided())
    matrix = spect(water) if kind == "spect" else PetMatrix(water, VOXEL_CM, VIEWS, 0.6)
    matrix.set_n_subsets(4)
    whole = matrix.forward(image)
    torch.testing.assert_close(matrix.forward(image, 1), whole[[1, 5]])


def test_spect_response_widens_with_distance():
    wide = spect(np.zeros((WIDTH, WIDTH, HEIGHT)), linear(0.5, 0.08), views=1)
    point = np.zeros((WIDTH, WIDTH, HEIGHT), np.float32)
    for x in (8, 20, 31):
        point[:] = 0
        point[x, 20, 6] = 1
        distance = RADIUS_CM - place()[x]
        profile = wide.forward(torch.from_numpy(point))[0].sum(dim=1).numpy()
        # The detector's bins, as wide as a voxel, widen it further.
        expected = np.hypot(0.5 + 0.08 * distance, physics.FWHM_PER_SIGMA * VOXEL_CM / np.sqrt(12))
        assert width_at_half(profile, VOXEL_CM) == pytest.approx(expected, rel=0.06)
        assert profile.sum() == pytest.approx(1, abs=0.01)


def test_spect_attenuation_is_that_of_the_path_to_the_detector():
    mu, radius = 0.15, 8.0
    matrix = spect(disc(radius) * mu, linear(0, 0), views=2)
    point = np.zeros((WIDTH, WIDTH, HEIGHT), np.float32)
    point[26, 20, 6] = 1
    near, far = matrix.forward(torch.from_numpy(point)).sum(dim=(1, 2)).numpy()
    depth = place()[26]
    assert near == pytest.approx(np.exp(-mu * (radius - depth)), rel=0.05)
    assert far == pytest.approx(np.exp(-mu * (radius + depth)), rel=0.05)


def test_pet_sees_chords_and_attenuates_the_whole_line():
    radius, mu = 7.0, 0.1
    line = PetMatrix(np.zeros((WIDTH, WIDTH, HEIGHT)), VOXEL_CM, VIEWS, 0.0)
    chords = line.forward(torch.from_numpy(disc(radius))).numpy()[:, :, 6] * VOXEL_CM
    offset = place()
    inside = np.abs(offset) < 5
    expected = 2 * np.sqrt(radius**2 - offset[inside] ** 2)
    np.testing.assert_allclose(
        chords[:, inside], np.broadcast_to(expected, (VIEWS, inside.sum())), rtol=0.08
    )
    water = PetMatrix(disc(radius) * mu, VOXEL_CM, VIEWS, 0.0)
    np.testing.assert_allclose(
        water.survival.numpy()[:, inside, 6], np.exp(-mu * chords[:, inside]), rtol=1e-4
    )
    point = np.zeros((WIDTH, WIDTH, HEIGHT), np.float32)
    point[28, 20, 6] = 1
    seen = water.forward(torch.from_numpy(point)).sum(dim=(1, 2)).numpy()
    assert seen[0] == pytest.approx(np.exp(-mu * 2 * radius), rel=0.06)


def test_pet_response_has_the_asked_width_in_both_directions():
    matrix = PetMatrix(np.zeros((WIDTH, WIDTH, HEIGHT)), VOXEL_CM, 2, 1.5)
    point = np.zeros((WIDTH, WIDTH, HEIGHT), np.float32)
    point[20, 20, 6] = 1
    seen = matrix.forward(torch.from_numpy(point))[0].numpy()
    for axis in (0, 1):
        assert width_at_half(seen.sum(axis=1 - axis), VOXEL_CM) == pytest.approx(1.5, rel=0.08)


def test_only_square_slices_turn():
    with pytest.raises(ValueError, match="square"):
        PetMatrix(np.zeros((8, 10, 4)), 0.5, 2, 0.0)
