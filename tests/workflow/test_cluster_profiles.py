"""Profiles for clusters: no rule forgotten, known options, and what a queue is asked for."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_structure import RULES

from conftest import PLUGINS, ROOT

PROFILES = ROOT / "profiles"
#: Rules that are worth a submission of their own, and those that a study does not end with.
ALONE = {"write_participants", "split_subjects", "pack_slices", "train_gan"}
ON_REQUEST = {
    "propose_table", "export_dicom", "export_dicom_ensemble", "export_bids",
    "build_reading_session", "score_readings",
}  # fmt: skip
#: Stands in for a scheduler: runs what it is given at once, and says what it was asked for.
QSUB = """#!/bin/sh
for last in "$@"; do :; done
echo "$@" >> asked.txt
sh "$last" > qsub.out 2>&1 &
echo 4711
"""


def profile(name):
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text())


@pytest.fixture
def plugins():
    if not PLUGINS.is_dir():
        pytest.skip(f"no plugins of Snakemake in {PLUGINS}; `make .venv/plugins` installs them")
    return os.environ | {"PYTHONPATH": str(PLUGINS)}


def run(study, environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=study.folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_rule_has_its_group_or_its_reason():
    variants = {"prepare_spect", "infer_ensemble", "evaluate_ensemble", "export_dicom_ensemble"}
    groups = profile("slurm")["groups"]
    assert set(groups) | ALONE | ON_REQUEST == set(RULES) | variants
    assert not set(groups) & (ALONE | ON_REQUEST)
    for rule, group in profile("cluster-generic")["groups"].items():
        assert groups[rule] == group


def test_a_subjects_group_asks_for_less_than_a_night():
    """Minutes of a group are those of its members, one after another."""
    told = profile("slurm")
    for group in ("registration", "evaluation"):
        minutes = 0
        for rule in (rule for rule, name in told["groups"].items() if name == group):
            if not rule.endswith(("_ensemble", "_spect")):  # instead of another
                minutes += int(told["set-resources"][rule]["runtime"].split()[0])
        assert minutes * told["group-components"][group] < 12 * 60


def test_a_thousand_subjects_take_at_most_sixty_submissions_up_to_training():
    told = profile("slurm")
    of_subjects = -(-1000 // told["group-components"]["registration"])
    assert of_subjects + len(ALONE) + 2 <= 60


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_a_profile_plans_the_study(study, plugins, name):
    done = run(study, plugins, "--workflow-profile", f"profiles/{name}", "--dry-run", "--quiet")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    "name", ["default", "slurm", "slurm-node", "cluster-generic", "kubernetes"]
)
def test_options_of_a_profile_are_options_of_snakemake(name):
    known = subprocess.run(
        [sys.executable, "-m", "snakemake", "--help"],
        env=os.environ | ({"PYTHONPATH": str(PLUGINS)} if PLUGINS.is_dir() else {}),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for option in profile(name):
        # Of plugins that are not installed here, Snakemake tells nothing.
        missing = option.startswith(("kubernetes-", "slurm-", "cluster-generic-"))
        unknown = missing and f"--{option.partition('-')[0]}-" not in known
        assert f"--{option}" in known or unknown, option


def test_a_profile_names_what_is_to_edit():
    for name in ("slurm", "slurm-node", "cluster-generic", "kubernetes"):
        text = "".join(path.read_text() for path in sorted((PROFILES / name).iterdir()))
        assert "Three lines to edit" in text, name


def test_the_script_of_an_allocation_is_sound():
    script = PROFILES / "slurm-node" / "run.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    asked = re.findall(r"^#SBATCH (\S+)", script.read_text(), re.M)
    assert "--requeue" in asked
    assert any(option.startswith("--signal=B:USR1@") for option in asked)


def test_a_queue_with_commands_of_its_own_is_asked_for_what_the_rule_needs(study, plugins):
    programs = study.folder / "bin"
    programs.mkdir()
    for name in ("qsub", "qdel"):
        program = programs / name
        program.write_text(QSUB)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    wanted = "results/split/split.tsv"
    environment = plugins | {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = run(
        study, environment, "--workflow-profile", "profiles/cluster-generic", "--latency-wait", "5",
        wanted,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert Path(study.folder, wanted).exists()
    asked = [line for line in study.file("asked.txt").read_text().splitlines() if "split" in line]
    assert len(asked) == 1
    assert "-N split_subjects -pe smp 1 -l h_rt=300,h_vmem=500M" in asked[0]
