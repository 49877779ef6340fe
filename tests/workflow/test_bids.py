"""The finished small study as a BIDS dataset, by the command that users give."""

import csv
import json
import shutil

import pytest

from bids_validation import EXPECTED_WARNINGS, issues, needs_validator
from conftest import SMALL, Study

LABELS = [f"{number:03d}" for number in range(1, 9)]


@pytest.fixture(scope="module")
def exported_study(small_study, tmp_path_factory):
    """A copy of the finished small study with its BIDS dataset."""
    folder = tmp_path_factory.mktemp("bids") / "study"
    shutil.copytree(small_study.folder, folder)
    copy = Study.at(folder, SMALL)
    assert copy.plan("bids") == {"bids": 1, "export_bids": 1}
    copy.run("bids")
    return copy


@needs_validator
def test_the_official_validator_takes_the_dataset_of_a_study(exported_study):
    dataset = exported_study.file("export", "bids")
    assert issues(dataset, "error") == set()
    assert issues(dataset, "warning") <= EXPECTED_WARNINGS


def test_every_subject_has_every_image_of_the_study(exported_study):
    dataset, results = (exported_study.file(*name) for name in (("export", "bids"), ("results",)))
    for sub in (f"sub-{label}" for label in LABELS):
        start = f"{sub}_space-study"
        sources = {
            f"spect/{start}_spect": f"registered/{sub}/{start}_spect",
            f"pet/{start}_pet": f"registered/{sub}/{start}_pet",
            f"anat/{start}_desc-brain_mask": f"registered/{sub}/{start}_desc-brain_mask",
            f"anat/{start}_desc-aal_dseg": f"registered/{sub}/{start}_desc-aal_dseg",
        }
        for model, kind, label in (
            ("p2p", "p2p", "p2p"),
            ("p2p", "uncertainty", "p2pUncertainty"),
            ("richardson_lucy", "p2p", "richardsonlucy"),
        ):
            source = f"synthetic/{model}/{sub}/{start}_desc-{kind}_spect"
            sources[f"pet/{start}_desc-{label}_pet"] = source
        found = {str(path.relative_to(dataset / sub)) for path in (dataset / sub).rglob("*.nii.gz")}
        assert found == {f"{name}.nii.gz" for name in sources}
        for name, source in sources.items():
            copy = dataset / sub / f"{name}.nii.gz"
            assert copy.read_bytes() == (results / f"{source}.nii.gz").read_bytes()


def test_the_dataset_says_who_is_who_and_what_made_it(exported_study):
    dataset = exported_study.file("export", "bids")
    with (dataset / "participants.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    with exported_study.file("results", "split", "split.tsv").open(newline="") as stream:
        split = {row["subject"]: row["set"] for row in csv.DictReader(stream, delimiter="\t")}
    assert {row["participant_id"].removeprefix("sub-"): row["set"] for row in rows} == split
    assert {row["group"] for row in rows} <= {"patient", "control"}
    made_by = json.loads((dataset / "dataset_description.json").read_text())["GeneratedBy"][0]
    assert made_by["CodeFingerprint"]


def test_a_second_export_does_nothing(exported_study):
    assert exported_study.plan("bids") == {}
