"""Every branch of the configuration plans the jobs it should, or says what is wrong."""

import re

import nibabel as nib
import numpy as np
import pytest
import yaml

PER_SUBJECT = (
    "coregister_spect", "normalise_pet", "map_regions", "check_registration",
    "infer_subject", "measure_similarity", "measure_regions",
)  # fmt: skip


def give_table(study, subjects=5, columns="", cells=""):
    """Empty files for a table of subjects, and the config that names it."""
    (study.folder / "scans").mkdir()
    rows = [f"subject\tspect\tpet{columns}"]
    for i in range(1, subjects + 1):
        for modality in ("spect", "pet"):
            image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
            nib.save(image, study.folder / "scans" / f"{i}_{modality}.nii.gz")
        rows.append(f"{i:02d}\t{i}_spect.nii.gz\t{i}_pet.nii.gz{cells}")
    study.file("scans", "subjects.tsv").write_text("\n".join(rows) + "\n")
    configure(study, subjects="scans/subjects.tsv")


def configure(study, **changes):
    """Give the study a config file of its own on top of the default one."""
    study.file("mine.yaml").write_text(yaml.safe_dump(changes))
    study.configfiles = ["mine.yaml"]


def test_the_default_study_is_the_built_in_cohort(study):
    plan = study.plan()
    assert plan["simulate_subject"] == 24
    assert plan["prepare_image"] == 48
    assert {plan[name] for name in PER_SUBJECT} == {24}
    assert plan["split_subjects"] == plan["pack_slices"] == plan["train_gan"] == 1


def test_the_paper_is_73_subjects_split_43_15_15(study):
    study.configfiles = ["config/paper.yaml"]
    plan = study.plan()
    assert plan["simulate_subject"] == 73
    assert plan["train_gan"] == 1
    study.run("results/split/split.tsv", "--quiet")
    sets = study.file("results", "split", "split.tsv").read_text()
    assert [sets.count(f"\t{name}\t") for name in ("train", "validation", "test")] == [43, 15, 15]


def test_a_table_of_nifti_needs_no_simulation_and_no_truth(study):
    give_table(study)
    plan = study.plan()
    assert "simulate_subject" not in plan
    assert "write_participants" not in plan
    assert plan["prepare_image"] == 10
    assert {plan[name] for name in PER_SUBJECT} == {5}


def test_the_split_column_decides_who_trains(study):
    give_table(study, columns="\tsplit", cells="\ttrain")
    table = study.file("scans", "subjects.tsv")
    rows = table.read_text().splitlines()
    rows[4] = rows[4].replace("train", "validation")
    rows[5] = rows[5].replace("train", "test")
    table.write_text("\n".join(rows) + "\n")
    study.run("results/split/split.tsv")
    text = study.file("results", "split", "split.tsv").read_text()
    assert re.findall(r"^(\d+)\t(\w+)\t(\w+)", text, re.M) == [
        ("01", "train", "table"), ("02", "train", "table"), ("03", "train", "table"),
        ("04", "validation", "table"), ("05", "test", "table"),
    ]  # fmt: skip
    pack = study.run("--dry-run", "results/slices/fold-0/train.npy").stdout
    inputs = re.search(r"rule pack_slices:.*?input: (.*?)\n", pack, re.S).group(1)
    assert "sub-05" not in inputs
    assert "sub-04" in inputs


def test_excluded_subjects_are_not_planned(study):
    configure(study, exclude=["sub-002", "024"])
    assert study.plan()["simulate_subject"] == 22


def test_every_model_of_the_config_is_trained_and_evaluated(study):
    configure(study, models={"pix2pix": {"depth": 3}, "wide-net": {"depth": 2, "width": 16}})
    plan = study.plan()
    assert plan["train_gan"] == 3
    assert plan["infer_subject"] == 72
    assert plan["pack_slices"] == 1
    configure(study, models={"p2p": None, "pix2pix": {}})
    assert study.plan()["train_gan"] == 1


@pytest.mark.parametrize(
    ("target", "has", "lacks"),
    [
        ("cohort", "simulate_subject", "prepare_image"),
        ("registration", "check_registration", "train_gan"),
        ("train", "train_gan", "infer_subject"),
        ("infer", "infer_subject", "measure_similarity"),
        ("evaluate", "summarise_study", "plot_regression"),
        ("figures", "plot_regression", "check_registration"),
    ],
)
def test_targets_can_be_asked_for_by_name(study, target, has, lacks):
    plan = study.plan(target)
    assert has in plan
    assert lacks not in plan


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning": 1}, "'learning' was unexpected"),
        ({"split": {"training": 3}}, "'training' was unexpected"),
        ({"models": {"p2p": {"epoch": 3}}}, "'epoch' was unexpected"),
        ({"models": {"p2p": {"epochs": 0}}}, "0 is less than the minimum"),
        ({"models": {"P2P_x": {}}}, "P2P_x"),
        ({"cohort": {"subject": 3}}, "'subject' was unexpected"),
        ({"seed": "one"}, "'one' is not of type 'integer'"),
        ({"study_grid": {"matrix": [96, 112]}}, "[96, 112] is too short"),
        ({"subjects": "none.tsv"}, "none.tsv: no such subjects table"),
        ({"exclude": ["999"]}, "names subject 999"),
    ],
)
def test_a_wrong_config_is_refused_by_name(study, changes, named):
    configure(study, **changes)
    done = study.snakemake("--dry-run")
    assert done.returncode != 0
    assert named in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_gpu_job_at_a_time(study):
    output = study.run("--dry-run", "train").stdout
    assert re.search(r"rule train_gan:.*?resources: [^\n]*gpu=1", output, re.S)
