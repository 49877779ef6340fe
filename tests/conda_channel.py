"""A conda channel of what is installed here, for where none can be reached.

The packages are the distributions that pip installed, under conda's names, with the dependencies
that they declare; an interpreter is added.  They lie unpacked in a package cache, as conda leaves
them there, so that nothing is compressed or downloaded.  Solver (`rattler.solve`) and installer
(`rattler.install`) are conda's own kind; what is tried with them is the workflow, not conda-forge.
"""

import asyncio
import json
import shutil
import sys
from importlib import metadata
from pathlib import Path

import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SUBDIR = str(rattler.Subdir.current())
#: Distributions that conda-forge names differently.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
SITE_PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
BUILD = "0"


def conda_name(name: str) -> str:
    """The name of a distribution in a conda channel."""
    canonical = canonicalize_name(name)
    return CONDA_NAMES.get(canonical, canonical)


def specs_of(environment: Path) -> list[str]:
    """What an environment file asks for, conda's and pip's parts together."""
    entries = yaml.safe_load(environment.read_text())["dependencies"]
    return [
        spec for entry in entries for spec in (entry["pip"] if isinstance(entry, dict) else [entry])
    ]


def requirements_of(name: str, extras: frozenset[str] = frozenset()) -> list[Requirement]:
    """What a distribution needs here, with what the extras that it asks of others need."""
    needed = []
    for text in metadata.requires(name) or []:
        wanted = Requirement(text)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in {"", *extras}
        ):
            needed.append(wanted)
            if wanted.extras:
                needed += requirements_of(wanted.name, frozenset(wanted.extras))
    return needed


class Channel:
    """A channel in a folder, and a cache that its packages are in already."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder / "channel", folder / "cache"
        self.records: dict[str, dict] = {}

    def add_environment(self, environment: Path) -> None:
        """Add what an environment asks for, and what that needs."""
        waiting = [spec.split()[0] for spec in specs_of(environment)]
        distributions = {conda: pip for pip, conda in CONDA_NAMES.items()}
        while waiting:
            name = waiting.pop()
            name = canonicalize_name(distributions.get(name, name))
            if conda_name(name) in self.records:
                continue
            if name == "python":
                self._add_interpreter()
                continue
            needed = requirements_of(name)
            self._add_distribution(metadata.distribution(name), needed)
            waiting += [one.name for one in needed]

    def write(self) -> None:
        """Write the channel's index."""
        for subdir in (SUBDIR, "noarch"):
            packages = self.records.values() if subdir == SUBDIR else ()
            index = {
                "info": {"subdir": subdir},
                "packages": {},
                "packages.conda": {f"{_stem(one)}.conda": one for one in packages},
            }
            path = self.folder / subdir / "repodata.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(index))

    def solve(self, environment: Path) -> list[rattler.RepoDataRecord]:
        """The packages that make an environment on this machine, or one that variables describe."""
        machine = rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides.from_env())
        return asyncio.run(
            rattler.solve(
                [rattler.Channel(self.folder.as_uri())],
                [rattler.MatchSpec(spec) for spec in specs_of(environment)],
                gateway=rattler.Gateway(cache_dir=self.folder / "index"),
                virtual_packages=machine,
            )
        )

    def install(self, environment: Path, prefix: Path) -> None:
        """Solve an environment and lay it out in a folder."""
        self._install(self.solve(environment), prefix)

    def install_pinned(self, pins: Path, prefix: Path) -> None:
        """Lay out the packages whose addresses a file lists."""
        listed = set(pins.read_text().splitlines())
        index = rattler.SparseRepoData(
            rattler.Channel(self.folder.as_uri()), SUBDIR, self.folder / SUBDIR / "repodata.json"
        )
        self._install([one for one in index.load_all_records() if one.url in listed], prefix)

    def _install(self, records: list[rattler.RepoDataRecord], prefix: Path) -> None:
        asyncio.run(rattler.install(records, prefix, cache_dir=self.cache, show_progress=False))

    def _add_distribution(self, found: metadata.Distribution, needed: list[Requirement]) -> None:
        """Add the files of a distribution; not its programs, which name another interpreter."""
        record = _record(
            conda_name(found.name),
            found.version,
            ["python", *sorted({f"{conda_name(one.name)} {one.specifier}" for one in needed})],
        )
        # What the list of paths names is all that is taken from there.
        packages = self._package(record) / SITE_PACKAGES
        packages.parent.mkdir(parents=True)
        packages.symlink_to(str(found.locate_file("")))
        names = sorted({file for file in found.files or [] if ".." not in file.parts})
        self._finish(
            record,
            [
                (f"{SITE_PACKAGES}/{file.as_posix()}", "hardlink")
                for file in names
                if packages.joinpath(file).is_file()
            ],
        )

    def _add_interpreter(self) -> None:
        """Add this interpreter, as a virtual environment has it."""
        record = _record("python", ".".join(map(str, sys.version_info[:3])), [])
        package = self._package(record)
        home = Path(sys.base_prefix, "bin")
        (package / "bin").mkdir()
        (package / "bin" / "python").symlink_to(home / "python3")
        (package / "pyvenv.cfg").write_text(
            f"home = {home}\ninclude-system-site-packages = false\n"
        )
        guard = f"{SITE_PACKAGES}/sitecustomize.py"
        (package / guard).parent.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("only_this_environment.py"), package / guard)
        files = [("bin/python", "softlink"), ("pyvenv.cfg", "hardlink"), (guard, "hardlink")]
        self._finish(record, files)

    def _package(self, record: dict) -> Path:
        """The folder that a package is unpacked in."""
        package = self.cache / _stem(record)
        (package / "info").mkdir(parents=True)
        return package

    def _finish(self, record: dict, names: list[tuple[str, str]]) -> None:
        """Write what conda wants to know of a package."""
        info = self.cache / _stem(record) / "info"
        (info / "index.json").write_text(json.dumps(record))
        paths = [{"_path": name, "path_type": kind} for name, kind in names]
        (info / "paths.json").write_text(json.dumps({"paths": paths, "paths_version": 1}))
        self.records[record["name"]] = record


def _record(name: str, version: str, depends: list[str]) -> dict:
    return {
        "name": name,
        "version": version,
        "build": BUILD,
        "build_number": 0,
        "depends": depends,
        "subdir": SUBDIR,
    }


def _stem(record: dict) -> str:
    return f"{record['name']}-{record['version']}-{record['build']}"
