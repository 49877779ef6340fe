"""Train, validation and test membership, and folds: by subject, stratified, repeatable."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spect2pet.core.errors import InputError
from spect2pet.core.tables import read_table, write_table

SETS = ("train", "validation", "test")

COLUMNS = {
    "subject": "Subject label, without the prefix sub-",
    "set": "train, validation or test; in cross-validation every subject is a test subject",
    "fold": "Fold, from 0, whose model makes the subject's P2P; in cross-validation the one in "
    "which the subject is in the test set",
    "source": "table: the subjects table says so; drawn: by seed and stratum",
    "stratum": "Values of the stratifying columns that the subject was drawn by",
}


def sets_by_fold(rows: pd.DataFrame) -> list[dict[str, str]]:
    """The set of every subject in every fold.

    In cross-validation the test set of fold k are the subjects of fold k, its validation set
    those of the next fold, and all others train.

    Args:
        rows: what `split_rows` gave.

    Returns:
        For each fold, set name by subject label, in table order.
    """
    fold_of = dict(zip(rows["subject"], rows["fold"], strict=True))
    count = max(fold_of.values(), default=0) + 1
    if count == 1:
        return [dict(zip(rows["subject"], rows["set"], strict=True))]

    def place(subject: str, fold: int) -> str:
        if fold_of[subject] == fold:
            return "test"
        return "validation" if fold_of[subject] == (fold + 1) % count else "train"

    return [{subject: place(subject, fold) for subject in fold_of} for fold in range(count)]


def split_rows(
    subjects: pd.DataFrame, settings: Mapping[str, Any], needed: Sequence[str] = SETS
) -> pd.DataFrame:
    """The rows of split.tsv.

    Subjects that the table assigns keep their set and count towards its size.
    The others are put in order of stratum, then of a hash of seed and label,
    and dealt out so that every stretch of that order, and with it every
    stratum, holds the sets (in cross-validation: the folds) in their proportions.
    A subject's place thus depends on its label, not on its row.

    Args:
        subjects: what `subjects.load` gave.
        settings: keys ``train``, ``validation``, ``test`` (proportions), ``folds``,
            ``seed`` and ``stratify`` (columns; one the table lacks is left out).
        needed: sets that must not stay empty; a model that is given needs none.

    Returns:
        One row a subject, in table order, with the columns of `COLUMNS`.

    Raises:
        InputError: a set stays empty, there are fewer than three folds or fewer subjects than
            folds, or the table assigns sets in a cross-validation.
    """
    used = [name for name in settings["stratify"] if name in subjects.columns]
    strata = {
        label: " ".join(str(subjects.at[label, name]) for name in used) for label in subjects.index
    }
    fixed = {str(label): s for label, s in subjects["split"].items() if isinstance(s, str)}
    order = sorted(
        (label for label in subjects.index if label not in fixed),
        key=lambda label: (strata[label], _hash(settings["seed"], label)),
    )
    if settings["folds"] > 1:
        folds = _folds(order, fixed, settings["folds"])
        members = dict.fromkeys(subjects.index, "test")
    else:
        folds = dict.fromkeys(subjects.index, 0)
        sizes = set_sizes(len(subjects), [settings[name] for name in SETS])
        dealt = [SETS[i] for i in _deal(_open_places(sizes, fixed))]
        members = fixed | dict(zip(order, dealt, strict=True))
        for name in needed:
            if name not in members.values():
                raise InputError(
                    f"the {name} set has no subject ({len(subjects)} subjects in all); "
                    "add subjects, or correct `split:` in the config or the table's split column"
                )
    return pd.DataFrame(
        {
            "subject": list(subjects.index),
            "set": [members[label] for label in subjects.index],
            "fold": [folds[label] for label in subjects.index],
            "source": ["table" if label in fixed else "drawn" for label in subjects.index],
            "stratum": [strata[label] or "all" for label in subjects.index],
        }
    )


def _folds(order: Sequence[str], fixed: Mapping[str, str], count: int) -> dict[str, int]:
    """The fold of every subject, dealt in order."""
    if fixed:
        label, name = next(iter(fixed.items()))
        raise InputError(
            f"the subjects table assigns sets (subject {label} to {name}), "
            "and `split: folds` asks for cross-validation, in which every subject is tested once; "
            "empty the split column or set folds to 1"
        )
    if count < 3 or len(order) < count:
        raise InputError(
            f"`split: folds` is {count} with {len(order)} subjects; cross-validation needs at "
            "least 3 folds, which train, validate and test in turn, and a subject in each"
        )
    sizes = set_sizes(len(order), [1] * count)
    return dict(zip(order, _deal(sizes), strict=True))


def write_split(
    path: str,
    subjects: pd.DataFrame,
    settings: Mapping[str, Any],
    needed: Sequence[str],
    made_by: Mapping[str, Any],
) -> None:
    """Write split.tsv, the rows that `split_rows` gives, and its sidecar."""
    write_table(path, split_rows(subjects, settings, needed), COLUMNS, made_by)


def read_split(path: str) -> dict[str, str]:
    """The set of every subject, from split.tsv.

    Raises:
        InputError: a subject stands in it twice, or a set is unknown.
    """
    table = read_table(path)
    twice = sorted(table["subject"][table["subject"].duplicated()].unique())
    if twice:
        raise InputError(
            f"{path}: subject {', '.join(twice)} is in more than one row, so a set may leak "
            "into another; delete the file and run the workflow again"
        )
    unknown = sorted(set(table["set"]) - set(SETS))
    if unknown:
        raise InputError(f"{path}: set {', '.join(unknown)} is unknown; use {', '.join(SETS)}")
    return dict(zip(table["subject"], table["set"], strict=True))


def set_sizes(subjects: int, proportions: Sequence[float]) -> list[int]:
    """Sizes of the sets by largest remainder (Hamilton's method).

    Args:
        subjects: number of subjects.
        proportions: one positive weight a set.

    Returns:
        One size a set; they add up to ``subjects``.
    """
    quotas = [subjects * weight / sum(proportions) for weight in proportions]
    sizes = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (sizes[i] - quotas[i], i))
    for i in by_remainder[: subjects - sum(sizes)]:
        sizes[i] += 1
    return sizes


def _open_places(sizes: Sequence[int], fixed: Mapping[str, str]) -> list[int]:
    """Places left to draw in each set, when the table has filled some beyond their size."""
    taken = [sum(name == member for member in fixed.values()) for name in SETS]
    places = [max(size - used, 0) for size, used in zip(sizes, taken, strict=True)]
    to_draw = sum(sizes) - len(fixed)
    return set_sizes(to_draw, places) if sum(places) else [to_draw, 0, 0]


def _deal(places: Sequence[int]) -> list[int]:
    """Numbers of sets, in a sequence where each comes as evenly as its places allow."""
    total = sum(places)
    dealt = [0] * len(places)
    sequence = []
    for position in range(1, total + 1):
        lag = [places[i] * position / total - dealt[i] for i in range(len(places))]
        chosen = max(
            (i for i in range(len(places)) if dealt[i] < places[i]), key=lambda i: (lag[i], -i)
        )
        dealt[chosen] += 1
        sequence.append(chosen)
    return sequence


def _hash(seed: int, label: str) -> str:
    return hashlib.sha256(f"{seed}:{label}".encode()).hexdigest()
