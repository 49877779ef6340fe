"""One simulated person, from label to files."""

import json

import nibabel as nib
import numpy as np
import pytest

from cohort_settings import default_settings
from spect2pet.cohort import cohort, simulation

IMAGES = ("spect", "pet", "cbf", "deficit", "ceiling")


def small_settings():
    """The defaults with coarse scanners."""
    settings = default_settings()
    coarse = {"views": 16, "iterations": 2, "subsets": 4}
    settings["spect"] |= {"matrix": 40, "slices": 26, "voxel_mm": 7.2, **coarse}
    settings["pet"] |= {"matrix": 50, "slices": 36, "voxel_mm": 5.0, **coarse}
    return settings


def someone(label):
    settings = small_settings()
    return cohort.draw_participant(settings["seed"], label, settings)


#: Someone with deficits on one side.
SUBJECT = next(
    label
    for label in cohort.labels(99)
    if len({deficit.side for deficit in someone(label).deficits}) == 1
)


def simulate(folder):
    folder.mkdir()
    files = {name: folder / f"{name}.nii.gz" for name in IMAGES}
    files["truth"] = folder / "truth.json"
    simulation.simulate_subject(
        SUBJECT, small_settings(), **files, made_by={"Name": "spect2pet", "Seed": 1}
    )
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("cohort") / "first")


def test_same_seed_writes_the_same_bytes(written, tmp_path):
    again = simulate(tmp_path / "again")
    files = sorted(path.name for path in written.iterdir())
    assert len(files) == 11
    for name in files:
        assert (written / name).read_bytes() == (again / name).read_bytes(), name


def test_images_are_float_volumes_on_grids_of_their_own(written):
    images = {name: nib.load(written / f"{name}.nii.gz") for name in ("spect", "pet", "cbf")}
    assert {name: image.shape for name, image in images.items()} == {
        "spect": (40, 40, 26),
        "pet": (50, 50, 36),
        "cbf": (99, 117, 95),
    }
    for image in images.values():
        assert image.get_data_dtype() == np.float32
        assert np.isfinite(image.get_fdata()).all()
    assert nib.aff2axcodes(images["spect"].affine) == ("L", "P", "S")


def test_sidecars_say_what_a_scanner_would(written):
    person = someone(SUBJECT)
    spect, pet = (json.loads((written / f"{name}.json").read_text()) for name in ("spect", "pet"))
    for sidecar in (spect, pet):
        assert sidecar["Units"] == "mL/100 g/min"
        assert sidecar["Relative"] is False
        assert sidecar["GeneratedBy"]["Name"] == "spect2pet"
        assert sidecar["TotalCounts"] > 1e6
    assert (spect["Modality"], spect["TracerRadionuclide"]) == ("NM", "I123")
    assert (pet["Modality"], pet["TracerRadionuclide"]) == ("PT", "O15")
    assert person.scanner in pet["ManufacturersModelName"]


def test_truth_holds_what_the_scanners_cannot_know(written):
    truth = json.loads((written / "truth.json").read_text())
    person = someone(SUBJECT)
    for pose in ("spect_pose", "pet_pose"):
        matrix = np.array(truth[pose])
        assert matrix.shape == (4, 4)
        assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    assert truth["spect_pose"] != truth["pet_pose"]
    assert truth["spect_scale"] == person.spect_scale
    assert truth["pet_scale"] == person.pet_scale
    assert (truth["scanner"], truth["group"]) == (person.scanner, person.group)
    assert len(truth["deficits"]) == len(person.deficits)
    for found, drawn in zip(truth["deficits"], person.deficits, strict=True):
        assert found["territory"] == drawn.territory
        assert found["side"] == drawn.side
    assert {"diaschisis", "seed", "subject"} <= set(truth)


def test_ceiling_is_pet_without_noise_but_with_the_scale_error_of_spect(written):
    person = someone(SUBJECT)
    pet, ceiling = (nib.load(written / f"{name}.nii.gz") for name in ("pet", "ceiling"))
    np.testing.assert_array_equal(pet.affine, ceiling.affine)
    inside = ceiling.get_fdata() > 20
    ratio = ceiling.get_fdata()[inside].sum() / pet.get_fdata()[inside].sum()
    expected = person.spect_scale / person.pet_scale
    assert abs(expected - 1) > 0.02
    assert ratio == pytest.approx(expected, rel=0.005)
    sidecar = json.loads((written / "ceiling.json").read_text())
    assert sidecar["Units"] == "mL/100 g/min"
    assert sidecar["Relative"] is False


def test_deficit_map_is_where_the_truth_says(written):
    truth = json.loads((written / "truth.json").read_text())
    image = nib.load(written / "deficit.nii.gz")
    lost = image.get_fdata()
    x = image.affine[0, 3] + image.affine[0, 0] * np.arange(lost.shape[0])
    profile = lost.sum(axis=(1, 2))
    sides = {deficit["side"] for deficit in truth["deficits"]}
    for side, half in (("L", x < -6), ("R", x > 6)):
        assert (profile[half].sum() > 0.1 * profile.sum()) == (side in sides)
