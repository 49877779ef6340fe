"""The subjects table: who takes part, and where each raw image lies."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core.errors import InputError
from spect2pet.subjects import sheets

MODALITIES = ("spect", "pet")
REQUIRED = ("subject", *MODALITIES)
#: Columns that name files of simulated subjects; real ones have none.
KNOWN_OF_SIMULATED = ("truth", "ceiling")
#: Cells that say that there is nothing.
EMPTY = {"", "n/a", "N/A", "#N/A", "NA", "NaN", "nan", "null", "NULL"}
#: A label is part of file names, which may have 255 characters.
LABEL = re.compile(r"[A-Za-z0-9]{1,64}")
#: A real path, and of a folder the modality and the words that choose among its series.
Image = tuple[str, str, str]


def load(config: Mapping[str, Any]) -> pd.DataFrame:
    """The subjects of a study, from the table of the config or the built-in cohort.

    What is wrong with one subject does not stop the others: it stands in the
    columns ``spect_problem`` and ``pet_problem`` as the sentence with which that
    subject's prepare job ends.

    Args:
        config: the validated configuration.  Where it names a finished ``model``, a
            subject needs no PET.

    Returns:
        One row a subject, indexed by its label; columns ``spect`` and ``pet``
        (paths of files or folders, ``pet`` None where there is and needs to be none),
        ``spect_unit`` and ``pet_unit`` (None where the table says
        nothing), ``spect_series`` and ``pet_series`` (words of a DICOM series' description),
        ``split``, ``truth`` and ``ceiling`` (None where nobody can know),
        ``spect_problem`` and ``pet_problem`` (None where all is well), then the
        table's further columns.

    Raises:
        InputError: the table as a whole cannot be used.
    """
    if config["subjects"] is None:
        from spect2pet.cohort import cohort

        table = _with_all_columns(cohort.participants_table(config["cohort"]))
        source = "the built-in cohort"
    else:
        source = config["subjects"]
        needs_pet = config.get("model") is None
        table = _with_all_columns(read(Path(source), needs_pet))
        table = _find_problems(table, Path(source), needs_pet)
    table = table.set_index("subject", drop=False)
    return _without(table, config["exclude"], source)


def read(path: Path, needs_pet: bool = True) -> pd.DataFrame:
    """Read a subjects table as text, with labels and paths cleaned.

    ``participant_id`` is taken for ``subject``, and the prefix ``sub-`` is left
    out, so that a BIDS ``participants.tsv`` serves as it is.

    Args:
        path: a file that `sheets.read_cells` reads.
        needs_pet: whether the column ``pet`` must be there.

    Returns:
        The rows in their order, every cell text or None; the column ``_line``
        holds each row's line in the file.

    Raises:
        InputError: no such file, no rows, a column missing or there twice, a row
            longer than the first, a label that cannot name a file or differs from
            another in upper and lower case alone, or an unknown split.
    """
    rows = sheets.read_cells(path)
    if not rows:
        raise InputError(
            f"{path}: the table is empty; begin it with the columns {', '.join(REQUIRED)}"
        )
    names = _columns(rows[0][1], path, needs_pet)
    cells = [_row(values, names, line, path) for line, values in rows[1:]]
    table = pd.DataFrame(cells, columns=names, dtype=object)
    table["_line"] = [line for line, _ in rows[1:]]
    if "pet" not in table:
        table["pet"] = None
    table = table[table[list(REQUIRED)].notna().any(axis=1)].reset_index(drop=True)
    if table.empty:
        raise InputError(f"{path}: the table has no subjects; add a row for each")
    table["subject"] = [_label(value, line, path) for value, line in _cells(table, "subject")]
    _check_case(table, path)
    if "split" in table:
        table["split"] = [_set_name(value, line, path) for value, line in _cells(table, "split")]
    return _with_none(table)


def _columns(header: list[str], path: Path, needs_pet: bool) -> list[str]:
    """The names of the columns, checked.

    Raises:
        InputError: a name is missing or given twice.
    """
    names = ["subject" if name == "participant_id" else name for name in header]
    while not names[-1]:
        names.pop()
    if "" in names:
        raise InputError(
            f"{path}: column {names.index('') + 1} has no name; name it in the first row"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{path}: column {' and '.join(twice)} is there more than once "
            "(participant_id counts as subject); keep one"
        )
    needed = [name for name in REQUIRED if needs_pet or name != "pet"]
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"{path}: column {' and '.join(missing)} is missing; "
            f"the table needs {', '.join(needed)} (it has {', '.join(names)})"
        )
    return names


def _row(values: list[str], names: list[str], line: int, path: Path) -> list[str | None]:
    """The cells of one row, None where empty; what is missing at its end is empty.

    Raises:
        InputError: there is text beyond the last column.
    """
    if any(values[len(names) :]):
        raise InputError(
            f"{path}, line {line}: has more cells than the {len(names)} columns; "
            "mend the separators, or put quotation marks around a text that contains one"
        )
    padded = values[: len(names)] + [""] * (len(names) - len(values))
    return [None if value in EMPTY else value for value in padded]


def _check_case(table: pd.DataFrame, path: Path) -> None:
    """Refuse labels whose files would be the same where file names ignore case."""
    met: dict[str, tuple[str, int]] = {}
    for label, line in _cells(table, "subject"):
        other, first = met.setdefault(label.lower(), (label, line))
        if other != label:
            raise InputError(
                f"{path}, lines {first} and {line}: subjects {other!r} and {label!r} differ in "
                "upper and lower case alone, which some disks do not tell apart; rename one"
            )


def _with_none(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with None, not NaN, where a cell is empty."""
    return table.astype(object).where(table.notna(), None)


def _cells(table: pd.DataFrame, column: str) -> list[tuple[Any, int]]:
    """The cells of a column, each with its line in the file."""
    return list(zip(_with_none(table)[column], table["_line"], strict=True))


def _label(value: str | None, line: int, path: Path) -> str:
    if value is None:
        raise InputError(f"{path}, line {line}: the subject's label is missing; add it")
    label = value.removeprefix("sub-")
    if not LABEL.fullmatch(label):
        raise InputError(
            f"{path}, line {line}: subject {value!r} cannot name files; "
            "use letters (A to Z) and digits only, at most 64"
        )
    return label


def _set_name(value: str | None, line: int, path: Path) -> str | None:
    if value is None or value in ("train", "validation", "test"):
        return value
    raise InputError(
        f"{path}, line {line}: split {value!r} is unknown; "
        "use train, validation or test, or leave it empty"
    )


def _with_all_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that every later step expects."""
    table = table.copy()
    common_unit = table.get("unit")
    for modality in MODALITIES:
        unit = f"{modality}_unit"
        if unit not in table:
            table[unit] = common_unit
        elif common_unit is not None:
            table[unit] = table[unit].where(table[unit].notna(), common_unit)
        table[f"{modality}_problem"] = None
        if f"{modality}_series" not in table:
            table[f"{modality}_series"] = None
    for name in ("split", *KNOWN_OF_SIMULATED):
        if name not in table:
            table[name] = None
    return _with_none(table)


def _find_problems(table: pd.DataFrame, source: Path, needs_pet: bool) -> pd.DataFrame:
    """Resolve paths, write down what is wrong with single subjects, keep a row for each."""
    for name in (*MODALITIES, *KNOWN_OF_SIMULATED):
        table[name] = [_resolve(value, source) for value in table[name]]
    table = _with_none(table)
    lines = table.groupby("subject", sort=False)["_line"].apply(list)
    rows: list[Any] = table.to_dict("records")
    users = _users_of_images(rows)
    for modality in MODALITIES:
        table[f"{modality}_problem"] = [
            _problem(row, modality, lines[row["subject"]], users, source)
            if row[modality] is not None or needs_pet or modality == "spect"
            else None
            for row in rows
        ]
    return _with_none(table.drop_duplicates("subject").drop(columns="_line"))


def _problem(
    row: dict[str, Any],
    modality: str,
    lines: list[int],
    users: Mapping[Image | None, set[str]],
    source: Path,
) -> str | None:
    """What the table alone shows to be wrong with one image of one subject."""
    subject, path = row["subject"], row[modality]
    if len(lines) > 1:
        return (
            f"subject {subject}: stands in {source} more than once "
            f"(lines {', '.join(map(str, lines))}); keep one row"
        )
    if path is None:
        return (
            f"subject {subject}: {source} names no {modality} file; "
            "add it or list the subject under `exclude:`"
        )
    who = f"subject {subject}, {modality} {path}:"
    unusable = _unusable(path)
    if unusable:
        return f"{who} {unusable} in {source} or list the subject under `exclude:`"
    others = sorted(users[_image(row, modality)] - {subject})
    if others:
        return (
            f"{who} the same file is given for subject {', '.join(others)}; "
            f"correct the paths in {source}"
        )
    if _image(row, "spect") == _image(row, "pet"):
        return f"{who} the same file is given as SPECT and as PET; correct the paths in {source}"
    return None


# os.path below, where Path raises: names too long, folders that may not be searched, links that
# go round in a circle, homes of unknown users.


def _unusable(path: str) -> str | None:
    """Why a path can hold no image, and what to do about it, as far as this costs no reading."""
    if not os.path.exists(path):  # noqa: PTH110
        if os.path.islink(path):  # noqa: PTH114
            return "is a link to a file that is not there; mend the link, correct the path"
        return "no such file; correct the path"
    if not os.access(path, os.R_OK):
        return "may not be read; change its permissions, correct the path"
    if Path(path).is_dir():
        return None if any(Path(path).iterdir()) else "the folder is empty; correct the path"
    return None if Path(path).is_file() else "is neither a file nor a folder; correct the path"


def _resolve(value: str | None, source: Path) -> str | None:
    """A path of the table: relative to the table's folder, else to the working directory."""
    if value is None:
        return None
    value = os.path.expanduser(value)  # noqa: PTH111
    beside = source.parent / value
    return str(beside if os.path.lexists(beside) else Path(value))


def _image(row: Mapping[str, Any], modality: str) -> Image | None:
    """What a row names, however its path is spelled.

    A file is one image; of a folder, the modality and the series' words say which.
    """
    path = row[modality]
    if path is None:
        return None
    real = os.path.realpath(path)
    if not os.path.isdir(real):  # noqa: PTH112
        return real, "", ""
    return real, modality, (row[f"{modality}_series"] or "").lower()


def _users_of_images(rows: list[Any]) -> dict[Image | None, set[str]]:
    """The subjects that each image is given for."""
    users: dict[Image | None, set[str]] = {}
    for row in rows:
        for modality in MODALITIES:
            image = _image(row, modality)
            if image is not None:
                users.setdefault(image, set()).add(row["subject"])
    return users


def _without(table: pd.DataFrame, excluded: list[str], source: str) -> pd.DataFrame:
    """Leave out the subjects that the config excludes.

    Raises:
        InputError: an excluded subject is not in the table, or none is left.
    """
    labels = [str(label).removeprefix("sub-") for label in excluded]
    unknown = sorted(set(labels) - set(table.index))
    if unknown:
        raise InputError(
            f"`exclude:` names subject {', '.join(unknown)}, which {source} does not have; "
            "correct the config"
        )
    left = table.drop(index=labels)
    if left.empty:
        raise InputError(f"`exclude:` leaves no subject of {source}; correct the config")
    return left
