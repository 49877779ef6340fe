"""What the crate of a study holds: copies of small files, and checksums of all."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spect2pet.core import provenance
from spect2pet.core.errors import InputError

#: Where the workflow lies: the study's folder or, as a module, that of its clone.
HOME = provenance.LIBRARY.parents[2]
CONFIG = "config/config.yaml"
#: What the configuration begins with in the crate.
CONFIG_NOTE = """\
# The configuration of the study with every default, as it was run. Paths and words of headers are
# left out (null): a study of scans of its own needs `subjects`, the path of its table.
"""


@dataclass(frozen=True)
class Sum:
    """A file, known by its content.

    Attributes:
        path: where it lies in the study; of a raw image, what it is.
        sha256: 64 hexadecimal digits.
        size: bytes.
        files: how many files it is; more than one for a folder of DICOM files.
    """

    path: str
    sha256: str
    size: int
    files: int = 1


def workflow_files() -> list[str]:
    """Code and what it needs, by paths from `HOME`, without what Python leaves behind."""
    beside = [HOME / name for name in ("Snakefile", "LICENSE", "CITATION.cff")]
    below = [path for folder in ("workflow", "envs") for path in (HOME / folder).rglob("*")]
    found = [path.relative_to(HOME) for path in beside + sorted(below) if path.is_file()]
    return [path.as_posix() for path in found if "__pycache__" not in path.parts]


def workflow_fingerprint() -> str:
    """Fingerprint of these files and of what is in them."""
    return provenance.fingerprint({path: sum_of(path, HOME).sha256 for path in workflow_files()})


def sum_of(path: str | Path, home: Path = Path()) -> Sum:
    """The checksum (FIPS 180-4) of one file, by its path from a folder."""
    with (home / path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Sum(Path(path).as_posix(), digest, (home / path).stat().st_size)


def sum_of_raw(path: str | Path) -> Sum:
    """The checksum of a raw image, a file or a folder of files, without any name of a file.

    Of a folder it is that of what ``sha256sum`` would tell of its files without their names:
    sorted sums, one a line.
    """
    path = Path(path)
    if not path.is_dir():
        return replace(sum_of(path), path="")
    found = [sum_of(file) for file in path.rglob("*") if file.is_file()]
    lines = "".join(sorted(f"{one.sha256}\n" for one in found))
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return Sum("", digest, sum(one.size for one in found), len(found))


def sums_of_raw(raw: Iterable[tuple[str, str, str]]) -> list[Sum]:
    """The checksums of raw images; a folder that several come from is read once.

    Args:
        raw: label of the subject, modality (spect or pet) and path of each.

    Raises:
        InputError: a file is gone or cannot be read.
    """
    read: dict[str, Sum] = {}
    sums = []
    for subject, modality, path in raw:
        try:
            one = read.get(path) or read.setdefault(path, sum_of_raw(path))
        except OSError as error:
            raise InputError(
                f"subject {subject}: the raw {modality.upper()} can no longer be read "
                f"({error.strerror}); put it back and run the workflow again"
            ) from None
        sums.append(replace(one, path=f"sub-{subject} {modality.upper()}, raw"))
    return sums


def copy_files(paths: Iterable[str], folder: Path, home: Path = Path()) -> None:
    """Copy files, by their paths from one folder, to the same places below another."""
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(home / path, target)


def write_config(config: Mapping[str, Any], folder: Path) -> None:
    """Write a configuration in JSON, which is YAML, with a note."""
    target = folder / CONFIG
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, indent=2, ensure_ascii=False)
    target.write_text(f"{CONFIG_NOTE}{text}\n", encoding="utf-8")


def write_sums(sums: Iterable[Sum], path: Path) -> None:
    """Write checksums by path, as ``sha256sum --check`` reads them."""
    lines = sorted({f"{one.sha256}  {one.path}\n" for one in sums}, key=lambda line: line[66:])
    path.write_text("".join(lines), encoding="utf-8")


def libraries(sidecars: Iterable[str]) -> list[tuple[str, str]]:
    """Names and versions of the libraries that made a study, by what its files say.

    Args:
        sidecars: JSON files of the study.

    Returns:
        Sorted; a library is there twice where two versions of it were at work.
    """
    found: set[tuple[str, str]] = set()
    for path in sidecars:
        made_by = json.loads(Path(path).read_text(encoding="utf-8")).get("GeneratedBy", {})
        found.update(made_by.get("Libraries", {}).items())
    return sorted(found)
