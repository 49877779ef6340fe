"""The workflow's own images: the same bytes each time, and the brain found in them."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from spect2pet.core import images

AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
AFFINE[:3, 3] = [-60, -70, -50]


def test_nibabel_is_imported_without_pydicom_which_others_get_afterwards():
    body = """
import sys
from spect2pet.core.light_nibabel import nib
assert nib.load and "pydicom" not in sys.modules
import pydicom
from spect2pet.core import light_nibabel
assert pydicom.dcmread and light_nibabel.nib is nib
"""
    scripts = Path(images.__file__).parents[2]
    subprocess.run([sys.executable, "-c", body], cwd=scripts, check=True)


def head():
    """A head-sized block of uniform flow with one bright corner, on no flow."""
    data = np.zeros((40, 48, 32), dtype=np.float32)
    data[8:30, 10:38, 6:26] = 50
    data[9:13, 11:15, 7:10] = 100
    return data


def test_written_images_repeat_to_the_byte(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        images.write_image(tmp_path / name, head(), AFFINE, {"Units": "x"})
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    data, affine = images.read_image(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(data, head())
    np.testing.assert_allclose(affine, AFFINE)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.json", "a.nii.gz", "b.json", "b.nii.gz",
    ]  # fmt: skip


def test_the_rough_brain_mask_is_the_largest_bright_piece_without_holes():
    data = head()
    data[18, 20, 15] = 0
    data[2:4, 2:4, 2:4] = 60
    np.testing.assert_array_equal(images.rough_brain_mask(data), head() > 0)
