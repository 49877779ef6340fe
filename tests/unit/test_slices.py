"""Packing: the right slices of the right subjects, scaled by training PET alone."""

import json

import numpy as np
import pytest

from spect2pet.core import provenance
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image, write_image
from spect2pet.train import slices

SHAPE = (12, 8, 6)
#: Slices of a volume, and where learning begins: slices 0 and 1 hold too little brain.
DEPTH = SHAPE[2]
SETTINGS = {"min_coverage": 0.5, "scale_percentile": 90, "dtype": "float32"}
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


def positions():
    return np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def test_rows_hold_the_slices_that_the_table_names(study):
    packed = pack(*study)
    assert packed.train.dtype == np.float32
    assert packed.train.shape == (2 * DEPTH, 2, 12, 8)
    assert packed.validation.shape == (DEPTH, 2, 12, 8)
    assert packed.shape == (12, 8)
    assert packed.depth == DEPTH
    learnt = packed.of_set("train")
    assert learnt["subject"].tolist() == ["01"] * 4 + ["03"] * 4
    assert learnt["row"].tolist() == [2, 3, 4, 5, 8, 9, 10, 11]
    for row in learnt.itertuples():
        expected = positions()[:, :, row.slice] + 1000 * int(row.subject)
        np.testing.assert_allclose(packed.train[row.row, 0] * packed.scale, expected, rtol=1e-6)
        np.testing.assert_allclose(
            packed.train[row.row, 1] * packed.scale, expected + 500, rtol=1e-6
        )
    assert packed.name(9) == "sub-03 slice 3"


def test_every_slice_of_a_subject_is_there_from_foot_to_head(study):
    packed = pack(*study)
    for number, subject in enumerate([1, 3]):
        volume = packed.train[number * DEPTH : (number + 1) * DEPTH, 0] * packed.scale
        expected = np.moveaxis(positions() + 1000 * subject, 2, 0)
        np.testing.assert_allclose(volume, expected, rtol=1e-6)


def test_arrays_are_not_read_before_they_are_asked_for(study):
    packed = pack(*study)
    for array in (packed.train, packed.validation, packed.brain):
        assert isinstance(array, np.memmap)


def test_slices_with_little_brain_are_left_out(study):
    assert pack(*study).of_set("train")["slice"].tolist() == [2, 3, 4, 5] * 2
    generous = pack(*study, settings={**SETTINGS, "min_coverage": 0})
    assert generous.of_set("validation")["slice"].tolist() == [1, 2, 3, 4, 5]


def test_brain_masks_belong_to_the_validation_slices(study):
    packed = pack(*study)
    assert packed.brain.dtype == bool
    np.testing.assert_array_equal(packed.brain, np.moveaxis(mask_of() > 0, 2, 0))


def test_validation_subjects_come_one_after_the_other_as_whole_volumes(study):
    packed = pack(*study, {"train": ["02"], "validation": ["03", "01"]})
    volumes = list(packed.volumes())
    assert [subject for subject, *_ in volumes] == ["03", "01"]
    for subject, heights, images, brain in volumes:
        assert heights.tolist() == [2, 3, 4, 5]
        assert images.dtype == np.float32
        expected = np.moveaxis(positions() + 1000 * int(subject), 2, 0)
        np.testing.assert_allclose(images[:, 0] * packed.scale, expected, rtol=1e-6)
        np.testing.assert_allclose(images[:, 1] * packed.scale, expected + 500, rtol=1e-6)
        np.testing.assert_array_equal(brain, np.moveaxis(mask_of() > 0, 2, 0))


def test_half_precision_halves_the_file_and_rounds_little(study):
    whole = pack(*study)
    expected, scale = np.array(whole.train), whole.scale
    size = paths(study[0])["train"].stat().st_size
    halved = pack(*study, settings={**SETTINGS, "dtype": "float16"})
    assert halved.train.dtype == np.float16
    assert halved.scale == scale
    assert paths(study[0])["train"].stat().st_size < 0.6 * size
    np.testing.assert_allclose(halved.train.astype(np.float32), expected, rtol=2**-11)
    (_, _, images, _) = next(halved.volumes())
    assert images.dtype == np.float32


# --- The intensity scale ----------------------------------------------------------


def test_scale_comes_from_training_pet_within_the_brain(study):
    folder, subjects = study
    packed = pack(folder, subjects)
    position = positions()[mask_of() > 0]
    values = np.concatenate([position + 1500, position + 3500])
    # Of few voxels one is the percentile, not a place between two.
    expected = np.percentile(values, 90, method="inverted_cdf")
    assert packed.scale == pytest.approx(expected, abs=0.0101)
    assert json.loads((folder / "scale.json").read_text())["Subjects"] == ["01", "03"]
    write_image(subjects["02"]["pet"], np.full(SHAPE, 1e6), np.eye(4))
    assert pack(folder, subjects).scale == packed.scale


