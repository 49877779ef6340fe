"""Packing: the right slices of the right subjects, scaled by training PET alone."""

import json

import numpy as np
import pytest

from spect2pet import provenance, slices
from spect2pet.errors import InputError
from spect2pet.images import write_image

SHAPE = (12, 8, 6)
SETTINGS = {"min_coverage": 0.5, "scale_percentile": 90}
SETS = {"train": ["01", "03"], "validation": ["02"]}


def mask_of(shape=SHAPE):
    """A brain that has no voxel in slice 0 and few in slice 1."""
    mask = np.zeros(shape, dtype=np.int16)
    mask[3:9, 2:6, 2:] = 1
    mask[5, 3, 1] = 1
    return mask


@pytest.fixture
def study(tmp_path):
    """Three subjects whose voxels tell who and where they are."""
    position = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    subjects = {}
    for number, subject in enumerate(["01", "02", "03"], start=1):
        files = {k: tmp_path / f"sub-{subject}_{k}.nii.gz" for k in ("spect", "pet", "mask")}
        write_image(files["spect"], position + 1000 * number, np.eye(4))
        write_image(files["pet"], position + 1000 * number + 500, np.eye(4))
        write_image(files["mask"], mask_of(), np.eye(4))
        subjects[subject] = files
    return tmp_path, subjects


def pack(folder, subjects, sets=None, settings=SETTINGS):
    slices.pack(
        subjects,
        sets or SETS,
        settings,
        **paths(folder),
        made_by=provenance.stamp(settings),
    )
    return slices.read(**paths(folder))


def paths(folder):
    return {
        "train": folder / "train.npy",
        "validation": folder / "validation.npy",
        "brain": folder / "brain.npy",
        "table": folder / "slices.tsv",
        "scale": folder / "scale.json",
    }


def test_rows_hold_the_slices_that_the_table_names(study):
    packed = pack(*study)
    assert packed.train.dtype == np.float32
    assert packed.train.shape == (8, 2, 12, 8)
    assert packed.validation.shape == (4, 2, 12, 8)
    assert packed.of_set("train")["subject"].tolist() == ["01"] * 4 + ["03"] * 4
    position = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    for row in packed.of_set("train").itertuples():
        expected = position[:, :, row.slice] + 1000 * int(row.subject)
        np.testing.assert_allclose(packed.train[row.row, 0] * packed.scale, expected, rtol=1e-6)
        np.testing.assert_allclose(
            packed.train[row.row, 1] * packed.scale, expected + 500, rtol=1e-6
        )
    assert packed.name(5) == "sub-03 slice 3"


def test_arrays_can_be_memory_mapped(study):
    pack(*study)
    mapped = np.load(study[0] / "train.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)


def test_slices_with_little_brain_are_left_out(study):
    assert pack(*study).of_set("train")["slice"].tolist() == [2, 3, 4, 5] * 2
    generous = pack(*study, settings={**SETTINGS, "min_coverage": 0})
    assert generous.of_set("validation")["slice"].tolist() == [1, 2, 3, 4, 5]


def test_brain_masks_belong_to_the_validation_slices(study):
    packed = pack(*study)
    assert packed.brain.dtype == bool
    np.testing.assert_array_equal(packed.brain[0], mask_of()[:, :, 2] > 0)


def test_scale_comes_from_training_pet_within_the_brain(study):
    folder, subjects = study
    packed = pack(folder, subjects)
    position = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)[mask_of() > 0]
    expected = np.percentile(np.concatenate([position + 1500, position + 3500]), 90)
    assert packed.scale == pytest.approx(expected)
    assert json.loads((folder / "scale.json").read_text())["Subjects"] == ["01", "03"]
    write_image(subjects["02"]["pet"], np.full(SHAPE, 1e6), np.eye(4))
    assert pack(folder, subjects).scale == packed.scale


def test_packing_twice_gives_the_same_bytes(study):
    pack(*study)
    before = {name: path.read_bytes() for name, path in paths(study[0]).items()}
    pack(*study)
    assert before == {name: path.read_bytes() for name, path in paths(study[0]).items()}


@pytest.mark.parametrize(
    "sets",
    [
        {"train": ["01", "03"], "validation": ["02", "03"]},
        {"train": ["01", "03", "03"], "validation": ["02"]},
    ],
)
def test_a_subject_in_two_sets_is_refused(study, sets):
    with pytest.raises(InputError, match=r"sub-03 is in the train set and again.*leak"):
        pack(*study, sets)


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_an_empty_set_is_refused(study, missing):
    sets = {"train": ["01", "02", "03"], "validation": ["01", "02", "03"], missing: []}
    with pytest.raises(InputError, match=f"the {missing} set has 0 subjects with 0 slices"):
        pack(*study, sets)


def test_a_training_set_of_one_slice_is_refused(study):
    folder, subjects = study
    mask = np.zeros(SHAPE, dtype=np.int16)
    mask[4:8, 3:5, 3] = 1
    write_image(subjects["01"]["mask"], mask, np.eye(4))
    with pytest.raises(InputError, match="1 subjects with 1 slices in all, fewer than 2"):
        pack(folder, subjects, {"train": ["01"], "validation": ["02", "03"]})


@pytest.mark.parametrize(
    ("image", "content", "message"),
    [
        ("mask", np.zeros(SHAPE, dtype=np.int16), "sub-03: the brain mask .* is empty"),
        ("spect", np.full(SHAPE, np.nan), "sub-03: .*spect.nii.gz holds NaN or infinity"),
        ("pet", np.ones((12, 8, 7)), "sub-03: SPECT, PET and brain mask differ in size"),
    ],
)
def test_wrong_images_are_named(study, image, content, message):
    folder, subjects = study
    write_image(subjects["03"][image], content, np.eye(4))
    with pytest.raises(InputError, match=message):
        pack(folder, subjects)


def test_pet_without_flow_gives_no_scale(study):
    folder, subjects = study
    for subject in ("01", "03"):
        write_image(subjects[subject]["pet"], np.zeros(SHAPE), np.eye(4))
    with pytest.raises(InputError, match="90th percentile of 0"):
        pack(folder, subjects)


def test_damaged_slices_are_named(study):
    folder, _ = study
    pack(*study)
    array = np.load(folder / "train.npy")
    array[6, 0, 2, 2] = np.inf
    np.save(folder / "train.npy", array)
    with pytest.raises(InputError, match="sub-03 slice 4 holds NaN or infinity"):
        slices.read(**paths(folder))
    np.save(folder / "train.npy", array[:5])
    with pytest.raises(InputError, match="rows are not those of the arrays"):
        slices.read(**paths(folder))
    (folder / "train.npy").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        slices.read(**paths(folder))
