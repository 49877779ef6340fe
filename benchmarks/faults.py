"""Faults: what is left of a study that is disturbed a hundred times.

Runs a tiny study undisturbed, then throws faults at a copy of it, one every few seconds: jobs and
Snakemake killed, the disk full, files unreadable and truncated, the clock wrong by a day, two
Snakemakes at once.  After each the plain command is given again; in the end all files below
results/ are compared byte for byte.  As root (for the small disk), with faketime installed:
PYTHONPATH=workflow/scripts:tests/faults python benchmarks/faults.py --faults 105
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import harness

sys.path.insert(0, str(harness.ROOT / "tests"))
from conftest import Study


def undisturbed(folder: Path, cores: int) -> Path:
    """A finished tiny study."""
    folder.mkdir(parents=True)
    study = Study(folder, harness.CONFIG)
    shutil.copy(harness.ROOT / "tests" / "faults" / harness.CONFIG, folder)
    (folder / "results").mkdir()
    shutil.copy(harness.ROOT / "results" / "README.md", folder / "results")
    study.run(cores=cores)
    return folder


def main() -> None:
    """Disturb a study and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=105, help="how many (default 105)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (default 1)")
    parser.add_argument("--cores", type=int, default=2, help="for Snakemake (default 2)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    parser.add_argument("--reference", type=Path, help="a finished tiny study of the same code")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {line}", flush=True)

    reference = options.reference or undisturbed(folder / "undisturbed", options.cores)
    say(f"the undisturbed study lies in {reference}")
    study = harness.Disturbed(folder / "study", options.seed, say, options.cores)
    study.prepare(reference)
    try:
        study.run(options.faults)
        given = study.finish()
        found = harness.differences(study.folder / "results", reference / "results")
    finally:
        if study.running is not None:
            study.running.terminate()
            study.running.wait()
        study.remove()
    files = sum(path.is_file() for path in reference.joinpath("results").rglob("*"))
    print(f"\n{platform.machine()}, {os.cpu_count()} cores; seed {options.seed}")
    print(f"{len(study.strikes)} faults, {study.commands} commands, of these {given} at the end")
    print(harness.table(study.strikes, study.skipped))
    print(f"{len(found)} of {files} files below results/ differ from the undisturbed study")
    print("\n".join(found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
