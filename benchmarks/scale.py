"""Cost of a large study: planning it, training on its slices, its tables.

Nothing is imaged: the scans are empty files, the slices small noise, the measurements of subjects
random numbers; only their numbers are true.  Run from the repository:
python benchmarks/scale.py plan|slices|tables [--subjects 100 1000 10000]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from spect2pet.evaluate import evaluation, uncertainty  # noqa: E402
from spect2pet.subjects import splitting  # noqa: E402

PROPORTIONS = (43, 15, 15)
#: A subject's jobs and the files that each of them makes, in the workflow without anything in it.
BARE_JOBS, BARE_FILES = 5, 6
BARE = """
rule all:
    input: expand("r/{s}/last_{f}", s=range(SUBJECTS), f=range(FILES))
for i in range(JOBS):
    rule:
        name: f"step{i}"
        input: [] if i == 0 else [f"r/{{s}}/{i}_{f}" for f in range(FILES)]
        output: [f"r/{{s}}/{'last' if i == JOBS - 1 else i + 1}_{f}" for f in range(FILES)]
        shell: "touch {output}"
"""
#: Axial slices of a subject.
DEPTH = 70
#: Subjects whose measurements are drawn, and the tables of each.
MEASURED = 100
MEASUREMENTS = ("regions", "similarity", "slices", "uncertainty")
#: Rules whose job puts all subjects' tables together, and their parameters.
TABLE_RULES = ("tabulate_similarity", "regress_regions", "assess_agreement", "tabulate_uncertainty",
               "summarise_study", "compare_methods")  # fmt: skip


def sets_of(count: int) -> list[str]:
    """The set of each of some subjects, in the proportions of the published study."""
    sizes = splitting.set_sizes(count, PROPORTIONS)
    return [name for name, size in zip(splitting.SETS, sizes, strict=True) for _ in range(size)]


def child(code: str, *arguments: str, folder: Path) -> tuple[float, float, float]:
    """Run Python code; return seconds, processor seconds and peak MiB.

    The peak is that of the largest child so far, so sizes are to grow.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent, after.ru_maxrss / 1024


# --- Planning -------------------------------------------------------------------

SNAKEMAKE = "import sys; from snakemake.cli import main; main(sys.argv[1:])"
#: Without a word after it, --quiet tells how many jobs there are; with `all` it lists each (9.27).
DRY_RUN = ("--dry-run", "--quiet", "--cores", "1")


def plan(counts: list[int]) -> None:
    """Dry runs of a table of subjects, beside a workflow of as many jobs that does nothing."""
    print("Dry run of all; `bare`: a workflow of", BARE_JOBS, "empty jobs a subject, each with",
          BARE_FILES, "files")  # fmt: skip
    print("subjects   processor s   a subject, ms   peak MiB   bare, s   over bare")
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            bare = folder / "bare"
            bare.mkdir()
            head = f"SUBJECTS, JOBS, FILES = {count}, {BARE_JOBS}, {BARE_FILES}\n"
            (bare / "Snakefile").write_text(head + BARE)
            _, floor, _ = child(SNAKEMAKE, *DRY_RUN, folder=bare)
            make_table(folder, count)
            _, spent, peak = child(SNAKEMAKE, *DRY_RUN, "--configfile", "study.yaml", folder=folder)
        print(f"{count:8d} {spent:13.1f} {1000 * spent / count:15.1f} {peak:10.0f} {floor:9.1f} "
              f"{spent / floor:11.2f}", flush=True)  # fmt: skip


