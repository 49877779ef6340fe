"""Checksums of what jobs wrote, so that a damaged file is noticed and made again.

When a job has ended well, the size and the SHA-256 of all that it wrote stand in small records
under ``logs/sums/``, one for each folder that it wrote to:
``logs/sums/<folder>/<rule>.<job>.json``.  A file is then found by the few records of its folder,
however many subjects there are.  While a job is under way its records say that it is, so that
what it did not finish is asked for again.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spect2pet.core import files
from spect2pet.core.errors import InputError

#: Folders that hold what the workflow makes. A user's file is never judged.
MADE_IN = ("results", "export")
#: Of larger files only the size and both ends are looked at: 1 GB takes about a second.
LARGEST_WHOLE = 1_000_000_000
END = 1_000_000

#: Size and SHA-256 of a file.
Sum = tuple[int, str]
#: Number, size and date of a file; None of one that is not there.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class Place:
    """Where a job's records belong.

    Attributes:
        root: the folder that holds ``logs``, ``results`` and ``export``.
        name: the job, as ``<rule>.<job>``.
    """

    root: Path
    name: str

    @classmethod
    def of(cls, log: str | Path) -> "Place":
        """The place of a job with the log file ``<root>/logs/<rule>/<job>.log``."""
        parts = Path(log).parts
        last = len(parts) - 1 - parts[::-1].index("logs") if "logs" in parts else len(parts) - 2
        return cls(Path(*parts[:last]), ".".join(parts[last + 1 :]).removesuffix(".log"))

    def inside(self, path: str | Path) -> Path | None:
        """A file that the workflow makes, relative to the root; None for any other."""
        relative = Path(os.path.relpath(path, self.root))
        return relative if relative.parts[0] in MADE_IN and len(relative.parts) > 1 else None

    def records(self, folder: Path) -> Path:
        """Where the records of a folder, relative to the root, lie."""
        return self.root / "logs" / "sums" / folder

    def aside(self, path: Path) -> Path:
        """Where a damaged file, relative to the root, is moved."""
        return self.root / "logs" / "damaged" / path


@dataclass
class Record:
    """What one job wrote in one folder.

    Attributes:
        rule: the rule of the job.
        again: whether the job is under way, or what it wrote was found damaged: what is missing
            is to be made again.
        files: by name, the sum of a file.
        folders: by name, the sums of the files below a folder that is one output.
    """

    rule: str
    again: bool
    files: dict[str, Sum | None] = field(default_factory=dict)
    folders: dict[str, dict[str, Sum]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the record whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.whole(path) as unfinished:
            unfinished.write_text(json.dumps(vars(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> "Record | None":
        """Read a record; None where there is none that can be read."""
        try:
            with open(path, "rb") as stream:  # noqa: PTH123 - there are many, and this is faster
                return cls(**json.loads(stream.read()))
        except (OSError, ValueError, TypeError):
            return None


def begin(log: str | Path, outputs: Iterable[str]) -> None:
    """Note that a job is under way: what an earlier record says of its outputs is void.

    Args:
        log: the job's log file.
        outputs: the job's outputs.

    Raises:
        InputError: the disk does not take the records.
    """
    place = Place.of(log)
    for folder, names in _by_folder(place, outputs).items():
        record = Record(_rule(place), again=True, files=dict.fromkeys(names))
        record.write(place.records(folder) / f"{place.name}.json")


def end(log: str | Path, outputs: Iterable[str]) -> None:
    """Write down the sums of what a job wrote, once it has ended well.

    Args:
        log: the job's log file.
        outputs: the job's outputs, files and folders.

    Raises:
        InputError: an output cannot be read, or the disk does not take the records.
    """
    place = Place.of(log)
    for folder, names in _by_folder(place, outputs).items():
        record = Record(_rule(place), again=False)
        for name in names:
            path = place.root / folder / name
            try:
                if path.is_dir():
                    below = sorted(p for p in path.rglob("*") if p.is_file())
                    record.folders[name] = {str(p.relative_to(path)): sum_of(p) for p in below}
                elif path.exists():
                    record.files[name] = sum_of(path)
            except OSError as error:
                raise InputError(
                    f"{path}: cannot be read right after it was written "
                    f"({error.strerror or error}); see to the disk and give the command again"
                ) from None
        record.write(place.records(folder) / f"{place.name}.json")


def check(log: str | Path, inputs: Iterable[str]) -> dict[Path, Stamp]:
    """Make sure that a job's inputs are what the jobs before it wrote.

    A damaged one is moved out of the way, so that the same command makes it again.  Files without
    a record are a user's, and are left to what reads them.

    Args:
        log: the job's log file.
        inputs: the job's inputs.

    Returns:
        What `check_again` compares with.

    Raises:
        InputError: an input is damaged, cannot be read or is gone.
    """
    place = Place.of(log)
    inputs = list(inputs)
    stamps = {Path(path): _stamp(Path(path)) for path in inputs if place.inside(path)}
    for folder, names in _by_folder(place, inputs).items():
        wanted = set(names)
        for path, record in _records(place.records(folder), _names(place.records(folder))):
            for fault in _faults(place.root / folder, record, wanted, _fault_of_content):
                record.again = True
                record.write(path)
                raise InputError(
                    f"{place.root / folder / fault.name}: {fault.said}; "
                    f"{_put_aside(place, folder / fault.name)}; "
                    "give the same command again, which makes it anew"
                )
    return stamps


def check_again(stamps: Mapping[Path, Stamp]) -> None:
    """Make sure that nothing has touched a job's inputs since they were checked.

    Args:
        stamps: what `check` returned.

    Raises:
        InputError: an input is not what it was.
    """
    for path, before in stamps.items():
        if _stamp(path) != before:
            raise InputError(
                f"{path}: has changed while a job read it; give the same command again"
            )


@dataclass(frozen=True)
class Survey:
    """What `survey` found.

    Attributes:
        wanted: by path, the rule of a file or folder that is missing and to be made again.
        said: sentences about those that were found damaged.
    """

    wanted: dict[str, str]
    said: list[str]


def survey(root: str | Path, mend: bool) -> Survey:
    """Look at the sizes of everything that was written down.

    The content is not read: what a job reads it checks itself, and what no job reads would take
    as long as reading the whole study.

    Args:
        root: the folder that holds ``logs`` and ``results``.
        mend: whether what is damaged is moved out of the way; otherwise it is only told.
    """
    place, wanted, said = Place(Path(root), ""), {}, []
    top = place.root / "logs" / "sums"
    for here, _, names in os.walk(top):
        folder = Path(here).relative_to(top)
        for path, record in _records(Path(here), names):
            for fault in _faults(place.root / folder, record, None, _fault_of_size):
                done = "it is made again by the command without --dry-run"
                if fault.gone:
                    continue  # by a user's hand, who may want the room
                if mend:
                    if not record.again:
                        record.again = True
                        record.write(path)
                    done = f"{_put_aside(place, folder / fault.name)}; it is made again"
                said.append(f"{place.root / folder / fault.name}: {fault.said}; {done}")
            if record.again:
                for name in (*record.files, *record.folders):
                    made = place.root / folder / name
                    if not made.exists():
                        wanted[str(made)] = record.rule
    return Survey(wanted, said)


def sum_of(path: str | Path) -> Sum:
    """Size and SHA-256 of a file; of one above `LARGEST_WHOLE`, of its first and last MB.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= LARGEST_WHOLE:
            return size, hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(stream.read(END))
        stream.seek(-END, os.SEEK_END)
        digest.update(stream.read())
    return size, digest.hexdigest()


