"""BIDS: the official validator takes the dataset, images are the study's own, nobody is named."""

import csv
import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_validation import EXPECTED_WARNINGS, issues, needs_validator
from spect2pet.core.errors import InputError
from spect2pet.export import bids_export

ATLAS = Path(__file__).parents[2] / "workflow" / "resources" / "aal_groups.tsv"
SECRET = "Yamada Taro"
WITH_PET = ("001", "002", "B7")
ALONE = ("003",)
MODELS = ("p2p", "richardson_lucy")


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_volume(path, seed, labels=False, **about):
    """An image as results/README.md names it, with a sidecar that says too much."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).uniform(0, 80, (6, 7, 5)).astype(np.float32)
    image = nib.Nifti1Image(data.astype(np.int16) if labels else data, np.diag([2.0, 2, 2, 1]))
    image.header.set_xyzt_units("mm")
    image.to_filename(path)
    sidecar = {
        "Units": "mL/100 g/min",
        "Relative": False,
        "Description": SECRET,
        "SourceUnits": SECRET,
        "Warnings": [SECRET],
        "Header": {"PatientName": SECRET},
        "GeneratedBy": {"Settings": {"file": SECRET}},
        **about,
    }
    write_text(path.with_name(path.name[:-7] + ".json"), json.dumps(sidecar))
    return str(path)


def write_table(path):
    columns = {name: {"Description": f"What {name} is"} for name in ("subject", "set", "ssim")}
    sidecar = {**columns, "GeneratedBy": {"Settings": SECRET}}
    write_text(path.with_suffix(".json"), json.dumps(sidecar))
    return str(write_text(path, "subject\tset\tssim\n001\ttest\t0.8\n"))


def make_results(root, with_pet=WITH_PET, alone=ALONE, models=MODELS, ensembles=("p2p",)):
    """A results tree of the names that results/README.md documents."""
    seeds = iter(range(10_000))

    def volumes(pattern, subjects, **about):
        return [
            write_volume(root / pattern.format(s=f"sub-{label}"), next(seeds), **about)
            for label in subjects
        ]

    everyone = [*with_pet, *alone]
    rows = [f"{label}\ttest\t{i % 3}\tdrawn\t{SECRET}" for i, label in enumerate(with_pet)]
    header = "subject\tset\tfold\tsource\tstratum"
    made = {"ModelFingerprints": ["0123456789abcdef"]}
    synthetic = "synthetic/{m}/{{s}}/{{s}}_space-study_desc-{d}_spect.nii.gz"
    return bids_export.Study(
        spect=volumes("registered/{s}/{s}_space-study_spect.nii.gz", everyone),
        pet=volumes("registered/{s}/{s}_space-study_pet.nii.gz", with_pet, Relative=True),
        masks=volumes(
            "registered/{s}/{s}_space-study_desc-brain_mask.nii.gz", with_pet, labels=True
        ),
        regions=volumes(
            "registered/{s}/{s}_space-study_desc-aal_dseg.nii.gz", with_pet, labels=True
        ),
        p2p=[
            path
            for model in models
            for path in volumes(synthetic.format(m=model, d="p2p"), everyone, **made)
        ],
        uncertainty=[
            path
            for model in ensembles
            for path in volumes(synthetic.format(m=model, d="uncertainty"), everyone, **made)
        ],
        tables=[
            write_table(root / "evaluation" / model / f"{name}.tsv")
            for model in models
            for name in ("similarity", "regions")
            if with_pet
        ],
        split=str(write_text(root / "split" / "split.tsv", "\n".join([header, *rows]) + "\n"))
        if with_pet
        else None,
        atlas=str(ATLAS),
    )


def everything(folder):
    """SHA-256 of every file by path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture
def study(tmp_path):
    return make_results(tmp_path / "results")


@pytest.fixture
def dataset(study, tmp_path):
    bids_export.export_dataset(tmp_path / "export" / "bids", study, code="abc")
    return tmp_path / "export" / "bids"


@needs_validator
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"alone": (), "models": ("p2p",)},
        {"with_pet": (), "alone": ("x1", "x2"), "models": ("given-model",), "ensembles": ()},
    ],
    ids=["several models", "one model", "nobody has a PET"],
)
def test_the_official_validator_takes_the_dataset(tmp_path, changes):
    output = tmp_path / "bids"
    bids_export.export_dataset(output, make_results(tmp_path / "results", **changes))
    assert issues(output, "error") == set()
    assert issues(output, "warning") <= EXPECTED_WARNINGS


