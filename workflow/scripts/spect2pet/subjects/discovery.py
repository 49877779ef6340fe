"""A subjects table proposed from a folder of scans, with names that identify nobody."""

import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd

from spect2pet.core.errors import InputError
from spect2pet.core.images import sidecar_path
from spect2pet.subjects import candidates, pairing
from spect2pet.subjects.candidates import Candidate
from spect2pet.subjects.pairing import Choice

log = logging.getLogger(__name__)

PRIVATE = (
    "# The only link between the subjects' labels and the people: keep it to yourself, and "
    "apart from everything that you pass on."
)
TABLE, MAP, DOUBTFUL = "subjects.tsv", "map.tsv", "doubtful.tsv"
MAP_COLUMNS = [
    *("subject", "patient_id", "patient_name", "study_dates", "series_descriptions"),
    *("scanner_model", "folders"),
]
DOUBT_COLUMNS = [
    *("subject", "modality", "series_number", "series_description", "shape", "date"),
    *("reason", "what_to_do", "link"),
]


@dataclass(frozen=True)
class Person:
    """Somebody's label, scans, and what is proposed of them."""

    label: str
    scans: tuple[Candidate, ...]
    choice: Choice
    group: str | None = None


def propose(
    scan: str | None,
    dataset: str | Path,
    *,
    needs_pet: bool = True,
    longest_gap: int = pairing.LONGEST_GAP,
) -> str:
    """Look through a folder of scans and write a dataset with a table of its subjects.

    The scans stay where they are: the dataset holds links to them, under labels that
    identify nobody (those of a BIDS dataset are kept).

    Args:
        scan: folder to look through.
        dataset: folder to write ``subjects.tsv``, ``map.tsv``, ``doubtful.tsv`` and
            ``sub-<label>/`` into; it is empty or not there.
        needs_pet: whether somebody without PET is left out of the table.
        longest_gap: days between SPECT and PET beyond which a pair is left out.

    Returns:
        How many people, pairs and doubts there are, in one line.

    Raises:
        InputError: no folder is named, it is not there or may not be read, it holds nothing
            of interest, or the dataset is there already.
    """
    folder, dataset = _checked(scan), Path(dataset)
    if dataset.exists() and any(not path.name.startswith(".") for path in dataset.iterdir()):
        raise InputError(
            f"{dataset}: holds a proposal already; move or delete it to look through a folder again"
        )
    found, unreadable = candidates.find(folder)
    if not found and not unreadable:
        raise InputError(
            f"{folder}: holds no SPECT or PET (DICOM of modality NM or PT, or NIfTI named as in "
            "BIDS); correct `scan`"
        )
    groups = candidates.groups_of_participants(folder)
    people = _people(found, groups, needs_pet, longest_gap)
    doubts = _doubts(people, unreadable, groups)
    partial = dataset / ".partial"
    try:
        _write(partial, people, doubts)
        for path in sorted(partial.iterdir(), key=lambda path: (path.name == TABLE, path.name)):
            path.replace(dataset / path.name)
    except OSError as error:
        raise InputError(
            f"{dataset}: cannot be written ({error.strerror or error}); see that its folder may "
            "be written to, that the disk has room and that it takes symbolic links"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    pairs = sum(one.choice.taken and one.choice.pet is not None for one in people)
    summary = f"{len(people)} patients, {pairs} pairs, {len(doubts)} doubtful"
    log.info("%s", summary)
    return summary


def _checked(scan: str | None) -> Path:
    """The folder that is meant.

    Raises:
        InputError: none is named, or it cannot be looked through.
    """
    if not scan:
        raise InputError(
            "no folder of scans is named; give it as `--config scan=FOLDER` after `subjects_table`"
        )
    folder = Path(os.path.expanduser(scan))  # noqa: PTH111 - leaves an unknown user's ~ as it is
    if not os.path.isdir(folder):  # noqa: PTH112 - never raises
        raise InputError(f"{folder}: there is no such folder of scans; correct `scan`")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(f"{folder}: may not be read; change its permissions or correct `scan`")
    return folder


def _people(
    found: Sequence[Candidate],
    groups: dict[str, str | None],
    needs_pet: bool,
    longest_gap: int,
) -> list[Person]:
    """Everybody of whom there is a scan, in the order of their ids, with labels."""
    scans: dict[str, list[Candidate]] = {}
    for one in found:
        scans.setdefault(one.person, []).append(one)
    given = {one.label for one in found if one.label is not None}
    free = (label for number in count(1) if (label := f"{number:03d}") not in given)
    people = []
    for person in sorted(scans):
        label = scans[person][0].label or next(free)
        choice = pairing.choose(scans[person], needs_pet, longest_gap)
        people.append(Person(label, tuple(scans[person]), choice, groups.get(label)))
    return sorted(people, key=lambda person: person.label)


def _doubts(
    people: Iterable[Person],
    unreadable: Iterable[tuple[Path, str]],
    groups: dict[str, str | None],
) -> list[dict[str, object]]:
    """The rows of the table of doubts."""
    rows: list[dict[str, object]] = []
    labels = set()
    for person in people:
        labels.add(person.label)
        links = _links(person)
        for doubt in person.choice.doubts:
            one = doubt.candidate
            link = links.get(one.files) if one else None
            modality = one.modality if one else None
            todo = doubt.todo.format(subject=person.label, link=link, modality=modality)
            row = {"subject": person.label, "reason": doubt.reason, "what_to_do": todo}
            rows.append(
                row | {"modality": modality, "link": link} | (_described(one) if one else {})
            )
    rows += [
        {
            "subject": label,
            "reason": "is in participants.tsv, but has neither SPECT nor PET",
            "what_to_do": "add a row if there are scans elsewhere",
        }
        for label in groups
        if label not in labels
    ]
    rows += [
        {"reason": reason, "what_to_do": "export it again, or add its row yourself", "link": path}
        for path, reason in unreadable
    ]
    return rows


def _described(one: Candidate) -> dict[str, object]:
    return {
        "series_number": one.number,
        "series_description": one.description,
        "shape": one.shape,
        "date": one.date,
    }


def _links(person: Person) -> dict[tuple[Path, ...], str]:
    """Where in the dataset each scan of somebody is that is chosen or in doubt, by its files.

    What is chosen is ``sub-<label>/spect`` and ``sub-<label>/pet``, all else has a number.
    """
    links = {}
    chosen = (person.choice.spect, person.choice.pet)
    doubtful = [doubt.candidate for doubt in person.choice.doubts]
    numbers = {"spect": count(1), "pet": count(1)}
    for one in (scan for scan in person.scans if scan in chosen or scan in doubtful):
        name = one.modality if one in chosen else f"{one.modality}-{next(numbers[one.modality])}"
        ending = _ending(one.files[0])
        links[one.files] = f"sub-{person.label}/{name}{ending}"
    return links


def _ending(path: Path) -> str:
    """The ending of a NIfTI file's name; none for DICOM, which is linked as a folder."""
    return next((ending for ending in (".nii", ".nii.gz") if path.name.endswith(ending)), "")


def _write(folder: Path, people: Sequence[Person], doubts: list[dict[str, object]]) -> None:
    """Write links and tables into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for person in people:
        for files, link in _links(person).items():
            _link(files, folder / link)
    _subjects(people).to_csv(folder / TABLE, sep="\t", index=False)
    _write_private(
        folder / MAP, pd.DataFrame(map(_identity, people), columns=MAP_COLUMNS), f"{PRIVATE}\n"
    )
    # Whole numbers also where some are missing.
    table = pd.DataFrame(doubts, columns=DOUBT_COLUMNS).astype({"series_number": "Int64"})
    _write_private(folder / DOUBTFUL, table)


def _link(files: tuple[Path, ...], link: Path) -> None:
    """Link the files of one scan under names of their place alone."""
    if not _ending(link):
        link.mkdir(parents=True)
        for number, path in enumerate(files, 1):
            (link / f"{number:04d}.dcm").symlink_to(path.resolve())
        return
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(files[0].resolve())
    # By the name in the scans' folder: what that links to may have a name without meaning.
    sidecar = sidecar_path(files[0])
    if sidecar.exists():
        sidecar_path(link).symlink_to(sidecar.resolve())


def _subjects(people: Sequence[Person]) -> pd.DataFrame:
    """The subjects table itself, which names nobody."""
    taken = [one for one in people if one.choice.taken and one.choice.spect is not None]
    models = sorted({one.choice.spect.model for one in taken if one.choice.spect} - {""})
    letters = {model: _letters(i) for i, model in enumerate(models)}
    rows = []
    for person in taken:
        links = _links(person)
        spect, pet = person.choice.spect, person.choice.pet
        rows.append(
            {
                "subject": person.label,
                "spect": links[spect.files] if spect else None,
                "pet": links[pet.files] if pet else None,
                "scanner": letters.get(spect.model) if spect else None,
                "group": person.group,
            }
        )
    table = pd.DataFrame(rows, columns=["subject", "spect", "pet", "scanner", "group"])
    return table if table["group"].notna().any() else table.drop(columns="group")


def _letters(number: int) -> str:
    """A, B, …, Z, AA, AB, … for 0, 1, …."""
    first, last = divmod(number, 26)
    return (_letters(first - 1) if first else "") + chr(ord("A") + last)


def _identity(person: Person) -> dict[str, str]:
    """Who somebody is: what links the label to the person."""

    def every(values: Iterable[object]) -> str:
        return "; ".join(sorted({str(value) for value in values if value}))

    scans = person.scans
    return {
        "subject": person.label,
        "patient_id": every(one.patient_id for one in scans),
        "patient_name": every(one.patient_name for one in scans),
        "study_dates": every(one.date for one in scans),
        "series_descriptions": every(one.description for one in scans),
        "scanner_model": every(one.model for one in scans if one.modality == "spect"),
        "folders": every(file.parent.resolve() for one in scans for file in one.files),
    }


def _write_private(path: Path, table: pd.DataFrame, head: str = "") -> None:
    """Write a table that its owner alone may read."""
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(head)
        table.to_csv(stream, sep="\t", index=False, lineterminator="\n")