@pytest.mark.parametrize("percentile", [50, 90, 99.5, 100])
def test_the_percentile_is_that_of_numpy_to_a_hundredth(tmp_path, percentile):
    rng = np.random.default_rng(4)
    shape = (48, 48, 24)
    mask = np.ones(shape, dtype=np.int16)
    mask[:, :, 0] = 0
    subjects, brain = {}, []
    for subject in ("01", "02", "03"):
        flow = rng.gamma(4, 10, shape).astype(np.float32)
        files = {k: tmp_path / f"sub-{subject}_{k}.nii.gz" for k in ("spect", "pet", "mask")}
        for name, content in (("spect", flow), ("pet", flow), ("mask", mask)):
            write_image(files[name], content, np.eye(4))
        subjects[subject] = files
        brain.append(flow[mask > 0])
    packed = pack(
        tmp_path,
        subjects,
        {"train": ["01", "02"], "validation": ["03"]},
        {**SETTINGS, "scale_percentile": percentile},
    )
    expected = np.percentile(np.concatenate(brain[:2]), percentile, method="inverted_cdf")
    assert packed.scale == pytest.approx(expected, abs=0.0101)


def test_levels_and_ratios_are_those_of_the_training_subjects_in_their_order(study):
    folder, subjects = study
    inside = mask_of() > 0
    for subject, spect, pet in (("01", 10, 30), ("03", 40, 20), ("02", 7, 70)):
        # Flow outside of the brain, too, which must not count in the ratio.
        write_image(subjects[subject]["spect"], np.where(inside, spect, 0), np.eye(4))
        write_image(subjects[subject]["pet"], np.where(inside, pet, 5), np.eye(4))
    packed = pack(folder, subjects, {"train": ["03", "01"], "validation": ["02"]})
    np.testing.assert_allclose(np.multiply(packed.levels, packed.scale), [40, 10], rtol=1e-5)
    assert packed.ratios == pytest.approx([0.5, 3])
    assert packed.frame.gain == pytest.approx(1.5**0.5)
    assert packed.frame.shape == (12, 8)


# --- What identifies a packing ------------------------------------------------------


def test_packing_again_gives_the_same_digest(study):
    assert pack(*study).digest == pack(*study).digest


@pytest.mark.parametrize("subject", ["01", "02"])
@pytest.mark.parametrize("image", ["spect", "pet", "mask"])
def test_the_digest_changes_with_one_voxel(study, subject, image):
    folder, subjects = study
    before = pack(folder, subjects).digest
    voxels = mask_of() if image == "mask" else np.array(read_image(subjects[subject][image])[0])
    # Within a slice that is learnt from anyway, and beside the brain, so that only this changes.
    voxels[1, 1, 4] += 1
    write_image(subjects[subject][image], voxels, np.eye(4))
    assert pack(folder, subjects).digest != before


def test_the_digest_changes_with_the_slices_that_are_learnt_from(study):
    few, many = pack(*study), pack(*study, settings={**SETTINGS, "min_coverage": 0})
    assert len(many.rows) > len(few.rows)
    assert many.digest != few.digest


def test_the_digest_changes_with_the_subjects_and_their_sets(study):
    digests = {
        pack(*study, sets).digest
        for sets in (
            SETS,
            {"train": ["03", "01"], "validation": ["02"]},
            {"train": ["01", "02"], "validation": ["03"]},
        )
    }
    assert len(digests) == 3


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


@pytest.mark.parametrize("image", ["spect", "pet"])
@pytest.mark.parametrize("flow", [0, -3])
def test_a_training_image_without_flow_in_the_brain_is_named(study, image, flow):
    folder, subjects = study
    write_image(subjects["03"][image], np.full(SHAPE, flow), np.eye(4))
    with pytest.raises(InputError, match=f"sub-03: {image.upper()} has a mean of {flow} mL"):
        pack(folder, subjects)


def test_pet_with_too_little_flow_gives_no_scale(study):
    folder, subjects = study
    for subject in ("01", "03"):
        write_image(subjects[subject]["pet"], np.full(SHAPE, 0.001), np.eye(4))
    with pytest.raises(InputError, match=r"\(01, 03\) has a 90th percentile of 0"):
        pack(folder, subjects)


def test_packing_that_does_not_fit_together_is_named(study):
    folder, _ = study
    pack(*study)
    for name in ("train", "validation", "brain"):
        whole = (folder / f"{name}.npy").read_bytes()
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:5])
        with pytest.raises(InputError, match="rows are not those of the arrays"):
            slices.read(**paths(folder))
        (folder / f"{name}.npy").write_bytes(whole)
    assert slices.read(**paths(folder)).depth == DEPTH


@pytest.mark.parametrize("name", ["train.npy", "validation.npy", "brain.npy", "scale.json"])
@pytest.mark.parametrize("content", [b"nonsense", b"", b"{}"])
def test_damaged_files_are_named(study, name, content):
    folder, _ = study
    pack(*study)
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=r"packed slices cannot be read .*delete the folder"):
        slices.read(**paths(folder))


def test_subjects_on_different_grids_are_named(study):
    folder, subjects = study
    for image in ("spect", "pet", "mask"):
        write_image(subjects["03"][image], np.ones((12, 8, 7)), np.eye(4))
    with pytest.raises(InputError, match=r"sub-03: the study grid has .*12, 8, 7.* sub-01"):
        pack(folder, subjects)


def test_the_size_of_a_voxel_is_written_down(study):
    folder, subjects = study
    for files in subjects.values():
        for path in files.values():
            write_image(path, read_image(path)[0], np.diag([2.5, 2.5, 2.5, 1]))
    assert pack(folder, subjects).voxel_mm == pytest.approx(2.5)
