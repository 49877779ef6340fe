"""Cost of evaluation and figures: minutes on two cores, seconds a subject, memory.

Runs the workflow itself, with reading, writing and the start of every job, on studies of several
sizes.  Their subjects are those of a finished default study under new names, each in the set it
was in.  Run from the repository, after `make demo`:
python benchmarks/evaluation.py [folder of the finished study] [--subjects 24 73]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import cycle, islice
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from spect2pet.core import tables  # noqa: E402
from spect2pet.subjects import splitting  # noqa: E402

MODEL = "p2p"
CORES = 2
#: Training, validation and test subjects of the published study.
PROPORTIONS = (43, 15, 15)
#: What there is of a subject before evaluation, and of the model.
OF_SUBJECT = (
    "cohort/sub-{}", "prepared/sub-{}", "registered/sub-{}", f"synthetic/{MODEL}/sub-{{}}",
    "synthetic/ceiling/sub-{}",
)  # fmt: skip
OF_MODEL = (f"models/{MODEL}", "slices")
TARGETS = ("evaluate", "figures")
USED = ("subject", "spect", "pet", "unit", "truth", "ceiling", "group", "scanner", "severity")


def make_study(folder: Path, study: Path, count: int) -> None:
    """Make a study up to its P2P images, of as many subjects as wanted.

    Args:
        folder: where; files are links to those of the study where the disk allows it.
        study: folder of the finished study.
        count: number of subjects.
    """
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    results = study / "results"
    split = tables.read_table(results / "split" / "split.tsv")
    people = tables.read_table(results / "cohort" / "participants.tsv").set_index("subject")
    sizes = dict(zip(splitting.SETS, splitting.set_sizes(count, PROPORTIONS), strict=True))
    rows = []
    for name, size in sizes.items():
        members = split.loc[split["set"] == name, "subject"]
        for source in islice(cycle(members), size):
            label = f"{len(rows) + 1:03d}"
            for pattern in OF_SUBJECT:
                link(results / pattern.format(source), folder / "results" / pattern.format(label),
                     f"sub-{source}", f"sub-{label}")  # fmt: skip
            row = people.loc[source].replace(f"sub-{source}", f"sub-{label}", regex=True)
            rows.append({"subject": label, **row, "split": name})
    table = pd.DataFrame(rows)[[*USED, "split"]]
    table.to_csv(folder / "subjects.tsv", sep="\t", index=False)
    for name in OF_MODEL:
        link(results / name, folder / "results" / name)
    write_split(folder / "results" / "split", results / "split", table)
    config = {"subjects": "subjects.tsv", "models": {MODEL: {}}}
    (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def link(source: Path, target_folder: Path, old: str = "", new: str = "") -> None:
    """Give the files of a folder, with their time stamps, another place and name."""
    for path in source.rglob("*"):
        if path.is_file():
            target = target_folder / str(path.relative_to(source)).replace(old, new)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except OSError:
                shutil.copy2(path, target)


def write_split(folder: Path, source: Path, table: pd.DataFrame) -> None:
    """Write split.tsv as old as the study's, so that nothing is trained again."""
    rows = table[["subject"]].assign(
        set=table["split"], fold=0, source="table", stratum=table["group"]
    )
    folder.mkdir(parents=True)
    tables.write_table(folder / "split.tsv", rows, splitting.COLUMNS, {})
    for path in folder.iterdir():
        shutil.copystat(source / path.name, path)


def run(folder: Path) -> tuple[float, float, float]:
    """Run evaluation and figures; return seconds, processor seconds and MiB of the largest job."""
    command = [
        sys.executable, "-m", "snakemake", *TARGETS, "--cores", str(CORES), "--quiet", "all",
        "--configfile", "study.yaml", "--rerun-triggers", "mtime",
    ]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent, after.ru_maxrss / 1024


def seconds_by_rule(folder: Path) -> dict[str, list[float]]:
    """Seconds of every job by rule, from what Snakemake keeps of its output files."""
    jobs = {}
    for path in (folder / ".snakemake" / "metadata").iterdir():
        told = json.loads(path.read_text(encoding="utf-8"))
        # One file an output; those of a job have one log.
        jobs[told["rule"], *told["log"]] = told["endtime"] - told["starttime"]
    by_rule = defaultdict(list)
    for (rule, _), seconds in jobs.items():
        by_rule[rule].append(seconds)
    return by_rule


def main() -> None:
    """Measure studies of several sizes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--subjects", nargs="+", type=int, default=[24, 73])
    wanted = parser.parse_args()
    totals, rules = [], {}
    for count in wanted.subjects:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory(dir=wanted.study) as place:
            folder = Path(place)
            make_study(folder, wanted.study.resolve(), count)
            totals.append((count, load, *run(folder)))
            rules[count] = seconds_by_rule(folder)
    print(f"`{' '.join(TARGETS)}` of one model on {CORES} cores, from P2P images to the end")
    print("subjects  load before  seconds  of processor  a subject  largest job, MiB")
    for count, load, seconds, spent, peak in totals:
        print(f"{count:8d} {load:12.1f} {seconds:8.0f} {spent:13.0f} {spent / count:10.2f} "
              f"{peak:17.0f}")  # fmt: skip
    print("\nMean seconds of a job (jobs), its start-up included")
    print(f"{'rule':24}" + "".join(f"{f'{count} subjects':>20}" for count in wanted.subjects))
    for rule in rules[wanted.subjects[0]]:
        cells = (f"{sum(jobs[rule]) / len(jobs[rule]):.1f} ({len(jobs[rule])})"
                 for jobs in rules.values())  # fmt: skip
        print(f"{rule:24}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
