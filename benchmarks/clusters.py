"""What a cluster costs: processor time of starts beside that of the work, and time to plan groups.

starts: scans of some subjects, simulated before, are registered in one allocation (Snakemake on
this machine's cores); of two of them also in groups through profiles/slurm, and with a submission
for every job, on a Slurm of this machine.  Work is the processor time that jobs tell of themselves,
without their imports; starts is all other that was spent: Python, imports, Snakemake's planning and
what it does while jobs run.  Clinical size is that of config/paper.yaml.
study: the same of the whole study in one allocation, stage by stage, of scans of clinical size that
are there already, as a user's are, of 8 subjects and of 40 (or --subjects), and of the built-in
cohort.
same: the small study of the tests by each way that docs/clusters.md names, with the commands that
stand there, on a Slurm of this machine; every result is compared with that of a run without one.
plan: how long Snakemake plans a table of subjects in groups, and with how many submissions it
begins; sbatch is a stand-in that takes everything and runs nothing.

Run from the repository: python benchmarks/clusters.py starts|study|same|plan [--subjects 100 1000]
"""

import argparse
import contextlib
import ctypes
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from scale import ROOT, SCRIPTS, make_table

sys.path.insert(0, str(ROOT / "tests"))
from conftest import PLUGINS, SMALL, Study
from slurm import loopback

SUBJECTS, IN_SLURM, MANY = 8, 2, 40
COHORT = {"cohort": {"subjects": SUBJECTS}}
#: Linux: processes that lose their parent become this one's children (prctl(2)), so that it can
#: count their processor time.
PR_SET_CHILD_SUBREAPER = 36
SETTINGS = "some.yaml"
#: The last results of registration and of evaluation of a subject.
CHECKS = "results/registered/sub-{0}/sub-{0}_desc-check_registration.json"
MEASURES = "results/evaluation/p2p/sub-{0}/sub-{0}_similarity.tsv"
#: What stands in the log of a job that had nothing to import (spect2pet.core.runtime).
IS_WARM = "what an earlier job imported"
SNAKEMAKE = (sys.executable, "-m", "snakemake")
SBATCH = """#!/bin/sh
echo x >> "$SUBMITTED"
wc -l < "$SUBMITTED"
"""
SECONDS_TO_PLAN = 900
#: Sections of docs/clusters.md whose first commands run the whole study on Slurm.
WAYS = ("One allocation", "A job a rule", "A thousand subjects")


def environment() -> dict[str, str]:
    """Variables with which Snakemake finds its plugins and one thread is one thread."""
    return os.environ | {"PYTHONPATH": str(PLUGINS), "OMP_NUM_THREADS": "1"}


def spent() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def study_in(folder: Path, settings: Mapping[str, Any] = COHORT) -> None:
    """A copy of the workflow with settings of its own."""
    folder.mkdir()
    Study(folder)
    (folder / SETTINGS).write_text(yaml.safe_dump(dict(settings)))


def ungroup(folder: Path) -> None:
    """Let the profile of a copy put no jobs together."""
    profile = folder / "profiles" / "slurm" / "config.yaml"
    told = yaml.safe_load(profile.read_text())
    del told["groups"], told["group-components"]
    profile.write_text(yaml.safe_dump(told))


def clinical() -> dict[str, Any]:
    """Settings of scans and a study grid of clinical size."""
    told = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    return {"cohort": told["cohort"] | COHORT["cohort"], "study_grid": told["study_grid"]}


def of_each(pattern: str, count: int = SUBJECTS) -> list[str]:
    """The files that a pattern stands for, one for each of some subjects."""
    return [pattern.format(f"{number + 1:03d}") for number in range(count)]


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run Snakemake; return its seconds and the processor seconds of all that it started."""
    before, start = spent(), time.perf_counter()
    subprocess.run(
        [*SNAKEMAKE, *arguments, "--configfile", SETTINGS],
        cwd=folder, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    reap()
    return seconds, spent() - before


def adopt() -> None:
    """Let processes that lose their parent become this one's, so that their time is counted."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> None:
    """Wait for what others left to this process: daemons of Slurm, copies of jobs."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            break


def import_cost(rule: str) -> float:
    """Processor seconds of Python, and of all that a rule's script imports."""
    # What Snakemake puts before a script is imported too.
    imports = ["from snakemake.logging import logger"]
    imports += re.findall(r"^ +((?:from|import) .*)$", (SCRIPTS / f"{rule}.py").read_text(), re.M)
    before = spent()
    subprocess.run(
        [sys.executable, "-c", "\n".join(imports)], check=True,
        env=environment() | {"PYTHONPATH": str(SCRIPTS)},
    )  # fmt: skip
    return spent() - before