@dataclass(frozen=True)
class _Fault:
    """What is wrong with an output: its name in its folder, and a sentence's part."""

    name: str
    said: str
    gone: bool


def _stamp(path: Path) -> Stamp:
    """What tells whether a file has been written since."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _by_folder(place: Place, paths: Iterable[str]) -> dict[Path, list[str]]:
    """Names of those paths that the workflow makes, by their folder relative to the root."""
    found: dict[Path, list[str]] = {}
    for path in paths:
        relative = place.inside(path)
        if relative is not None:
            found.setdefault(relative.parent, []).append(relative.name)
    return found


def _rule(place: Place) -> str:
    """The rule of a job."""
    return place.name.partition(".")[0]


def _names(folder: Path) -> list[str]:
    """Names of what lies in a folder; none where there is no such folder."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _records(folder: Path, names: Iterable[str]) -> Iterator[tuple[Path, Record]]:
    """Those of the named files that are records, in the order of their names."""
    for name in sorted(names):
        if name.endswith(".json") and not name.startswith("."):
            record = Record.read(folder / name)
            if record is not None:
                yield folder / name, record


def _faults(
    folder: Path,
    record: Record,
    names: set[str] | None,
    fault_of: Callable[[str, Any], tuple[str, bool] | None],
) -> Iterator[_Fault]:
    """What is wrong with the outputs of a record, or with the named ones among them."""
    if record.again:
        return  # these sums are void
    where = str(folder)  # joining paths as text takes a fifth of the time
    for name, expected in record.files.items():
        if names is None or name in names:
            wrong = fault_of(f"{where}/{name}", expected)
            if wrong:
                yield _Fault(name, *wrong)
    for name, below in record.folders.items():
        if names is None or name in names:
            if names is None and not (folder / name).exists():
                continue
            for inner, expected in below.items():
                wrong = fault_of(f"{where}/{name}/{inner}", expected)
                if wrong:
                    yield _Fault(name, f"{inner} in it {wrong[0]}", gone=False)
                    break


def _fault_of_size(path: str, expected: Sum) -> tuple[str, bool] | None:
    """What is wrong with a file as far as its size tells, and whether it is gone."""
    try:
        size = os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return "is gone", True
    except OSError as error:
        return f"cannot be read ({error.strerror or error})", False
    if size != expected[0]:
        return f"is damaged ({size} bytes, where {expected[0]} were written)", False
    return None if os.access(path, os.R_OK) else ("cannot be read (Permission denied)", False)


def _fault_of_content(path: str, expected: Sum) -> tuple[str, bool] | None:
    """What is wrong with a file, and whether it is gone."""
    wrong = _fault_of_size(path, expected)
    if wrong:
        return wrong
    try:
        found = sum_of(path)
    except FileNotFoundError:
        return "is gone", True
    except OSError as error:
        return f"cannot be read ({error.strerror or error})", False
    if found != tuple(expected):
        return "is damaged (its content is not what was written)", False
    return None


def _put_aside(place: Place, path: Path) -> str:
    """Move a damaged file or folder to ``logs/damaged/``, or remove it where that fails.

    Moved and not deleted, as it may be a file that a user has worked on.

    Returns:
        What was done, as a part of a sentence.
    """
    here, there = place.root / path, place.aside(path)
    try:
        if there.is_dir() and not there.is_symlink():
            shutil.rmtree(there)
        there.parent.mkdir(parents=True, exist_ok=True)
        here.replace(there)
    except FileNotFoundError:
        return "another job has taken it away"
    except OSError as error:
        try:
            shutil.rmtree(here) if here.is_dir() else here.unlink()
        except OSError:
            return f"it cannot be moved away ({error.strerror or error}), so remove it"
        return "it was removed"
    return f"what is left of it now lies in {there}"
