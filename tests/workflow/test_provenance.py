"""The record of the finished small study: a crate that holds, names and runs what it should."""

import json
import shutil
import subprocess

import yaml

from conftest import Study
from crate_validation import issues, needs_validator

CRATE = ("results", "provenance")


def entities(study):
    graph = json.loads(study.file(*CRATE, "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


@needs_validator
def test_the_validator_takes_the_crate_of_a_study(small_study, monkeypatch):
    assert issues(small_study.file(*CRATE), monkeypatch) == set()


def test_every_table_figure_and_card_is_in_the_crate_and_no_image(small_study):
    results, crate = small_study.file("results"), small_study.file(*CRATE)
    expected = {results / "report.html"}
    for pattern in ("*.tsv", "*.svg", "training.json", "summary.json"):
        expected.update(results.rglob(pattern))
    # The simulated people, tables of single subjects, slices that taught, and the ceiling.
    outside = ("cohort", "slices", "provenance", "ceiling")
    expected = {
        path
        for path in expected
        if not any(part in outside or part.startswith("sub-") for part in path.parts)
    }
    assert len(expected) > 40
    for path in expected:
        copy = crate / path.relative_to(small_study.folder)
        assert copy.read_bytes() == path.read_bytes(), path
    assert not [path for path in crate.rglob("*") if path.suffix in (".gz", ".safetensors")]


def test_the_checksums_are_those_of_the_study_and_of_every_image(small_study):
    sums = small_study.file(*CRATE, "checksums.sha256")
    command = ["sha256sum", "--check", "--strict", "--quiet", str(sums)]
    subprocess.run(command, cwd=small_study.folder, check=True)
    listed = {line.split("  ")[1] for line in sums.read_text().splitlines()}
    for folder in ("registered", "synthetic/p2p", "prepared"):
        for path in small_study.file("results", folder).rglob("*_spect.nii.gz"):
            assert str(path.relative_to(small_study.folder)) in listed


def test_it_names_the_libraries_that_made_the_study(small_study):
    made_by = json.loads(
        small_study.file("results", "models", "p2p", "fold-0", "seed-2025", "training.json")
        .read_text()
    )["GeneratedBy"]  # fmt: skip
    listed = entities(small_study)["Snakefile"]["softwareRequirements"]
    assert f"pkg:pypi/torch@{made_by['Libraries']['torch']}" in {one["@id"] for one in listed}
    assert any(one["@id"].startswith("pkg:pypi/antspyx@") for one in listed)


def test_the_workflow_in_the_crate_plans_the_study_again(small_study, tmp_path):
    """The crate holds what it takes to run, and the configuration as it was."""
    shutil.copytree(small_study.file(*CRATE), tmp_path / "crate")
    again = Study.at(tmp_path / "crate")
    shutil.rmtree(again.file("results"))
    plan = again.plan()
    labels = list(small_study.file("results", "cohort").glob("sub-*"))
    assert plan["simulate_subject"] == plan["register_subject"] == len(labels)
    assert plan["train_gan"] == 3
    assert plan["describe_study"] == 1
    settings = yaml.safe_load(again.file("config", "config.yaml").read_text())
    assert settings["study_grid"]["matrix"] == [48, 56, 44]
