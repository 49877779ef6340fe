"""Readers on drawn inputs: every voxel stays at its place, and damage ends in a sentence."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine

import dicom_files
from broken_nifti import nifti_bytes
from spect2pet.core.errors import InputError
from spect2pet.prepare import preparation

SETTINGS = {"voxel_mm": [0.1, 20], "field_of_view_mm": [1, 5000], "negative_share": 0.05}
TYPES = ["<i2", ">i2", "<u2", ">i4", "<f4", ">f4", "<f8", "|u1"]


def drawn(examples):
    return settings(max_examples=examples, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drawn")


@st.composite
def affines(draw):
    """A right-angled grid: axes in any order and direction, any spacing and place, maybe turned."""
    axes = np.zeros((3, 3))
    for column, row in enumerate(draw(st.permutations(range(3)))):
        axes[row, column] = draw(st.sampled_from([-1.0, 1.0]))
    for first, second in ((0, 1), (1, 2)):
        angle = np.radians(draw(st.sampled_from([0, 0, -20, 7, 40])))
        turn = np.eye(3)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        axes = turn @ axes
    sizes = [draw(st.integers(8, 60)) / 10 for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = axes * sizes
    affine[:3, 3] = [draw(st.integers(-5000, 5000)) / 10 for _ in range(3)]
    return affine


shapes = st.tuples(*[st.integers(3, 6)] * 3)


def numbered(shape):
    """Voxels that all differ, from 1 upwards."""
    return np.arange(1, np.prod(shape) + 1, dtype=float).reshape(shape)


def check_places(scan, data, affine, tolerance):
    """Whether each voxel of `data` has its value where `affine` says, in what was read."""
    assert nib.aff2axcodes(scan.affine) == ("R", "A", "S")
    places = apply_affine(affine, np.indices(data.shape).reshape(3, -1).T)
    found = apply_affine(np.linalg.inv(scan.affine), places)
    np.testing.assert_allclose(found, np.rint(found), atol=0.01)
    values = scan.data[tuple(np.rint(found).astype(int).T)]
    np.testing.assert_allclose(values, data.ravel(), atol=tolerance, rtol=1e-5)
    assert scan.data.size == data.size


@drawn(200)
@given(
    shape=shapes,
    affine=affines(),
    kind=st.sampled_from(TYPES),
    slope=st.sampled_from([0, 1, 0.25, 30, 1e-4]),
    offset=st.sampled_from([0, 8, -5e-5]),
    forms=st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_nifti_keeps_every_voxel_at_its_place(folder, shape, affine, kind, slope, offset, forms):
    stored = numbered(shape)
    content = nifti_bytes(
        stored.astype(np.dtype(kind).newbyteorder("=")),
        affine,
        order=">" if kind.startswith(">") else "<",
        sform=forms[0],
        qform=forms[1],
        scl_slope=slope,
        scl_inter=offset,
    )
    path = folder / "drawn.nii"
    path.write_bytes(content)
    data = stored * slope + offset if slope else stored
    check_places(preparation.load_raw(path, "drawn:", SETTINGS), data, affine, 1e-6)


@drawn(80)
@given(
    shape=shapes,
    affine=affines(),
    slope=st.sampled_from([1, 0.25, 30]),
    place=st.sampled_from(["detector", "top", "both"]),
    signed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_nm_keeps_every_voxel_at_its_place(folder, shape, affine, slope, place, signed, seed):
    data = numbered(shape) * slope
    order = np.random.default_rng(seed).permutation(shape[2]).tolist()
    path = dicom_files.write_nm(
        folder / "drawn.dcm", data, affine, slope=slope, place=place, signed=signed, order=order
    )
    check_places(preparation.load_raw(path, "drawn:", SETTINGS, "spect"), data, affine, 1e-3)


@drawn(60)
@given(shape=shapes, affine=affines(), signed=st.booleans(), seed=st.integers(0, 99))
def test_pt_keeps_every_voxel_at_its_place(folder, shape, affine, signed, seed):
    data = numbered(shape)
    order = (1 + np.random.default_rng(seed).permutation(shape[2])).tolist()
    series = folder / "series"
    for old in series.glob("*"):
        old.unlink()
    dicom_files.write_pt(series, data, affine, signed=signed, order=order)
    scan = preparation.load_raw(series, "drawn:", SETTINGS, "pet")
    check_places(scan, data, affine, data.max() / dicom_files.LARGEST)


@st.composite
def damage(draw, length):
    """Changes to a file: bytes flipped in its first part, an end cut off, bytes added."""
    flips = draw(st.lists(st.tuples(st.integers(0, length - 1), st.integers(1, 255)), max_size=4))
    cut = draw(st.one_of(st.none(), st.integers(0, length)))
    added = draw(st.binary(max_size=8))
    return flips, cut, added


def damaged(content, change):
    flips, cut, added = change
    content = bytearray(content)
    for place, mask in flips:
        content[place] ^= mask
    return bytes(content[:cut]) + added


def reads_or_says_why(path: Path, modality: str):
    """A volume of finite voxels, or one sentence."""
    try:
        scan = preparation.load_raw(path, "drawn:", SETTINGS, modality)
    except InputError as error:
        assert str(error).startswith("drawn:")
        assert str(error).isprintable()
    else:
        assert scan.data.ndim == 3
        assert np.isfinite(scan.data).all()
        assert np.isfinite(scan.affine).all()


CUBE = (8, 8, 8)
NIFTI = nifti_bytes(numbered(CUBE).astype(np.float32), np.diag([4.0, 4, 4, 1]))


@drawn(600)
@given(damage(352))
def test_a_damaged_nifti_header_is_read_or_ends_in_a_sentence(folder, change):
    path = folder / "damaged.nii"
    path.write_bytes(damaged(NIFTI, change))
    reads_or_says_why(path, "spect")


@pytest.fixture(scope="module")
def nm(folder):
    return dicom_files.write_nm(folder / "nm.dcm", numbered(CUBE), np.diag([4.0, 4, 4, 1]))


@drawn(400)
@given(data=st.data())
def test_a_damaged_dicom_header_is_read_or_ends_in_a_sentence(folder, nm, data):
    content = nm.read_bytes()
    change = data.draw(damage(content.find(b"\xe0\x7f\x10\x00OW") + 12))
    path = folder / "damaged.dcm"
    path.write_bytes(damaged(content, change))
    reads_or_says_why(path, "spect")