def work_of(folder: Path, since: float) -> tuple[int, float]:
    """Number of jobs that have ended since a date, and processor seconds of what they are for."""
    jobs, work, imports = 0, 0.0, dict[str, float]()
    for path in folder.glob("logs/*/*.benchmark.tsv"):
        if path.stat().st_mtime < since:
            continue
        jobs += 1
        header, row = (line.split("\t") for line in path.read_text().splitlines())
        work += float(row[header.index("cpu_time")])
        if IS_WARM not in path.with_name(path.name.replace("benchmark.tsv", "log")).read_text():
            rule = path.parent.name
            imports[rule] = imports.get(rule) or import_cost(rule)
            work -= imports[rule]
    return jobs, work


def here(folder: Path, *targets: str, way: str = "one allocation") -> tuple[int, float, float]:
    """Make results on this machine's cores; print what it took; return jobs, work and starts."""
    since = time.time()
    seconds, used = run(folder, *targets, "--cores", "2")
    jobs, work = work_of(folder, since)
    say(way, jobs, 1, seconds, used, work)
    return jobs, work, used - work


def say(
    way: str, jobs: int, submissions: int, seconds: float | None, used: float, work: float
) -> None:
    """Print one line."""
    told = "" if seconds is None else f"{seconds:.0f}"
    print(
        f"{way:22s} {jobs:6d} {submissions:13d} {told:>9s} {used:14.1f} {work:8.1f} "
        f"{100 * (used - work) / work:18.0f} %",
        flush=True,
    )


def head(title: str) -> None:
    """Print what the columns are."""
    print(f"\n{title}")
    print("way                      jobs   submissions   seconds   processor s     work   "
          "starts beside work", flush=True)  # fmt: skip


def through_slurm(folder: Path, place: Path) -> tuple[int, float, float]:
    """Registration through profiles/slurm: submissions, seconds and processor seconds."""
    before = spent()
    with loopback.Cluster(place) as cluster:
        seconds, _ = run(
            folder,
            *of_each(CHECKS, IN_SLURM),
            "--workflow-profile",
            "profiles/slurm",
            *loopback.OPTIONS,
        )
        submissions = len(cluster.jobs())
    reap()
    return submissions, seconds, spent() - before


@contextlib.contextmanager
def place_for_slurm() -> Iterator[Path]:
    """A folder that munge accepts; ends with the reason where no Slurm can run here."""
    problem = loopback.problem()
    if problem:
        raise SystemExit(f"no Slurm to measure: {problem}")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def starts() -> None:
    """Print what each way costs."""
    adopt()
    with place_for_slurm() as place:
        small, large = place / "built-in", place / "clinical"
        study_in(small)
        study_in(large, clinical())
        for folder in (small, large):
            run(folder, *of_each(CHECKS), "--cores", "2", "--until", "simulate_subject")
        ways = ("groups", "a job a submission")
        for way in ("two", *ways):
            shutil.copytree(small, place / way)
        ungroup(place / ways[1])
        head(f"registration of {SUBJECTS} subjects, scans of clinical size")
        here(large, *of_each(CHECKS))
        head(f"registration of {SUBJECTS} subjects, scans of built-in size")
        here(small, *of_each(CHECKS))
        head(f"registration of {IN_SLURM} subjects, scans of built-in size")
        jobs, work, _ = here(place / "two", *of_each(CHECKS, IN_SLURM))
        for number, way in enumerate(ways):
            told = through_slurm(place / way, place / f"slurm-{number}")
            say(way, jobs, *told, work)


def whole_study(counts: list[int], built_in_too: bool) -> None:
    """Print what the whole study costs, of a user's scans and of the built-in cohort."""
    adopt()
    with tempfile.TemporaryDirectory() as name:
        scans, built_in = Path(name, "scans"), Path(name, "built-in")
        study_in(scans, clinical())
        run(scans, "cohort", "--cores", "2")
        for count in counts:
            folder = Path(name, f"study-{count}")
            study_in(folder, repeated(scans, folder, count))
            head(f"whole study of {count} subjects, scans of clinical size made before")
            stages = [
                here(folder, *of_each(CHECKS, count), way="registration"),
                here(folder, "train", way="short training"),
                here(folder, *of_each(MEASURES, count), way="inference, evaluation"),
                here(folder, way="all that is left"),
            ]
            del stages[1]
            jobs, work, starts = map(sum, zip(*stages, strict=True))
            say("all but training", jobs, 1, None, starts + work, work)
        if not built_in_too:
            return
        study_in(built_in, {})
        head("whole study on the built-in cohort, its simulation too")
        here(built_in)


def repeated(scans: Path, folder: Path, count: int) -> dict[str, Any]:
    """Settings of a study whose table has simulated scans as often as it takes."""
    people = (scans / "results" / "cohort" / "participants.tsv").read_text().splitlines()
    header, *rows = [line.split("\t") for line in people]
    table = [["subject", "spect", "pet", "unit"]]
    for number in range(count):
        row = dict(zip(header, rows[number % len(rows)], strict=True))
        label, images = f"{number + 1:03d}", []
        for modality in ("spect", "pet"):
            # Copies: the workflow takes no file for two subjects.
            images.append(str(folder.parent / f"{folder.name}_{label}_{modality}.nii.gz"))
            shutil.copy(scans / row[modality], images[-1])
        table.append([label, *images, row["unit"]])
    path = folder.with_suffix(".tsv")
    path.write_text("".join("\t".join(row) + "\n" for row in table))
    short = {"epochs": 1, "decay_epochs": 1}
    return {
        "subjects": str(path), "study_grid": clinical()["study_grid"], "models": {"p2p": short},
    }  # fmt: skip


