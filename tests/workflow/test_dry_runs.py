"""Every branch of the configuration plans the jobs it should, or says what is wrong."""

import re

import nibabel as nib
import numpy as np
import pytest
import yaml

PER_SUBJECT = (
    "prepare_subject", "register_subject", "check_registration", "infer_ensemble",
    "evaluate_ensemble",
)  # fmt: skip
#: Networks of the default model.
MEMBERS = 2


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
    assert {plan[name] for name in PER_SUBJECT} == {24}
    # The default model in every subject, the ceiling in those that test.
    assert plan["place_ceiling"] == plan["evaluate_subject"] == 5
    assert plan["train_gan"] == MEMBERS
    assert "infer_subject" not in plan
    assert plan["split_subjects"] == plan["pack_slices"] == plan["compare_methods"] == 1


def test_registration_can_be_planned_in_parts(study):
    """As docs/clusters.md has it for ten thousand subjects."""
    plans = [study.plan("registration", "--batch", f"registration={part}/4") for part in (1, 2)]
    for plan in plans:
        assert plan["simulate_subject"] == plan["register_subject"] == 6


def test_the_paper_is_73_subjects_split_43_15_15(study):
    study.configfiles = ["config/paper.yaml"]
    plan = study.plan()
    assert plan["simulate_subject"] == 73
    assert plan["train_gan"] == MEMBERS + 1
    study.run("results/split/split.tsv", "--quiet")
    sets = study.file("results", "split", "split.tsv").read_text()
    assert [sets.count(f"\t{name}\t") for name in ("train", "validation", "test")] == [43, 15, 15]


def test_a_table_of_nifti_needs_no_simulation_and_no_truth(study):
    give_table(study)
    plan = study.plan()
    assert "simulate_subject" not in plan
    assert "write_participants" not in plan
    assert "place_ceiling" not in plan
    assert {plan[name] for name in PER_SUBJECT} == {5}
    assert "evaluate_subject" not in plan


def test_the_split_column_decides_who_trains(study):
    give_table(study, columns="\tsplit", cells="\ttrain")
    table = study.file("scans", "subjects.tsv")
    rows = table.read_text().splitlines()
    rows[4] = rows[4].replace("train", "validation")
    rows[5] = rows[5].replace("train", "test")
    table.write_text("\n".join(rows) + "\n")
    study.run("results/split/split.tsv")
    text = study.file("results", "split", "split.tsv").read_text()
    assert re.findall(r"^(\d+)\t(\w+)\t0\t(\w+)", text, re.M) == [
        ("01", "train", "table"), ("02", "train", "table"), ("03", "train", "table"),
        ("04", "validation", "table"), ("05", "test", "table"),
    ]  # fmt: skip
    pack = study.run("--dry-run", "results/slices/fold-0/train.npy").stdout
    inputs = re.search(r"rule pack_slices:.*?input: (.*?)\n", pack, re.S).group(1)
    assert "sub-05" not in inputs
    assert "sub-04" in inputs


@pytest.mark.parametrize("target", ["results/report.html", "results/provenance"])
@pytest.mark.parametrize("cohort", ["built-in", "table"])
def test_what_report_and_record_do_not_name_is_made_before_them_all_the_same(study, target, cohort):
    """Where jobs share no disk they name each file that they read."""
    if cohort == "table":
        give_table(study)
    apart = ("--shared-fs-usage", "persistence", "sources", "source-cache")
    assert study.plan(target) == study.plan(target, *apart)


def test_excluded_subjects_are_not_planned(study):
    configure(study, exclude=["sub-002", "024"])
    assert study.plan()["simulate_subject"] == 22


def test_every_model_of_the_config_is_trained_and_evaluated(study):
    models = {"pix2pix": {"depth": 3}, "wide-net": {"depth": 2, "width": 16, "members": 3}}
    configure(study, models=models)
    plan = study.plan()
    assert plan["train_gan"] == MEMBERS + 1 + 3
    assert plan["infer_subject"] == 24
    assert plan["infer_ensemble"] == 48
    assert plan["pack_slices"] == 1
    configure(study, models={"p2p": None, "pix2pix": {}})
    assert study.plan()["train_gan"] == 1


def test_figures_are_one_a_model_and_one_of_who_took_part(study):
    configure(study, exclude=["024"], models={"p2p": {}, "pix2pix": {}})
    plan = study.plan("figures")
    assert plan["plot_cohort_flow"] == plan["plot_methods"] == 1
    assert plan["plot_resolution"] == plan["plot_error_maps"] == plan["plot_similarity"] == 2


def test_all_methods_are_compared_by_the_config_for_it(study):
    study.configfiles = ["config/methods.yaml"]
    plan = study.plan("results/evaluation/methods.tsv")
    assert plan["train_gan"] == MEMBERS + 4
    assert plan["compare_methods"] == 1


def test_cross_validation_trains_every_fold_and_tests_every_subject_once(study):
    configure(study, split={"folds": 4})
    plan = study.plan()
    assert plan["pack_slices"] == 4
    assert plan["train_gan"] == 4 * MEMBERS
    assert plan["infer_ensemble"] == 24
    output = study.run("--dry-run", "infer").stdout
    jobs = re.findall(r"rule infer_ensemble:.*?input: (.*?)\n.*?subject=(\w+)", output, re.S)
    study.run("results/split/split.tsv", "--quiet")
    rows = study.file("results", "split", "split.tsv").read_text().splitlines()[1:]
    folds = {row.split("\t")[0]: row.split("\t")[2] for row in rows}
    assert len(jobs) == len(folds) == 24
    for inputs, subject in jobs:
        assert set(re.findall(r"fold-(\d)", inputs)) == {folds[subject]}


@pytest.mark.parametrize(
    ("target", "has", "lacks"),
    [
        ("cohort", "simulate_subject", "prepare_subject"),
        ("registration", "check_registration", "train_gan"),
        ("train", "train_gan", "infer_subject"),
        ("infer", "infer_ensemble", "evaluate_ensemble"),
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
        ({"models": {"ceiling": {}}}, "ceiling"),
        ({"models": {"p2p": {"method": "gan"}}}, "'gan' is not one of"),
        ({"split": {"folds": 2}}, "needs at least 3 folds"),
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


@pytest.mark.parametrize(
    ("device", "processes", "gpus"), [("cuda", 1, 1), ("cuda", 2, 2), ("cpu", 1, 0)]
)
def test_a_training_holds_the_gpus_that_it_can_use(study, device, processes, gpus):
    p2p = {"device": device, "processes": processes, "batch_size": 8, "members": 1}
    configure(study, models={"p2p": p2p, "richardson_lucy": {}})
    output = study.run("--dry-run", "train", "--resources", "gpu=2").stdout
    held = re.findall(r"rule train_gan:.*?wildcards: model=(\w+).*?gpu=(\d)", output, re.S)
    assert sorted(held) == [("p2p", str(gpus)), ("richardson_lucy", "0")]
