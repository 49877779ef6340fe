"""What a cluster costs: processor time of starts beside that of the work, and time to plan groups.

starts: two simulated subjects are registered in one allocation (Snakemake on this machine's cores),
in groups through profiles/slurm, and with a submission for every job, on a Slurm of this machine.
Work is what is left of the first when Python, imports and Snakemake itself are taken off.
plan: how long Snakemake plans a table of subjects in groups, and with how many submissions it
begins; sbatch is a stand-in that takes everything and runs nothing.

Run from the repository: python benchmarks/clusters.py starts|plan [--subjects 100 1000]
"""

import argparse
import ctypes
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from scale import ROOT, SCRIPTS, make_table

sys.path.insert(0, str(ROOT / "tests"))
from conftest import PLUGINS, Study
from slurm import loopback

#: Rules of a subject, and how often each.
JOBS = {
    "simulate_subject": 1, "prepare_image": 2, "coregister_spect": 1, "normalise_pet": 1,
    "map_regions": 1, "check_registration": 1,
}  # fmt: skip
SUBJECTS = 2
#: Linux: processes that lose their parent become this one's children (prctl(2)), so that it can
#: count their processor time.
PR_SET_CHILD_SUBREAPER = 36
SNAKEMAKE = (sys.executable, "-m", "snakemake")
SBATCH = """#!/bin/sh
echo x >> "$SUBMITTED"
wc -l < "$SUBMITTED"
"""
SECONDS_TO_PLAN = 900


def environment() -> dict[str, str]:
    """Variables with which Snakemake finds its plugins and one thread is one thread."""
    return os.environ | {"PYTHONPATH": str(PLUGINS), "OMP_NUM_THREADS": "1"}


def spent() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def study_in(folder: Path, *, grouped: bool = True) -> None:
    """A copy of the workflow with a profile that puts subjects together, or does not."""
    Study(folder)
    (folder / "some.yaml").write_text("cohort: {subjects: 8}\n")  # as few as make three sets
    if not grouped:
        profile = folder / "profiles" / "slurm" / "config.yaml"
        told = yaml.safe_load(profile.read_text())
        del told["groups"], told["group-components"]
        profile.write_text(yaml.safe_dump(told))


def wanted() -> list[str]:
    """The last result of each subject's registration."""
    name = "results/registered/sub-{0:03d}/sub-{0:03d}_desc-check_registration.json"
    return [name.format(number + 1) for number in range(SUBJECTS)]


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run Snakemake; return its seconds and the processor seconds of all that it started."""
    before, start = spent(), time.perf_counter()
    subprocess.run(
        [*SNAKEMAKE, *wanted(), *arguments, "--configfile", "some.yaml"],
        cwd=folder, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - start, spent() - before


def start_of_jobs() -> float:
    """Processor seconds in which the jobs of one subject start Python and import what they need."""
    total = 0.0
    for rule, times in JOBS.items():
        imports = re.findall(
            r"^ +((?:from|import) .*)$", (SCRIPTS / f"{rule}.py").read_text(), re.M
        )
        before = spent()
        subprocess.run(
            [sys.executable, "-c", "\n".join(imports)], check=True,
            env=environment() | {"PYTHONPATH": str(SCRIPTS)},
        )  # fmt: skip
        total += times * (spent() - before)
    return total


def starts() -> None:
    """Print what each way costs."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    problem = loopback.problem()
    if problem:
        raise SystemExit(f"no Slurm to measure: {problem}")
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folders = [Path(place, name) for name in ("here", "grouped", "apart")]
        for folder in folders:
            folder.mkdir()
            study_in(folder, grouped=folder.name != "apart")
        before = spent()
        subprocess.run(
            [*SNAKEMAKE, *wanted(), "--cores", "1", "--dry-run", "--configfile", "some.yaml"],
            cwd=folders[0], env=environment(), check=True, capture_output=True,
        )  # fmt: skip
        planning = spent() - before
        imports = SUBJECTS * start_of_jobs()
        seconds, used = run(folders[0], "--cores", "2")
        work = used - imports - planning
        jobs = SUBJECTS * sum(JOBS.values())
        print(f"{SUBJECTS} subjects, {jobs} jobs; processor seconds of the work: {work:.1f}")
        print("way                    submissions   seconds   processor s   starts beside work")
        row = "{:22s} {:11d} {:9.0f} {:13.1f} {:17.0f} %"
        print(
            row.format("one allocation", 1, seconds, used, 100 * (used - work) / work), flush=True
        )
        for folder, name in zip(folders[1:], ("groups", "a job a submission"), strict=True):
            before = spent()
            with loopback.Cluster(Path(place, f"slurm-{folder.name}")) as cluster:
                seconds, _ = run(folder, "--workflow-profile", "profiles/slurm", *loopback.OPTIONS)
                submissions = len(cluster.jobs())
            while True:  # what Slurm left to this process
                try:
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        break
                except ChildProcessError:
                    break
            used = spent() - before
            print(
                row.format(name, submissions, seconds, used, 100 * (used - work) / work), flush=True
            )


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
    parser.add_argument("what", choices=["starts", "plan"])
    parser.add_argument("--subjects", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--targets", nargs="+", default=["registration", "all"])
    chosen = parser.parse_args()
    if chosen.what == "starts":
        starts()
    else:
        plan(sorted(chosen.subjects), chosen.targets)
