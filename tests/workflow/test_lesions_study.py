"""Deficits in a study: planned where they are known, and measured where they were simulated."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import yaml

RULES = ("measure_lesions", "tabulate_lesions", "plot_lesions")


def configure(study, **changes):
    study.file("mine.yaml").write_text(yaml.safe_dump(changes))
    study.configfiles = ["mine.yaml"]


def give_table(study, truth):
    """A table of five subjects; those named have a truth, with a map of deficits beside it."""
    scans = study.folder / "scans"
    scans.mkdir()
    rows = ["subject\tspect\tpet\ttruth"]
    for i in range(1, 6):
        for name in ("spect", "pet"):
            image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
            nib.save(image, scans / f"{i}_{name}.nii.gz")
        told = f"sub-{i}_truth.json" if i in truth else ""
        if told:
            (scans / told).write_text("{}")
            for name in ("deficit", "cbf"):
                (scans / f"sub-{i}_desc-{name}_map.nii.gz").touch()
        rows.append(f"{i}\t{i}_spect.nii.gz\t{i}_pet.nii.gz\t{told}")
    (scans / "subjects.tsv").write_text("\n".join(rows) + "\n")
    configure(study, subjects="scans/subjects.tsv")


def test_the_built_in_cohort_has_three_jobs_a_model(study):
    plan = study.plan()
    assert {plan[name] for name in RULES} == {1}
    configure(study, models={"p2p": {}, "unet": {}})
    plan = study.plan()
    assert {plan[name] for name in RULES} == {2}


def test_real_subjects_have_no_known_deficits(study):
    give_table(study, truth=())
    assert not set(RULES) & set(study.plan())


def test_where_some_subjects_are_simulated_those_are_measured(study):
    give_table(study, truth=(2, 4))
    assert {study.plan()[name] for name in RULES} == {1}
    text = study.run("--dry-run", "results/evaluation/p2p/lesions.tsv").stdout
    job = text[text.index("rule measure_lesions") :]
    assert "sub-2_desc-deficit_map" in job
    assert "sub-1_space-study_spect" not in job[: job.index("output:")]


def test_true_deficits_of_the_tables_are_those_that_were_simulated(small_study):
    """Volumes in MNI space against those of the maps; scanners see most of a head."""
    table = pd.read_csv(
        small_study.file("results", "evaluation", "richardson_lucy", "lesions.tsv"),
        sep="\t", dtype={"subject": str}, na_values="n/a",
    )  # fmt: skip
    assert table.groupby("subject").size().eq(3).all()
    for label, rows in table.groupby("subject"):
        folder = small_study.file("results", "cohort", f"sub-{label}", "truth")
        facts = json.loads((folder / f"sub-{label}_truth.json").read_text())
        deficit = nib.load(folder / f"sub-{label}_desc-deficit_map.nii.gz")
        flow = nib.load(folder / f"sub-{label}_desc-cbf_map.nii.gz").get_fdata()
        lost = (deficit.get_fdata() >= 0.05) & (flow > 10)
        volume = lost.sum() * abs(np.linalg.det(deficit.affine[:3, :3])) / 1000
        (found,) = rows["deficit_ml"].unique()
        assert (found > 0) == bool(facts["deficits"])
        # Brains differ in size from the template by up to a fifth, and so do deficits.
        assert abs(found - volume) <= 0.35 * volume + 5, (label, found, volume)


def test_the_summary_is_a_sentence_about_test_subjects(small_study):
    folder = small_study.file("results", "evaluation", "richardson_lucy")
    summary = json.loads((folder / "lesion_summary.json").read_text())
    split = pd.read_csv(small_study.file("results", "split", "split.tsv"), sep="\t")
    assert summary["set"] == "test"
    assert summary["subjects"] == (split["set"] == "test").sum()
    assert summary["statement"].endswith(".")
    scores = pd.read_csv(folder / "lesion_scores.tsv", sep="\t")
    if (scores["observer"] == "regions").any():
        sides = scores[scores["positive"] & (scores["observer"] == "regions")]
        assert sides["place"].str.contains(r"_[LR]$|^Vermis").all()
