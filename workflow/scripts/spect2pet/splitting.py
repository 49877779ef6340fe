"""Train, validation and test membership: by subject, stratified, repeatable."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spect2pet.errors import InputError
from spect2pet.tables import read_table, write_table

SETS = ("train", "validation", "test")

COLUMNS = {
    "subject": "Subject label, without the prefix sub-",
    "set": "train, validation or test",
    "source": "table: the subjects table says so; drawn: by seed and stratum",
    "stratum": "Values of the stratifying columns that the subject was drawn by",
}


def assign(subjects: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, str]:
    """The set of every subject.

    Args:
        subjects: what `subjects.load` gave.
        settings: keys ``train``, ``validation``, ``test`` (proportions),
            ``seed`` and ``stratify`` (columns; one the table lacks is left out).

    Returns:
        Set name by subject label, in table order.

    Raises:
        InputError: a set stays empty.
    """
    rows = split_rows(subjects, settings)
    return dict(zip(rows["subject"], rows["set"], strict=True))


def split_rows(subjects: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of split.tsv; arguments and errors as for `assign`.

    Subjects that the table assigns keep their set and count towards its size.
    The others are put in order of stratum, then of a hash of seed and label,
    and dealt out so that every stretch of that order, and with it every
    stratum, holds the sets in their proportions.  A subject's place thus
    depends on its label, not on its row.
    """
    used = [name for name in settings["stratify"] if name in subjects.columns]
    strata = {
        label: " ".join(str(subjects.at[label, name]) for name in used) for label in subjects.index
    }
    fixed = {str(label): s for label, s in subjects["split"].items() if isinstance(s, str)}
    sizes = set_sizes(len(subjects), [settings[name] for name in SETS])
    quotas = _open_places(sizes, fixed)
    order = sorted(
        (label for label in subjects.index if label not in fixed),
        key=lambda label: (strata[label], _hash(settings["seed"], label)),
    )
    drawn = dict(zip(order, _deal(quotas), strict=True))
    members = {label: fixed.get(label) or drawn[label] for label in subjects.index}
    for name in SETS:
        if name not in members.values():
            raise InputError(
                f"the {name} set has no subject ({len(subjects)} subjects in all); "
                "add subjects, or correct `split:` in the config or the table's split column"
            )
    return pd.DataFrame(
        {
            "subject": list(subjects.index),
            "set": [members[label] for label in subjects.index],
            "source": ["table" if label in fixed else "drawn" for label in subjects.index],
            "stratum": [strata[label] or "all" for label in subjects.index],
        }
    )


def write_split(
    path: str, subjects: pd.DataFrame, settings: Mapping[str, Any], made_by: Mapping[str, Any]
) -> None:
    """Write split.tsv and its sidecar."""
    write_table(path, split_rows(subjects, settings), COLUMNS, made_by)


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


def _deal(places: Sequence[int]) -> list[str]:
    """A sequence in which every set comes as evenly as its number of places allows."""
    total = sum(places)
    dealt = [0] * len(places)
    sequence = []
    for position in range(1, total + 1):
        lag = [places[i] * position / total - dealt[i] for i in range(len(places))]
        chosen = max(
            (i for i in range(len(places)) if dealt[i] < places[i]), key=lambda i: (lag[i], -i)
        )
        dealt[chosen] += 1
        sequence.append(SETS[chosen])
    return sequence


def _hash(seed: int, label: str) -> str:
    return hashlib.sha256(f"{seed}:{label}".encode()).hexdigest()