@needs_validator
def test_the_official_validator_takes_the_simulated_cohort(study, tmp_path):
    groups = dict.fromkeys((*WITH_PET, *ALONE), "patient")
    bids_export.export_dataset(tmp_path / "bids", study, groups=groups)
    assert issues(tmp_path / "bids", "error") == set()
    assert issues(tmp_path / "bids", "warning") <= EXPECTED_WARNINGS


@needs_validator
def test_the_validator_would_see_a_wrong_name_and_a_missing_reference(dataset):
    place = dataset / "sub-001" / "pet" / "sub-001_space-study_pet.nii.gz"
    place.rename(place.with_name("sub-001_space-study_ct.nii.gz"))
    sidecar = dataset / "sub-002" / "pet" / "sub-002_space-study_pet.json"
    about = json.loads(sidecar.read_text())
    del about["SpatialReference"]
    sidecar.write_text(json.dumps(about))
    assert {"NOT_INCLUDED", "SIDECAR_KEY_REQUIRED"} <= {c for c, _ in issues(dataset, "error")}


def test_every_image_has_its_place_and_is_a_copy_of_the_study_s(dataset, tmp_path):
    results = tmp_path / "results"
    expected = {}
    for label in (*WITH_PET, *ALONE):
        sub = f"sub-{label}"
        start, registered = f"{sub}_space-study", results / "registered" / sub
        made = [("p2p", "p2p", "p2p"), ("p2p", "uncertainty", "p2pUncertainty")]
        made.append(("richardson_lucy", "p2p", "richardsonlucy"))
        for model, kind, label_of_it in made:
            name = f"{start}_desc-{kind}_spect.nii.gz"
            source = results / "synthetic" / model / sub / name
            expected[f"{sub}/pet/{start}_desc-{label_of_it}_pet.nii.gz"] = source
        kinds = [("spect", "spect")]
        if label in WITH_PET:
            kinds += [("pet", "pet"), ("anat", "desc-brain_mask"), ("anat", "desc-aal_dseg")]
        for folder, name in kinds:
            place = f"{start}_{name}.nii.gz"
            expected[f"{sub}/{folder}/{place}"] = registered / place
    found = {str(path.relative_to(dataset)): path for path in dataset.rglob("*.nii.gz")}
    assert set(found) == set(expected)
    for place, path in found.items():
        assert not path.is_symlink()
        assert path.stat().st_ino != expected[place].stat().st_ino
        assert path.read_bytes() == expected[place].read_bytes()


def test_nothing_that_could_name_somebody_is_in_the_dataset(dataset):
    for path in dataset.rglob("*"):
        assert SECRET not in path.name
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_every_reference_and_source_is_a_file_of_the_same_subject(dataset):
    sidecars = list(dataset.glob("sub-*/*/*.json"))
    assert len(sidecars) == len(list(dataset.rglob("*.nii.gz")))
    for sidecar in sidecars:
        about = json.loads(sidecar.read_text())
        subject = sidecar.name.partition("_")[0]
        for uri in [about["SpatialReference"], *about.get("Sources", [])]:
            assert uri.startswith(f"bids::{subject}/")
            assert (dataset / uri.removeprefix("bids::")).is_file()
        reference = "pet" if subject.removeprefix("sub-") in WITH_PET else "spect"
        assert about["SpatialReference"].endswith(f"/{subject}_space-study_{reference}.nii.gz")


def test_sidecars_say_unit_and_whether_flow_is_relative_and_measured(dataset):
    folder = dataset / "sub-001" / "pet"
    pet = json.loads((folder / "sub-001_space-study_pet.json").read_text())
    p2p = json.loads((folder / "sub-001_space-study_desc-p2p_pet.json").read_text())
    assert pet["Units"] == p2p["Units"] == "mL/100 g/min"
    assert (pet["Relative"], p2p["Relative"]) == (True, False)
    assert "as it was scanned" in pet["Description"]
    assert "not a measurement" in p2p["Description"]
    assert p2p["Model"] == "p2p"
    assert p2p["Sources"] == ["bids::sub-001/spect/sub-001_space-study_spect.nii.gz"]


