"""Scans of a head: geometry, calibration, noise and bias."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from cohort_settings import default_settings
from spect2pet.cohort import cohort, physics, scanner
from spect2pet.cohort.anatomy import BRAIN_CENTRE
from spect2pet.cohort.phantom import Head
from spect2pet.cohort.projector import SpectMatrix
from spect2pet.core.errors import InputError

SETTINGS = default_settings()
SPECT = {
    **SETTINGS["spect"],
    "matrix": 40,
    "slices": 24,
    "voxel_mm": 7.0,
    "views": 24,
    "iterations": 4,
    "subsets": 4,
}
PET = {
    **SETTINGS["pet"],
    "matrix": 48,
    "slices": 30,
    "voxel_mm": 5.0,
    "views": 24,
    "iterations": 3,
    "subsets": 4,
}
SCANS = {"spect": (scanner.scan_spect, SPECT), "pet": (scanner.scan_pet, PET)}
SPOT_MM = np.array([-32.0, 20.0, 28.0])


def person(camera="mCT", spect_scale=1.0, pet_scale=1.0):
    return cohort.Participant(
        "001", 5, "control", camera, 60, "M", 1.0, (), None, spect_scale, pet_scale
    )


def head_with(place):
    """A uniform head with one hot spot, left, front and up of the brain's middle."""
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -100, -130, -80
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in (51, 58, 46)], indexing="ij"), axis=-1)
    mm = grid @ affine[:3, :3].T + affine[:3, 3]
    radius = np.linalg.norm((mm - BRAIN_CENTRE) / [75, 90, 70], axis=-1)
    water = (radius < 1).astype(np.float32)
    spot = np.exp(-(np.linalg.norm(mm - place, axis=-1) ** 2) / (2 * 9.0**2))
    cbf = (15 * water + 60 * spot).astype(np.float32)
    return Head(cbf, np.zeros_like(cbf), water, water, affine, mm)


@pytest.fixture(scope="module")
def head():
    return head_with(SPOT_MM)


def centre_of_spot(image, affine):
    hot = np.clip(image - 0.6 * image.max(), 0, None)
    labelled, _ = ndimage.label(hot)
    own = labelled == labelled[np.unravel_index(hot.argmax(), hot.shape)]
    index = np.array(ndimage.center_of_mass(hot * own))
    return affine[:3, :3] @ index + affine[:3, 3]


@pytest.mark.parametrize("modality", ["spect", "pet"])
@pytest.mark.parametrize("camera", list(physics.PET_SCANNERS))
def test_spot_appears_where_pose_and_affine_say(head, modality, camera):
    scan_of, settings = SCANS[modality]
    quiet = {**settings, "counts": 1e9}
    scan = scan_of(head, person(camera), quiet)
    expected = scan.pose[:3, :3] @ SPOT_MM + scan.pose[:3, 3]
    found = centre_of_spot(scan.image, scan.affine)
    np.testing.assert_allclose(found, expected, atol=2.0)
    assert np.linalg.norm(expected - SPOT_MM) > 5


def test_scanners_store_their_images_in_different_orders(head):
    affines = {
        camera: scanner.scan_pet(head, person(camera), PET).affine for camera in ("mCT", "Vision")
    }
    assert np.linalg.det(affines["mCT"][:3, :3]) * np.linalg.det(affines["Vision"][:3, :3]) > 0
    np.testing.assert_array_equal(np.sign(np.diag(affines["mCT"])[:3]), [-1, -1, 1])
    np.testing.assert_array_equal(np.sign(np.diag(affines["Vision"])[:3]), [1, 1, 1])


def test_pose_is_rigid_and_keeps_the_head_in_view():
    for seed in range(50):
        pose = scanner.draw_pose(np.random.default_rng(seed), SPECT)
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
        centre = pose[:3, :3] @ BRAIN_CENTRE + pose[:3, 3]
        assert (np.abs(centre) < SPECT["shift_mm"] * np.array([2, 2, 1]) + 1e-9).all()


def test_sampling_keeps_the_total(head):
    grid = scanner.FieldOfView((60, 60, 48), 5.0)
    pose = scanner.draw_pose(np.random.default_rng(3), SPECT)
    sampled = scanner.sample(head.cbf, head, pose, grid)
    assert sampled.sum() * 5.0**3 == pytest.approx(head.cbf.sum() * 4.0**3, rel=0.01)


@pytest.mark.parametrize("modality", ["spect", "pet"])
def test_scan_repeats_byte_for_byte_and_differs_between_people(head, modality):
    scan_of, settings = SCANS[modality]
    first, again = (scan_of(head, person(), settings).image for _ in range(2))
    assert first.tobytes() == again.tobytes()
    other = scan_of(head, cohort.Participant(**{**vars(person()), "seed": 6}), settings).image
    assert not np.allclose(first, other)


