"""The small study through a real Slurm on this machine: what is asked for, lost and found again."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest

from conftest import PLUGINS, ROOT, SMALL, Study
from slurm import loopback

PROBLEM = loopback.problem()
if PROBLEM is None and not PLUGINS.is_dir():
    PROBLEM = (
        f"no plugins of Snakemake in {PLUGINS}; `make {PLUGINS.relative_to(ROOT)}` installs them"
    )
pytestmark = pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))

#: Nothing to wait for where nobody else waits.
HERE = (*loopback.OPTIONS, "--latency-wait", "10", "--seconds-between-status-checks", "2")
MINUTES = 8
MODELS, SEEDS = ("p2p", "richardson_lucy"), (2025, 2026)
GROUPS = {"registration", "evaluation", "study"}
#: Jobs that are made again within the groups: of the subject, of it by each model, a figure.
MEMBERS = (
    "simulate_subject", "prepare_subject", "register_subject", "check_registration",
    "infer_ensemble", "infer_subject", "evaluate_ensemble", "evaluate_subject", "plot_training",
)  # fmt: skip
#: Rules that only name what is wanted; they run nothing.
TARGETS = len(("registration", "train"))


def start(study, *arguments, log):
    """Snakemake in the background, with what it says in a file."""
    command = [
        sys.executable, "-m", "snakemake", *arguments, *HERE,
        "--workflow-profile", "profiles/slurm", "--configfile", SMALL,
    ]  # fmt: skip
    with log.open("w") as out:
        return subprocess.Popen(
            command, cwd=study.folder, env=Study.with_plugins(), stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip


def wait_for(what, ready, process=None):
    """Wait until something is so, as long as a process lives."""
    until = time.monotonic() + 60 * MINUTES
    while True:
        value = ready()
        if value:
            return value
        assert process is None or process.poll() is None, f"Snakemake ended before {what}"
        assert time.monotonic() < until, f"waited {MINUTES} minutes for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster():
    with tempfile.TemporaryDirectory(prefix="slurm-") as place:
        Path(place).chmod(0o755)
        with loopback.Cluster(Path(place) / "cluster") as cluster:
            yield cluster


class Run:
    """What a disturbed run through Slurm left."""


@pytest.fixture(scope="module")
def run(cluster, small_study, tmp_path_factory):
    """The small study, finished here, of which a test subject and what is made of it, the split,
    the slices, the networks of a model and a figure are made again through Slurm, while a training
    is cancelled and the node is lost."""
    found = Run()
    study = Study.at(tmp_path_factory.mktemp("slurm") / "study", SMALL)
    shutil.copytree(small_study.folder, study.folder)
    sets = pd.read_csv(study.file("results/split/split.tsv"), sep="\t", dtype=str)
    found.tested = sets.loc[sets["set"] == "test", "subject"].iloc[0]
    of_subject = [
        *(f"{stage}/sub-{found.tested}" for stage in ("cohort", "prepared", "registered")),
        *(
            f"{stage}/{m}/sub-{found.tested}"
            for stage in ("synthetic", "evaluation")
            for m in MODELS
        ),
    ]
    networks = [f"models/p2p/fold-0/seed-{seed}" for seed in SEEDS]
    for name in (*of_subject, *networks, "split", "slices"):
        shutil.rmtree(study.file("results", name))
    wanted = [
        "registration", "train", *(
            f"results/evaluation/{model}/sub-{found.tested}/sub-{found.tested}_similarity.tsv"
            for model in MODELS
        ),
        "results/split/split.tsv", "results/figures/p2p/training.png",
    ]  # fmt: skip
    study.file("results/figures/p2p/training.png").unlink()
    log = study.folder / "slurm.txt"
    process = start(study, *wanted, log=log)
    try:
        # Stopped while it learns, so that neither signal comes too late.
        training = wait_for("a training", lambda: learning(study), process)
        os.kill(training, signal.SIGSTOP)
        found.cancelled = wait_for("its number", lambda: number_of(cluster, training), process)
        found.asked = cluster.jobs()[found.cancelled]
        found.devices = variable_of(training, "CUDA_VISIBLE_DEVICES")
        found.log = log_of(training)
        subprocess.run(["scancel", found.cancelled], check=True)
        wait_for(
            "its end", lambda: cluster.jobs()[found.cancelled]["JobState"] == "CANCELLED", process
        )
        # The node is lost while the next one learns.
        other = wait_for("the next training", lambda: learning(study, training), process)
        os.kill(other, signal.SIGSTOP)
        found.lost = wait_for("its number", lambda: number_of(cluster, other), process)
        cluster.down()
        wait_for("its end", lambda: not Path(f"/proc/{other}").exists(), process)
        cluster.up()
        found.status = process.wait(60 * MINUTES)
    finally:
        loopback.end(process)
    found.study, found.told, found.jobs = study, log.read_text(), cluster.jobs()
    assert found.status == 0, found.told[-6000:]
    return found


def learning(study, *but):
    """A process that trains a network and has ended an epoch, else None."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode()
            if ".train_gan.py" not in command or str(study.folder) not in command:
                continue
            pid = int(process.name)
            if "p2p" not in log_of(pid):  # what the other model learns needs no GPU
                continue
            if pid not in but and re.search(r"epoch 1/\d+:", Path(log_of(pid)).read_text()):
                return pid
        except OSError:
            continue
    return None


