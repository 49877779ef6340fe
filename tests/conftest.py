"""A copy of the workflow to run, and what a run would do."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = "small.yaml"
#: Plugins of Snakemake for clusters, which `make .venv/plugins` installs.
PLUGINS = ROOT / ".venv" / "plugins"


class Study:
    """A copy of the workflow in a folder of its own, run as a user runs it."""

    def __init__(self, folder: Path, *configfiles: str) -> None:
        self.folder = folder
        self.configfiles = list(configfiles)
        for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        shutil.copy(ROOT / "tests" / "workflow" / SMALL, folder / SMALL)
        shutil.copy(ROOT / "results" / "README.md", folder / "results-readme.md")

    @classmethod
    def at(cls, folder: Path, *configfiles: str) -> "Study":
        """The study in a folder that has a workflow already."""
        study = cls.__new__(cls)
        study.folder, study.configfiles = folder, list(configfiles)
        return study

    @staticmethod
    def environment() -> dict[str, str]:
        """This process's environment without limits of threads, which a user has not set."""
        return {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}

    @classmethod
    def with_plugins(cls) -> dict[str, str]:
        """What a user has after `make cluster` and `source .venv/bin/activate`."""
        return cls.environment() | {
            "PYTHONPATH": str(PLUGINS),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def snakemake(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess:
        """Run one snakemake command to its end."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]
        if self.configfiles and "--configfile" not in arguments:
            command += ["--configfile", *self.configfiles]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess:
        """Run one snakemake command that must succeed."""
        done = self.snakemake(*arguments, cores=cores)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
        return done

    def plan(self, *arguments: str) -> dict[str, int]:
        """How many jobs of each rule a command would run, without running it."""
        output = self.run("--dry-run", *arguments).stdout
        table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.M | re.S)
        if table is None:
            assert "Nothing to be done" in output
            return {}
        rows = (line.split() for line in table.group(1).splitlines() if line.strip())
        return {name: int(count) for name, count in rows}

    def digests(self) -> dict[str, str]:
        """SHA-256 of every result by path; Snakemake's own mark of a folder is none."""
        folder = self.file("results")
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".snakemake_timestamp"
        }

    def file(self, *parts: str) -> Path:
        """A file of this study."""
        return self.folder.joinpath(*parts)


#: Files that take minutes, longest first, so that two processes end at about the same time.
LONG = (
    "test_small_study.py", "test_default_study.py", "test_environments.py", "test_slurm.py",
    "test_dicom_study.py", "test_own_data.py", "test_dry_runs.py", "test_reading.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Long files first; within a file the order stays."""
    places = {name: k for k, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


@pytest.fixture(scope="session")
def small_study(tmp_path_factory) -> Study:
    """A complete small study, run once; tests that change files copy what they change.

    Of several processes of tests, the first that needs it makes it, and each has a copy.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # which all processes share
    with (place / "small-study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = place / "small-study"
        if not (place / "small-study.made").exists():
            shutil.rmtree(made, ignore_errors=True)  # of one that failed
            made.mkdir()
            Study(made, SMALL).run()
            (place / "small-study.made").touch()
    own = tmp_path_factory.mktemp("study") / "small"
    shutil.copytree(made, own)
    return Study.at(own, SMALL)


@pytest.fixture
def copied_study(small_study, tmp_path):
    """The finished small study, copied with its time stamps, to be changed."""
    shutil.copytree(small_study.folder, tmp_path / "study", dirs_exist_ok=True)
    copy = Study.at(tmp_path / "study", SMALL)
    assert copy.plan() == {}
    return copy


@pytest.fixture
def study(tmp_path) -> Study:
    """A copy of the workflow that nothing has run in."""
    return Study(tmp_path)