def make_table(folder: Path, count: int) -> None:
    """A study of a table of subjects whose scans are files with nothing in them."""
    for name in ("Snakefile", "workflow", "config", "envs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "scans").mkdir()
    rows = ["subject\tspect\tpet\tsplit"]
    for i, name in enumerate(sets_of(count)):
        for modality in ("spect", "pet"):
            (folder / "scans" / f"{i}_{modality}.nii.gz").touch()
        rows.append(f"{i:05d}\t{i}_spect.nii.gz\t{i}_pet.nii.gz\t{name}")
    (folder / "scans" / "subjects.tsv").write_text("\n".join(rows) + "\n")
    (folder / "study.yaml").write_text("subjects: scans/subjects.tsv\n")


# --- Slices ---------------------------------------------------------------------


def slices(counts: list[int]) -> None:
    """Pack the volumes of subjects and read an epoch's batches from disk."""
    print("Slices of 16 × 16 voxels, float32, packed and read in batches of 8 from disk")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
        told = Path(place) / "told.json"
        _, _, peak = child(WIDE, str(SCRIPTS), str(max(counts)), str(told), folder=Path(place))
        print(f"Full slices of 96 × 112: {told.read_text()}, peak {peak:.0f} MiB", flush=True)
    print("subjects    slices   file GB   packing, s   us a slice   reading, us a slice   peak MiB")
    for count in counts:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
            told = Path(place) / "told.json"
            _, _, peak = child(STREAM, str(SCRIPTS), str(count), str(told), folder=Path(place))
            about = json.loads(told.read_text())
        number = about["slices"]
        print(f"{count:8d} {number:9d} {about['bytes'] / 1e9:9.2f} {about['pack']:12.1f} "
              f"{1e6 * about['pack'] / number:12.1f} {1e6 * about['read'] / about['reads']:21.1f} "
              f"{peak:10.0f}", flush=True)  # fmt: skip


#: One process: reads batches of a file of the full size, of which the disk holds the head alone.
WIDE = """
import json, sys, time
from pathlib import Path
import numpy as np, pandas as pd, torch
scripts, count, told = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path.insert(0, scripts)
from spect2pet.train import slices, sources
torch.set_num_threads(1)
depth = 70
rows = np.arange(depth * count)
np.lib.format.open_memmap("train.npy", "w+", np.float32, (len(rows), 2, 96, 112))
train = np.load("train.npy", mmap_mode="r")
table = pd.DataFrame({"row": rows, "set": "train", "subject": (rows // depth).astype(str),
                      "slice": rows % depth})
ones = [1.0] * count
data = slices.Packed(train, train[:depth], train[:depth, 0], table, 1.0, depth, 2.0, ones, ones, "")
source = sources.Source(data, {"context": 3, "resident_gb": 4.0, "scaling": "subject"},
                        torch.device("cpu"))
assert not source.resident
order = source.rows[torch.randperm(len(source.rows))[:40_000]]
start = time.perf_counter()
seen = sum(len(batch) for batch in source.batches(order.split(8)))
read = time.perf_counter() - start
Path(told).write_text(f"{seen} of {len(rows)} slices ({train.nbytes / 1e9:.0f} GB, sparse file) "
                      f"at {1e6 * read / seen:.0f} us each")
"""

#: One process: packs, then reads one epoch.
STREAM = """
import json, sys, time
from pathlib import Path
scripts, count, told = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path.insert(0, scripts)
import nibabel as nib, numpy as np, torch
from spect2pet.core.images import write_image
from spect2pet.train import slices, sources
torch.set_num_threads(1)
depth, side = 70, 16
rng = np.random.default_rng(0)
files = []
for i in range(8):  # every subject is one of these under another name
    flow = rng.uniform(20, 80, (side, side, depth)).astype(np.float32)
    mask = np.ones((side, side, depth), np.int16)
    own = {name: Path(f"{i}_{name}.nii.gz") for name in ("spect", "pet", "mask")}
    for name, data in (("spect", 0.8 * flow), ("pet", flow), ("mask", mask)):
        write_image(own[name], data, np.diag([2.0, 2, 2, 1]))
    files.append(own)
labels = [f"{i:05d}" for i in range(count)]
held = max(count // 20, 1)
sets = {"train": labels[held:], "validation": labels[:held]}
paths = {"train": "train.npy", "validation": "validation.npy", "brain": "brain.npy",
         "table": "slices.tsv", "scale": "scale.json"}
start = time.perf_counter()
slices.pack({s: files[i % 8] for i, s in enumerate(labels)}, sets,
            {"min_coverage": 0.1, "scale_percentile": 99.9, "dtype": "float32"},
            **paths, made_by={})
pack = time.perf_counter() - start
data = slices.read(**paths)
source = sources.Source(data, {"context": 3, "resident_gb": 0.0, "scaling": "subject"},
                        torch.device("cpu"))
assert not source.resident
order = source.rows[torch.randperm(len(source.rows))]
start = time.perf_counter()
seen = sum(len(batch) for batch in source.batches(order.split(8)))
read = time.perf_counter() - start
size = sum(Path(paths[name]).stat().st_size for name in ("train", "validation", "brain"))
Path(told).write_text(json.dumps({"slices": depth * count, "bytes": size, "pack": pack,
                                  "read": read, "reads": seen}))
"""


# --- Tables ---------------------------------------------------------------------


def tables(counts: list[int]) -> None:
    """Run the rules that put all subjects' tables together, each as its job would run."""
    print("Seconds of the rules that put subjects' tables together (processor s; peak MiB so far)")
    print("rule                    " + "".join(f"{f'{count} subjects':>24}" for count in counts))
    cells: dict[str, list[str]] = {rule: [] for rule in TABLE_RULES}
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            make_measurements(folder, count)
            for rule in TABLE_RULES:
                (folder / "job.json").write_text(json.dumps(job_of(rule, count)))
                seconds, spent, peak = child(RUN_RULE, str(SCRIPTS), rule, folder=folder)
                cells[rule].append(f"{seconds:.1f} ({spent:.1f}; {peak:.0f})")
                print(f"{count} {rule}: {cells[rule][-1]}", file=sys.stderr, flush=True)
    for rule, row in cells.items():
        print(f"{rule:24}" + "".join(f"{cell:>24}" for cell in row))


#: Runs a rule's script with what Snakemake would give it.
RUN_RULE = """
import json, runpy, sys
from types import SimpleNamespace
scripts, rule = sys.argv[1:]
sys.path.insert(0, scripts)
told = json.load(open("job.json"))
job = SimpleNamespace(**{part: SimpleNamespace(**values) for part, values in told.items()})
job.log, job.wildcards = [f"{rule}.log"], SimpleNamespace(model="p2p")
runpy.run_path(f"{scripts}/{rule}.py", init_globals={"snakemake": job})
"""


def job_of(rule: str, count: int) -> dict[str, dict]:
    """Inputs, outputs and parameters of a rule."""

    def each(name: str) -> list[str]:
        return [f"{i:05d}_{name}.tsv" for i in range(count)]

    inputs = {
        "tabulate_similarity": {"similarity": each("similarity"), "slices": each("slices")},
        "regress_regions": {"regions": each("regions")},
        "assess_agreement": {"regions": "regions.tsv"},
        "tabulate_uncertainty": {"uncertainty": each("uncertainty")},
        "summarise_study": {"tests": "tests.tsv", "regression": "regression.tsv",
                            "agreement": "agreement.tsv"},
        "compare_methods": {"similarity": ["similarity.tsv"] * 2,
                            "regression": ["regression.tsv"] * 2, "detection": [], "lesions": []},
    }[rule]  # fmt: skip
    outputs = {
        "tabulate_similarity": ("similarity", "slices", "tests", "subgroups"),
        "regress_regions": ("regions", "regression"),
        "assess_agreement": ("agreement", "asymmetry"),
        "tabulate_uncertainty": ("uncertainty", "summary"),
        "summarise_study": ("summary", "published"),
        "compare_methods": ("methods", "pairs"),
    }[rule]
    groups = {f"{i:05d}": "abc"[i % 3] for i in range(count)}
    params = {
        "threads": 1, "code": "", "seed": 1, "subgroups": {"group": groups}, "atlas": "aal",
        "compared": ["one", "two"], "methods": {"one": "pix2pix", "two": "unet"}, "model": {},
        "evaluate": {"atlas": "aal"},
    }  # fmt: skip
    return {
        "input": {**inputs, "split": "split.tsv"},
        "output": {name: f"{name}.tsv" for name in outputs},
        "params": params,
    }


def make_measurements(folder: Path, count: int) -> None:
    """Write what is measured of subjects, each of whom is one of `MEASURED` under another name."""
    labels = [f"{i:05d}" for i in range(count)]
    save(folder / "split.tsv", pd.DataFrame({"subject": labels, "set": sets_of(count), "fold": 0}))
    measure(folder, labels[:MEASURED])
    for i, label in enumerate(labels):
        other = labels[i % MEASURED]
        if other != label:
            for name in MEASUREMENTS:
                text = (folder / f"{other}_{name}.tsv").read_text()
                text = text.replace(f"\n{other}\t", f"\n{label}\t")
                (folder / f"{label}_{name}.tsv").write_text(text)


def measure(folder: Path, labels: list[str]) -> None:
    """Write tables of subjects as the workflow does, with random numbers."""
    rng = np.random.default_rng(0)
    regions = regions_of_nobody()
    for label in labels:
        flow = rng.normal(45, 10, len(regions)) * rng.normal(1, 0.1)
        flow[-1] = flow[:-1].mean()
        seen = {
            name: factor * flow + rng.normal(0, 3, len(regions))
            for name, factor in (("spect", 0.8), ("p2p", 0.95), ("pet", 1.0), ("truth", 1.0))
        }
        save(
            folder / f"{label}_regions.tsv",
            pd.concat([regions.assign(subject=label), pd.DataFrame(seen)], axis=1).assign(
                relative=False
            )[["subject", *regions, *seen, "relative"]],
        )
        images = ("SPECT", "P2P")
        measures = [*evaluation.MEASURES, *evaluation.DESCRIBED]
        similarity = pd.DataFrame(rng.uniform(0.6, 0.9, (2, len(measures))), columns=measures)
        settings = {name: 1 for name in ("slices", "region", "window", "sigma", "k1", "k2",
                                         "data_range", "min_coverage", "voxel_mm")}  # fmt: skip
        head = pd.DataFrame({"subject": label, "image": images, "relative": False})
        save(
            folder / f"{label}_similarity.tsv",
            pd.concat([head, similarity], axis=1).assign(**settings),
        )
        save(
            folder / f"{label}_slices.tsv",
            pd.DataFrame(
                {
                    "subject": label,
                    "image": np.repeat(images, DEPTH),
                    "relative": False,
                    "slice": np.tile(np.arange(DEPTH), 2),
                    "coverage": 0.5,
                    "ssim": rng.uniform(0.6, 0.9, 2 * DEPTH),
                    "ssim_whole_slice": rng.uniform(0.6, 0.9, 2 * DEPTH),
                }
            ),
        )
        bins = np.arange(1, uncertainty.BINS + 1)
        curves = pd.DataFrame({"bin": np.tile(bins, 2), "voxels": 1000})
        curves.insert(0, "subject", label)
        curves.insert(1, "relative", False)
        curves.insert(2, "scale", np.repeat(evaluation.SCALES, uncertainty.BINS))
        curves["sd"] = curves["bin"] * rng.normal(1, 0.1, len(curves))
        curves["rmse"] = curves["sd"] * rng.normal(2, 0.1, len(curves))
        save(folder / f"{label}_uncertainty.tsv", curves.assign(spearman=rng.uniform()))


def regions_of_nobody() -> pd.DataFrame:
    """The rows of one subject's region means, without the means."""
    groups = pd.read_csv(ROOT / "workflow" / "resources" / "aal_groups.tsv", sep="\t",
                         na_values=["n/a"])  # fmt: skip
    names = {"aal": groups["region"].str.replace(r"_[LR]$", "", regex=True)}
    names |= {group: groups[group] for group in ("lobe", "segment", "territory")}
    parts = [
        groups.assign(atlas=atlas, region=region)[["atlas", "region", "hemisphere"]]
        for atlas, region in names.items()
    ]
    whole = pd.DataFrame({"atlas": ["brain"], "region": ["brain"], "hemisphere": ["both"]})
    table = pd.concat([*parts, whole]).dropna().drop_duplicates(ignore_index=True)
    return table.assign(voxels=500)


def save(path: Path, table: pd.DataFrame) -> None:
    """Write a table in the form of the workflow's."""
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.6g")


def main() -> None:
    """Measure what is asked for and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["plan", "slices", "tables"])
    parser.add_argument("--subjects", nargs="+", type=int, default=[100, 1000, 10000])
    wanted = parser.parse_args()
    print("load before", os.getloadavg()[0])
    {"plan": plan, "slices": slices, "tables": tables}[wanted.what](sorted(wanted.subjects))


if __name__ == "__main__":
    main()