def log_of(pid):
    """The log file of a job's process, which it writes its errors to."""
    return str(Path(f"/proc/{pid}/fd/2").readlink())


def variable_of(pid, name):
    """A variable of a process's environment, else None."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.partition("=")[::2] for entry in entries).get(name)


def number_of(cluster, pid):
    """The number of the submission that a process belongs to."""
    return variable_of(pid, "SLURM_JOB_ID")


# --- What Slurm was asked for ----------------------------------------------------


def test_every_job_went_through_sbatch_and_subjects_go_together(run):
    """What was made again is of these rules alone, and the log of Snakemake counts them all."""
    submitted = [about["Comment"].partition("_wildcards_")[0] for about in run.jobs.values()]
    groups = {name.split("_")[1] for name in submitted if name.split("_")[1] in GROUPS}
    assert groups == GROUPS
    alone = ["rule_pack_slices", "rule_split_subjects", *["rule_train_gan"] * 4]  # one of 3 twice
    assert sorted(name for name in submitted if name.split("_")[1] not in GROUPS) == alone
    assert len(submitted) == len(GROUPS) + len(alone)
    done = re.search(r"(\d+) of \1 steps \(100%\) done", run.told)
    assert int(done.group(1)) == len(MEMBERS) + len(set(alone)) + 2 + TARGETS


def test_training_asks_for_a_gpu_and_gets_it(run):
    assert run.asked["Partition"] == "gpu"
    assert run.asked["TresPerJob"] == "gres:gpu:1"
    assert run.devices in {"0", "1"}
    for about in run.jobs.values():
        if "train_gan" not in about["Comment"]:
            assert about["Partition"] == "cpu", about
            assert "TresPerJob" not in about


def test_memory_time_and_cores_are_those_of_the_rule(run):
    assert run.asked["MinMemoryNode"] == "4000M"
    assert run.asked["TimeLimit"] == "1-00:00:00"
    assert run.asked["NumCPUs"] == "1"
    assert run.asked["Requeue"] == "1"
    packing = next(job for job in run.jobs.values() if "pack_slices" in job["Comment"])
    assert packing["MinMemoryNode"] == "3000M"
    assert packing["TimeLimit"] == "00:30:00"


# --- What happened to it ------------------------------------------------------------


def test_a_cancelled_training_is_sent_again_with_more_and_goes_on(run):
    cancelled = run.jobs[run.cancelled]
    again = [
        about
        for about in run.jobs.values()
        if about["Comment"] == cancelled["Comment"] and about["JobId"] != run.cancelled
    ]
    assert [about["JobState"] for about in again] == ["COMPLETED"]
    assert again[0]["MinMemoryNode"] == "8000M"
    assert again[0]["TimeLimit"] == cancelled["TimeLimit"]
    assert "going on after epoch" in Path(run.study.folder, run.log).read_text()


def test_a_lost_node_loses_nothing(run):
    lost = run.jobs[run.lost]
    assert lost["Restarts"] == "1"
    assert lost["JobState"] == "COMPLETED"


def test_results_are_those_of_the_local_run_to_the_byte(run, small_study):
    here, there = small_study.digests(), run.study.digests()
    assert sorted(here) == sorted(there)
    assert [path for path in here if here[path] != there[path]] == []
    # Made there, not left from here.
    for path in (f"models/p2p/fold-0/seed-{seed}/generator.safetensors" for seed in SEEDS):
        first, second = (study.file("results", path) for study in (small_study, run.study))
        assert second.stat().st_mtime > first.stat().st_mtime


# --- One allocation -------------------------------------------------------------------


def test_one_allocation_runs_snakemake_inside(cluster, run, tmp_path):
    """Queued again in the middle, as where the node fails or the time is up: it goes on."""
    study = Study.at(tmp_path / "study", SMALL)
    shutil.copytree(run.study.folder, study.folder)
    shutil.rmtree(study.file("results", "prepared", f"sub-{run.tested}"))
    wanted = "results/prepared/sub-{0}/sub-{0}_{1}.nii.gz"
    done = subprocess.run(
        [
            "sbatch", "--parsable", "--cpus-per-task=2", "--mem=8G",
            "profiles/slurm-node/run.sbatch",
            *(wanted.format(run.tested, modality) for modality in ("spect", "pet")),
            "--configfile", SMALL,
        ],
        cwd=study.folder, env=Study.with_plugins(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    number = done.stdout.strip()
    said = study.folder / f"spect2pet-{number}.log"
    wait_for("its first jobs", lambda: said.exists() and "rule prepare_subject" in said.read_text())
    # What Slurm sends five minutes before the end.
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
    wait_for("its return", lambda: cluster.jobs()[number]["Restarts"] == "1")
    cluster.hurry()
    state = wait_for(
        "its end",
        lambda: (
            cluster.jobs()[number]["JobState"] in {"COMPLETED", "FAILED"}
            and cluster.jobs()[number]["JobState"]
        ),
    )
    assert state == "COMPLETED", said.read_text()[-6000:]
    assert "back into the queue" in said.read_text()
    assert cluster.jobs()[number]["NumCPUs"] == "2"
    assert study.digests() == run.study.digests()