def test_participants_have_set_and_fold_and_nothing_else(dataset):
    assert rows_of(dataset / "participants.tsv") == [
        {"participant_id": "sub-001", "set": "test", "fold": "0"},
        {"participant_id": "sub-002", "set": "test", "fold": "1"},
        {"participant_id": "sub-B7", "set": "test", "fold": "2"},
        {"participant_id": "sub-003", "set": "n/a", "fold": "n/a"},
    ]


def test_only_the_groups_that_the_cohort_has_are_written(study, tmp_path):
    groups = {"001": "patient", "002": "control", "B7": SECRET, "003": "patient"}
    bids_export.export_dataset(tmp_path / "bids", study, groups=groups)
    rows = rows_of(tmp_path / "bids" / "participants.tsv")
    assert [row["group"] for row in rows] == ["patient", "control", "n/a", "patient"]
    assert "simulated" in (tmp_path / "bids" / "README.md").read_text()


def test_every_desc_and_every_column_is_described(dataset):
    described = {row["desc_id"] for row in rows_of(dataset / "descriptions.tsv")}
    used = {
        part
        for path in dataset.rglob("sub-*_*.nii.gz")
        for part in path.name.split("_")
        if part.startswith("desc-")
    }
    assert described == used
    for table in dataset.rglob("*.tsv"):
        if table.name != "descriptions.tsv":
            about = json.loads(table.with_suffix(".json").read_text())
            about.pop("Description", None)
            assert list(about) == table.read_text().splitlines()[0].split("\t")


def test_regions_have_the_names_of_the_atlas(dataset):
    rows = rows_of(dataset / "desc-aal_dseg.tsv")
    lines = [line.split("\t") for line in ATLAS.read_text().splitlines()[1:]]
    assert [list(row.values()) for row in rows] == lines
    assert {row["index"]: row["name"] for row in rows}["2001"] == "Precentral_L"


def test_tables_are_those_of_the_study(dataset, study):
    assert len(study.tables) == 4
    for table in map(Path, study.tables):
        copy = dataset / "evaluation" / table.parent.name / table.name
        assert copy.read_bytes() == table.read_bytes()


def test_the_same_study_gives_the_same_bytes(study, tmp_path):
    for name in ("a", "b"):
        bids_export.export_dataset(tmp_path / name, study, code="abc")
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_a_new_export_takes_the_place_of_the_old(study, dataset):
    (dataset / "sub-001" / "old.txt").write_text("old")
    bids_export.export_dataset(dataset, study, code="abc")
    assert not (dataset / "sub-001" / "old.txt").exists()
    assert [path.name for path in dataset.parent.iterdir()] == ["bids"]


def refused(output, study):
    """The one sentence of a refusal, which leaves the old dataset as it was."""
    before = everything(output)
    with pytest.raises(InputError) as refusal:
        bids_export.export_dataset(output, study)
    assert everything(output) == before
    assert [path.name for path in output.parent.iterdir()] == ["bids"]
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        '{"Units": "mL/100 g/min"}',
        '{"Units": "Bq/mL", "Relative": false}',
        "\xff",
    ],
)
def test_a_damaged_sidecar_is_named_and_the_old_dataset_stays(study, dataset, text):
    sidecar = Path(study.p2p[-1].replace(".nii.gz", ".json"))
    sidecar.write_bytes(text.encode("latin-1"))
    sentence = refused(dataset, study)
    assert str(sidecar) in sentence
    assert "delete it" in sentence


def test_a_missing_image_leaves_the_old_dataset(study, dataset):
    Path(study.masks[0]).unlink()
    assert "cannot be written" in refused(dataset, study)


def test_two_models_of_one_label_are_refused(tmp_path, dataset):
    study = make_results(tmp_path / "other", models=("deep-1", "deep_1"), ensembles=())
    sentence = refused(dataset, study)
    assert "deep-1" in sentence
    assert "deep_1" in sentence


@given(st.lists(st.from_regex(r"[a-z0-9]+([-_][a-z0-9]+)*", fullmatch=True), unique=True))
def test_labels_are_letters_and_digits_and_tell_models_apart(models):
    try:
        labels = bids_export.labels_of(models)
    except InputError:
        bare = [model.replace("-", "").replace("_", "") for model in models]
        assert len(set(bare)) < len(models)
    else:
        assert list(labels) == models
        assert len(set(labels.values())) == len(models)
        assert all(label.isascii() and label.isalnum() for label in labels.values())
