"""The subjects table: who takes part, and where each raw image lies."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.errors import InputError

MODALITIES = ("spect", "pet")
REQUIRED = ("subject", *MODALITIES)
#: Columns that name files of simulated subjects; real ones have none.
KNOWN_OF_SIMULATED = ("truth", "ceiling")
SEPARATORS = {".tsv": "\t", ".csv": ","}
LABEL = re.compile(r"[A-Za-z0-9]+")


def load(config: Mapping[str, Any]) -> pd.DataFrame:
    """The subjects of a study, from the table of the config or the built-in cohort.

    What is wrong with one subject does not stop the others: it stands in the
    columns ``spect_problem`` and ``pet_problem`` as the sentence with which that
    subject's prepare job ends.

    Args:
        config: the validated configuration.

    Returns:
        One row a subject, indexed by its label; columns ``spect`` and ``pet``
        (paths), ``spect_unit`` and ``pet_unit`` (None where the table says
        nothing), ``split``, ``truth`` and ``ceiling`` (None where nobody can know),
        ``spect_problem`` and ``pet_problem`` (None where all is well), then the
        table's further columns.

    Raises:
        InputError: the table as a whole cannot be used.
    """
    if config["subjects"] is None:
        from spect2pet import cohort

        table = _with_all_columns(cohort.participants_table(config["cohort"]))
        source = "the built-in cohort"
    else:
        source = config["subjects"]
        table = _find_problems(_with_all_columns(read(Path(source))), Path(source))
    table = table.set_index("subject", drop=False)
    return _without(table, config["exclude"], source)


def read(path: Path) -> pd.DataFrame:
    """Read a subjects table as text, with labels and paths cleaned.

    ``participant_id`` is taken for ``subject``, and the prefix ``sub-`` is left
    out, so that a BIDS ``participants.tsv`` serves as it is.

    Args:
        path: a ``.tsv`` or ``.csv`` file.

    Returns:
        The rows in their order, every cell text or None; the column ``_line``
        holds each row's line in the file.

    Raises:
        InputError: no such file, no rows, a column missing, a label that cannot
            name a file, or an unknown split.
    """
    if path.suffix not in SEPARATORS:
        raise InputError(f"{path}: the subjects table must end in .tsv or .csv; save it as one")
    try:
        table = pd.read_csv(
            path,
            sep=SEPARATORS[path.suffix],
            dtype=str,
            encoding="utf-8-sig",
            skip_blank_lines=False,
        )
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such subjects table; correct `subjects:` in the config"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error}); save it as UTF-8") from None
    table.columns = [str(name).strip() for name in table.columns]
    table = table.rename(columns={"participant_id": "subject"})
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise InputError(
            f"{path}: column {' and '.join(missing)} is missing; "
            f"the table needs {', '.join(REQUIRED)} (it has {', '.join(table.columns)})"
        )
    table = table.apply(lambda column: column.str.strip()).replace({"": None, "n/a": None})
    table["_line"] = range(2, len(table) + 2)
    table = table[table[list(REQUIRED)].notna().any(axis=1)].reset_index(drop=True)
    if table.empty:
        raise InputError(f"{path}: the table has no subjects; add a row for each")
    table["subject"] = [_label(value, line, path) for value, line in _cells(table, "subject")]
    if "split" in table:
        table["split"] = [_set_name(value, line, path) for value, line in _cells(table, "split")]
    return _with_none(table)


def _with_none(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with None, not NaN, where a cell is empty."""
    return table.astype(object).where(table.notna(), None)


def _cells(table: pd.DataFrame, column: str) -> list[tuple[Any, int]]:
    """The cells of a column, each with its line in the file."""
    return list(zip(_with_none(table)[column], table["_line"], strict=True))


def _label(value: str | None, line: int, path: Path) -> str:
    label = (value or "").removeprefix("sub-")
    if not LABEL.fullmatch(label):
        raise InputError(
            f"{path}, line {line}: subject {value!r} cannot name files; use letters and digits only"
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
    for name in ("split", *KNOWN_OF_SIMULATED):
        if name not in table:
            table[name] = None
    return _with_none(table)


def _find_problems(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """Resolve paths, write down what is wrong with single subjects, keep a row for each."""
    for name in (*MODALITIES, *KNOWN_OF_SIMULATED):
        table[name] = [_resolve(value, source) for value in table[name]]
    table = _with_none(table)
    lines = table.groupby("subject", sort=False)["_line"].apply(list)
    users = _users_of_files(table)
    rows: list[Any] = table.to_dict("records")
    for modality in MODALITIES:
        table[f"{modality}_problem"] = [
            _problem(row, modality, lines[row["subject"]], users, source) for row in rows
        ]
    return _with_none(table.drop_duplicates("subject").drop(columns="_line"))


def _problem(
    row: dict[str, Any],
    modality: str,
    lines: list[int],
    users: Mapping[Path, set[str]],
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
    if not Path(path).exists():
        return (
            f"{who} no such file; correct the path in {source} or list the subject under `exclude:`"
        )
    others = sorted(users[Path(path).resolve()] - {subject})
    if others:
        return (
            f"{who} the same file is given for subject {', '.join(others)}; "
            f"correct the paths in {source}"
        )
    other = row["pet" if modality == "spect" else "spect"]
    if other is not None and Path(other).resolve() == Path(path).resolve():
        return f"{who} the same file is given as SPECT and as PET; correct the paths in {source}"
    return None


def _resolve(value: str | None, source: Path) -> str | None:
    """A path of the table: relative to the table's folder, else to the working directory."""
    if value is None:
        return None
    beside = source.parent / value
    return str(beside if beside.exists() else Path(value))


def _users_of_files(table: pd.DataFrame) -> dict[Path, set[str]]:
    """The subjects that each file is given for, however its path is spelled."""
    users: dict[Path, set[str]] = {}
    for modality in MODALITIES:
        for subject, path in zip(table["subject"], table[modality], strict=True):
            if path is not None:
                users.setdefault(Path(path).resolve(), set()).add(subject)
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
