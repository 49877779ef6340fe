"""Provenance: what the record of a study costs, for more and more subjects.

Makes studies of random files with the number and sizes of those of the built-in cohort, and
measures `crate.describe` on each, which reads every file once.  Run as
PYTHONPATH=workflow/scripts python benchmarks/provenance.py
"""

import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from spect2pet.describe import crate

SUBJECTS = (12, 24, 48, 96)
#: Bytes of an image on the study grid, float32 and compressed, and of a raw one; files a subject.
GRID, RAW = 2_500_000, 600_000
#: Tables, figures and cards of a study of one model, bytes each.
KEPT, KEPT_BYTES = 100, 150_000
CONFIG = {
    "seed": 1,
    "publication": {"title": None, "authors": [], "license": None, "date": None},
}


def write(path: str, size: int, rng: np.random.Generator) -> str:
    """A file of random bytes, which do not compress."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(rng.bytes(size))
    return path


def make_study(subjects: int) -> crate.Study:
    """The files of a study, below the working directory."""
    rng = np.random.default_rng(subjects)
    folders = [f"results/images/sub-{number:03d}" for number in range(subjects)]
    on_grid = [write(f"{folder}/{i}.nii.gz", GRID, rng) for folder in folders for i in range(4)]
    others = [write(f"{folder}/{i}.gz", RAW, rng) for folder in folders for i in range(4, 10)]
    kept = [write(f"results/tables/{i}.tsv", KEPT_BYTES, rng) for i in range(KEPT)]
    return crate.Study(
        kept={"tables": kept},
        named={"images": on_grid},
        others=others,
        workflow=[write("Snakefile", 1000, rng)],
        given={},
        raw=[],
        subjects=subjects,
        simulated=True,
    )


def main() -> None:
    """Print the seconds of each size of study."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread")
    print("subjects   files   MB read   CPU s     ms a subject more")
    before = None
    for subjects in SUBJECTS:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            study = make_study(subjects)
            spent = []
            for _ in range(3):
                start = time.process_time()
                crate.describe("out", study, config=CONFIG, snakemake_version="9")
                spent.append(time.process_time() - start)
            best = min(spent)
            files = [path for path in Path("results").rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 1e6
            more = ""
            if before:
                more = f"{1000 * (best - before[1]) / (subjects - before[0]):.0f}"
            print(f"{subjects:8d} {len(files):7d} {size:9.0f} {best:9.2f} {more:>19s}")
            before = subjects, best
            os.chdir("/")


if __name__ == "__main__":
    main()