def commands_of(section: str) -> list[str]:
    """The commands that stand first in a section of docs/clusters.md."""
    text = (ROOT / "docs" / "clusters.md").read_text()
    found = re.search(rf"^## {section}$(?:(?!^## ).)*?^```\n(.*?)^```$", text, re.M | re.S)
    if found is None:
        raise SystemExit(f"docs/clusters.md: no commands in the section {section!r}")
    return found.group(1).splitlines()


def follow(commands: list[str], folder: Path, place: Path) -> int:
    """Give commands, each when what the one before submitted has ended; return the submissions."""
    script = (folder / "profiles" / "slurm-node" / "run.sbatch").read_text()
    cores = int(re.search(r"^#SBATCH --cpus-per-task=(\d+)$", script, re.M).group(1))
    with loopback.Cluster(place, cpus=cores) as cluster:
        for command in commands:
            options = f" --configfile {SMALL}"
            if command.startswith("snakemake"):
                options += " " + " ".join(loopback.OPTIONS)
            done = subprocess.run(
                command + options, shell=True, cwd=folder, env=Study.with_plugins(),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode != 0:
                raise SystemExit(f"{command}: {done.stderr[-4000:]}")
            while cluster.ask("squeue", "--noheader"):
                time.sleep(1)
        states = [about["JobState"] for about in cluster.jobs().values()]
    if set(states) != {"COMPLETED"}:
        logs = [path.read_text()[-4000:] for path in folder.glob("spect2pet-*.log")]
        raise SystemExit(f"{commands}: {states} {logs}")
    return len(states)


def same() -> None:
    """Print how many results of the small study differ between the ways and a run without Slurm."""
    with place_for_slurm() as place:
        folders = [place / f"study-{number}" for number in range(len(WAYS) + 1)]
        for folder in folders:
            folder.mkdir()
        alone, *others = [Study(folder, SMALL) for folder in folders]
        start = time.perf_counter()
        alone.run()
        print(f"snakemake --cores 2: {time.perf_counter() - start:.0f} s", flush=True)
        here = alone.digests()
        print("way                    submissions   seconds   results that differ", flush=True)
        for number, (way, study) in enumerate(zip(WAYS, others, strict=True)):
            start = time.perf_counter()
            submissions = follow(commands_of(way), study.folder, place / f"slurm-{number}")
            seconds, there = time.perf_counter() - start, study.digests()
            differ = sum(here.get(path) != there.get(path) for path in {*here, *there})
            print(f"{way:22s} {submissions:11d} {seconds:9.0f} {differ:11d} of {len(here)}",
                  flush=True)  # fmt: skip


def plan(counts: list[int], targets: list[str]) -> None:
    """Print how long Snakemake plans in groups before the first of them is submitted."""
    print("subjects   target         seconds to the first submission   submissions at once")
    for count in counts:
        for target in targets:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                make_table(folder, count)
                (folder / "profiles").symlink_to(ROOT / "profiles")
                (folder / "bin").mkdir()
                for name, text in {"sbatch": SBATCH, "squeue": "#!/bin/sh\n"}.items():
                    (folder / "bin" / name).write_text(text)
                    (folder / "bin" / name).chmod(0o755)
                submitted = folder / "submitted"
                process = subprocess.Popen(
                    [*SNAKEMAKE, target, "--workflow-profile", "profiles/slurm", *loopback.OPTIONS,
                     "--configfile", "study.yaml"],
                    cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=environment() | {"SUBMITTED": str(submitted),
                                         "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
                )  # fmt: skip
                start = time.perf_counter()
                while not submitted.exists() and time.perf_counter() - start < SECONDS_TO_PLAN:
                    time.sleep(0.2)
                seconds = time.perf_counter() - start
                number, before = -1, 0
                while number != before and submitted.exists():
                    before = number
                    time.sleep(5)
                    number = len(submitted.read_text().splitlines())
                process.kill()
                process.wait()
                told = f"{seconds:.0f}" if submitted.exists() else f"> {SECONDS_TO_PLAN}"
                print(f"{count:8d}   {target:12s} {told:>20s} {max(number, 0):30d}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["starts", "study", "same", "plan"])
    parser.add_argument("--subjects", type=int, nargs="+", help="for study and plan only")
    parser.add_argument("--targets", nargs="+", default=["registration", "all"])
    chosen = parser.parse_args()
    if chosen.what == "starts":
        starts()
    elif chosen.what == "study":
        whole_study(chosen.subjects or [SUBJECTS, MANY], built_in_too=chosen.subjects is None)
    elif chosen.what == "same":
        same()
    else:
        plan(sorted(chosen.subjects or [100, 1000]), chosen.targets)
