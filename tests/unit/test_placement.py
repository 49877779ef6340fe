"""Placing a SPECT without PET: around its brain, as it lies, unless it lies wrongly."""

import nibabel as nib
import numpy as np
import pytest

from spect2pet.core import grids
from spect2pet.core.errors import InputError
from spect2pet.core.images import brain_level, read_image, write_image
from spect2pet.register import mni, placement

GRID = {"voxel_mm": 4.0, "matrix": [48, 56, 44]}


@pytest.fixture(scope="module")
def brain():
    """A brain on voxels of 4 mm, off the middle."""
    data, affine = mni.cbf_template()
    grid = grids.brain_box(data, affine, 4.0, 20.0)
    moved = grid.affine.copy()
    moved[:3, 3] += [11, -7, 30]
    return grids.resample(data, affine, grid, order=1), moved


def place(folder, data, affine):
    write_image(folder / "spect.nii.gz", data, affine, {"Units": "x", "Relative": False})
    placement.place_spect(
        spect=folder / "spect.nii.gz",
        study_spect=folder / "study.nii.gz",
        subject="01",
        study_grid=GRID,
        max_rotation_deg=45,
        made_by={},
    )
    return read_image(folder / "study.nii.gz")


def test_the_grid_lies_around_the_brain_and_nothing_moves(tmp_path, brain):
    data, affine = brain
    placed, study = place(tmp_path, data, affine)
    assert placed.shape == tuple(GRID["matrix"])
    np.testing.assert_allclose(study[:3, :3], np.eye(3) * 4)
    assert brain_level(placed) == pytest.approx(brain_level(data), rel=0.02)
    low, high = grids.brain_bounds(data, affine)
    middle = study[:3, :3] @ (np.array(placed.shape) - 1) / 2 + study[:3, 3]
    np.testing.assert_allclose(middle, (low + high) / 2, atol=0.1)
    before = grids.sample(data, affine, (low + high)[None] / 2 + np.eye(3) * 20, 1)
    after = grids.sample(placed, study, (low + high)[None] / 2 + np.eye(3) * 20, 1)
    np.testing.assert_allclose(after, before, rtol=0.15, atol=3)


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2)])
def test_a_head_that_lies_otherwise_than_its_header_says_is_refused(tmp_path, brain, axes):
    data, affine = brain
    with pytest.raises(InputError, match=r"subject 01: the brain in the SPECT fits a template"):
        place(tmp_path, np.flip(data, axes), affine)
    assert not (tmp_path / "study.nii.gz").exists()


def test_a_brain_too_large_for_the_grid_of_the_model_is_refused(tmp_path, brain):
    data, affine = brain
    with pytest.raises(InputError, match="the brain in the SPECT needs"):
        place(tmp_path, data, affine @ np.diag([1.6, 1.6, 1.6, 1]))


def test_voxels_in_any_order_are_placed_alike(tmp_path, brain):
    data, affine = brain
    placed, study = place(tmp_path, data, affine)
    turned = nib.as_closest_canonical(
        nib.Nifti1Image(data, affine).as_reoriented(np.array([[1, -1], [0, 1], [2, 1]]))
    )
    again, again_study = place(tmp_path, np.asarray(turned.dataobj), turned.affine)
    np.testing.assert_allclose(study, again_study)
    np.testing.assert_allclose(placed, again, atol=1e-3)