def test_scale_error_scales_the_whole_image(head):
    for modality, (scan_of, settings) in SCANS.items():
        right = scan_of(head, person(), settings).image
        wrong = scan_of(head, person(**{f"{modality}_scale": 1.2}), settings).image
        np.testing.assert_allclose(wrong, 1.2 * right, rtol=1e-5)


def test_counts_are_those_of_the_settings(head):
    spect = scanner.scan_spect(head, person(), {**SPECT, "counts": 2e6})
    assert spect.counts == pytest.approx(2e6, rel=0.01)
    mct, vision = (scanner.scan_pet(head, person(name), PET).counts for name in ("mCT", "Vision"))
    assert mct == pytest.approx(PET["counts"], rel=0.001)
    assert vision / mct == pytest.approx(physics.PET_SCANNERS["Vision"].sensitivity, rel=0.001)


def test_pet_reads_the_true_flow_in_a_uniform_region(head):
    uniform = head_with(np.array([500.0, 0, 0]))
    scan = scanner.scan_pet(uniform, person(), {**PET, "counts": 1e9})
    middle = scan.image[21:27, 21:27, 12:18]
    assert middle.mean() == pytest.approx(15, rel=0.03)


def test_noise_free_image_is_what_ever_more_counts_lead_to(head):
    scan = scanner.scan_pet(head, person(pet_scale=1.2), PET)
    quiet = scanner.scan_pet(head, person(), {**PET, "counts": 1e10})
    assert scan.noise_free.dtype == np.float32
    np.testing.assert_allclose(scan.noise_free, quiet.image, atol=0.2)
    np.testing.assert_allclose(scan.noise_free, quiet.noise_free, atol=1e-3)
    assert np.abs(scan.image / 1.2 - scan.noise_free).max() > 0.5


@pytest.mark.parametrize("camera", list(physics.PET_SCANNERS))
def test_noise_free_reconstruction_changes_nothing_else(head, monkeypatch, camera):
    both = scanner.scan_pet(head, person(camera), PET)
    osem = scanner.osem
    noisy = []

    def noisy_alone(matrix, measured, additive, settings):
        if noisy:
            return np.zeros_like(noisy[0])
        noisy.append(osem(matrix, measured, additive, settings))
        return noisy[0]

    monkeypatch.setattr(scanner, "osem", noisy_alone)
    alone = scanner.scan_pet(head, person(camera), PET)
    assert not alone.noise_free.any()
    assert alone.image.tobytes() == both.image.tobytes()
    assert alone.counts == both.counts
    np.testing.assert_array_equal(alone.affine, both.affine)
    np.testing.assert_array_equal(alone.pose, both.pose)


@pytest.mark.parametrize("correction", [1.0, 0.7])
def test_calibration_cylinder_reads_its_concentration(monkeypatch, correction):
    """A uniform cylinder of 20 cm, which has scatter but no penetration from lungs."""
    settings = {**SPECT, "matrix": 48, "voxel_mm": 6.0, "scatter_correction": correction}
    x, z = ((np.arange(n) - (n - 1) / 2) * 6.0 for n in (48, 24))
    disc = x[:, None] ** 2 + x**2 < 100**2
    cylinder = (disc[:, :, None] * (np.abs(z) < 70)).astype(np.float32)
    matrix = SpectMatrix(
        cylinder * physics.MU_WATER_SPECT,
        0.6,
        settings["views"],
        settings["radius_mm"] / 10,
        scanner.collimator_response("LEHR"),
    )
    primary = matrix.forward(torch.from_numpy(cylinder)).numpy()
    share, flat = settings["scatter_fraction"], physics.PENETRATION_SHARE
    with monkeypatch.context() as patch:
        patch.setattr(physics, "PENETRATION_SHARE", 0.0)
        ratio = share * (1 - flat) / (1 - share)
        scatter = scanner.background(primary, 6.0) * primary.sum() * ratio
    image = scanner.osem(matrix, primary + scatter, correction * scatter, settings)
    middle = (x[:, None] ** 2 + x**2 < 60**2)[:, :, None] & (np.abs(z) < 40)
    reading = image[middle].mean() / scanner.cylinder_reading(settings)
    assert reading == pytest.approx(1, abs=0.025)


def test_more_subsets_than_views_is_the_users_mistake(head):
    with pytest.raises(InputError, match="25 OSEM subsets need at least as many views, not 24"):
        scanner.scan_pet(head, person(), {**PET, "subsets": 25})
