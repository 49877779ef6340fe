"""Packing axial slices of registered images into arrays that training reads in one go."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spect2pet.errors import InputError
from spect2pet.images import CBF_UNIT, read_image
from spect2pet.provenance import write_json
from spect2pet.tables import read_table, write_table

log = logging.getLogger(__name__)

#: The sets that a network sees while it learns; test subjects are never packed.
PACKED_SETS = ("train", "validation")

COLUMNS = {
    "row": "Row of the slice in the set's array, from 0",
    "set": "Set of the subject, train or validation, and name of its array",
    "subject": "Subject label, without the prefix sub-",
    "slice": "Index of the axial slice along z of the study grid, from 0",
}

Files = Mapping[str, Path]


def pack(
    subjects: Mapping[str, Files],
    sets: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    train: str | Path,
    validation: str | Path,
    brain: str | Path,
    table: str | Path,
    scale: str | Path,
    made_by: Mapping[str, Any],
) -> None:
    """Write the slices of the training and validation subjects as two arrays.

    Each array is float32 (n, 2, H, W): channel 0 SPECT, channel 1 PET, both divided by one
    intensity scale, so that 1 stands for a CBF of that scale.  H is the image's first index (left
    to right), W its second (back to front).  The intensity scale is a percentile of the PET voxels
    within the brains of the training subjects alone.

    Args:
        subjects: by subject, its files ``spect``, ``pet`` and ``mask`` on the study grid.
        sets: the subjects of the sets ``train`` and ``validation``.
        settings: keys ``min_coverage`` (slices with fewer brain voxels than this fraction of the
            subject's largest slice are left out) and ``scale_percentile``.
        train: array of training slices to write (.npy).
        validation: array of validation slices to write (.npy).
        brain: brain masks of the validation slices to write (.npy), bool (n, H, W).
        table: table of the arrays' rows to write (.tsv).
        scale: intensity scale to write (.json).
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: a subject is in two sets, the training set has fewer than two slices or the
            validation set none, or a subject's images are damaged or do not fit together.
    """
    check_sets(sets)
    slices = {
        subject: brain_slices(read_subject(subject, files)["mask"], settings["min_coverage"])
        for subject, files in subjects.items()
    }
    rows = _rows(sets, slices)
    teachers = {subject: subjects[subject] for subject in sets["train"]}
    intensity = intensity_scale(teachers, settings["scale_percentile"])
    for name, path in (("train", train), ("validation", validation)):
        images, brains = _stack(rows[rows["set"] == name], subjects)
        np.save(path, images / np.float32(intensity))
        log.info("%s: %d slices of %d subjects", name, len(images), len(sets[name]))
        if name == "validation":
            np.save(brain, brains)
    write_table(table, rows, COLUMNS, made_by)
    write_json(
        scale,
        {
            "scale": intensity,
            "Units": CBF_UNIT,
            "Description": "CBF that 1 stands for in the packed arrays",
            "Percentile": settings["scale_percentile"],
            "Subjects": sets["train"],
            "GeneratedBy": made_by,
        },
    )


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote, read back.

    Attributes:
        train: training slices, float32 (n, 2, H, W), CBF as a fraction of the scale.
        validation: validation slices, likewise.
        brain: brain masks of the validation slices, bool (n, H, W).
        rows: the table of rows of both sets.
        scale: intensity scale, mL/100 g/min.
    """

    train: np.ndarray
    validation: np.ndarray
    brain: np.ndarray
    rows: pd.DataFrame
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the slices (H, W)."""
        return self.train.shape[2], self.train.shape[3]

    def of_set(self, name: str) -> pd.DataFrame:
        """Rows of one set, in the order of its array."""
        return self.rows[self.rows["set"] == name].reset_index(drop=True)

    def name(self, row: int) -> str:
        """Subject and slice of a row of the training array, for messages."""
        subject, k = self.of_set("train").loc[row, ["subject", "slice"]]
        return f"sub-{subject} slice {k}"


def read(
    train: str | Path,
    validation: str | Path,
    brain: str | Path,
    table: str | Path,
    scale: str | Path,
) -> Packed:
    """Read the files that `pack` wrote; arguments as the attributes of `Packed`.

    Raises:
        InputError: a file is damaged, the files are not of one packing, or a training slice holds
            NaN or infinity.
    """
    try:
        packed = Packed(
            train=np.load(train),
            validation=np.load(validation),
            brain=np.load(brain),
            rows=read_table(table),
            scale=float(json.loads(Path(scale).read_text(encoding="utf-8"))["scale"]),
        )
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"{Path(train).parent}: the packed slices cannot be read ({error}); "
            "delete the folder and run the workflow again"
        ) from error
    if [len(packed.train), len(packed.validation), len(packed.brain)] != [
        len(packed.of_set(name)) for name in ("train", "validation", "validation")
    ]:
        raise InputError(
            f"{table}: its rows are not those of the arrays beside it; "
            "delete the folder and run the workflow again"
        )
    finite = np.isfinite(packed.train).all(axis=(1, 2, 3))
    if not finite.all():
        raise InputError(
            f"{train}: {packed.name(int(np.argmin(finite)))} holds NaN or infinity; "
            "delete the file and run the workflow again"
        )
    return packed


def check_sets(sets: Mapping[str, Sequence[str]]) -> None:
    """Make sure that no subject is in two sets.

    Args:
        sets: subjects by set.

    Raises:
        InputError: a subject stands in two sets, or twice in one.
    """
    seen: dict[str, str] = {}
    for name, members in sets.items():
        for subject in members:
            if subject in seen:
                raise InputError(
                    f"sub-{subject} is in the {seen[subject]} set and again in the {name} set, "
                    "which would leak one into the other; give every subject one row and one set "
                    "in the subjects table"
                )
            seen[subject] = name


def brain_slices(mask: np.ndarray, min_coverage: float) -> list[int]:
    """Indices along z of the slices that hold enough brain.

    Args:
        mask: the brain, bool (x, y, z).
        min_coverage: smallest fraction of the brain voxels of the largest slice.

    Returns:
        The indices, from foot to head.
    """
    voxels = mask.sum(axis=(0, 1))
    return np.flatnonzero((voxels > 0) & (voxels >= min_coverage * voxels.max())).tolist()


def intensity_scale(subjects: Mapping[str, Files], percentile: float) -> float:
    """The CBF that images are divided by before they meet a network.

    Args:
        subjects: files of the training subjects.
        percentile: of all their PET voxels within the brain.

    Returns:
        The intensity scale, mL/100 g/min.

    Raises:
        InputError: the scale is not positive.
    """
    volumes = (read_subject(subject, files) for subject, files in subjects.items())
    brains = [volume["pet"][volume["mask"]] for volume in volumes]
    scale = float(np.percentile(np.concatenate(brains), percentile))
    if not scale > 0:
        raise InputError(
            f"PET of the training subjects ({', '.join(subjects)}) has a {percentile}th percentile "
            f"of {scale:.3g} {CBF_UNIT} in the brain; check its unit and registration"
        )
    return scale


def read_subject(subject: str, files: Files) -> dict[str, np.ndarray]:
    """Images of one subject on the study grid.

    Args:
        subject: name of the subject, for messages.
        files: its files ``spect``, ``pet`` and ``mask``.

    Returns:
        The volumes (x, y, z): SPECT and PET in mL/100 g/min, the mask as bool.

    Raises:
        InputError: the mask is empty, or the images differ in size or are not finite.
    """
    volumes = {name: read_image(path)[0] for name, path in files.items()}
    volumes["mask"] = volumes["mask"] > 0
    again = f"delete {files['spect']} and its neighbours and run the workflow again"
    if len({volume.shape for volume in volumes.values()}) > 1:
        raise InputError(f"sub-{subject}: SPECT, PET and brain mask differ in size; {again}")
    for name in ("spect", "pet"):
        if not np.isfinite(volumes[name]).all():
            raise InputError(f"sub-{subject}: {files[name]} holds NaN or infinity; {again}")
    if not volumes["mask"].any():
        raise InputError(
            f"sub-{subject}: the brain mask {files['mask']} is empty; check its registration"
        )
    return volumes


def _rows(sets: Mapping[str, Sequence[str]], slices: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """The table of packed slices, and the check that there is something to learn from."""
    rows = pd.DataFrame(
        [(s, subject, k) for s in PACKED_SETS for subject in sets[s] for k in slices[subject]],
        columns=["set", "subject", "slice"],
    )
    rows.insert(0, "row", rows.groupby("set").cumcount())
    count = rows["set"].value_counts()
    for name, least in (("train", 2), ("validation", 1)):
        if count.get(name, 0) < least:
            raise InputError(
                f"the {name} set has {len(sets[name])} subjects with {count.get(name, 0)} "
                f"slices in all, fewer than {least}; give it more subjects under `split:`, or "
                "lower slices: min_coverage"
            )
    return rows


def _stack(rows: pd.DataFrame, subjects: Mapping[str, Files]) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 2, H, W) in mL/100 g/min and brain masks (n, H, W) of the rows of one set."""
    images, brains = [], []
    for subject, of_subject in rows.groupby("subject", sort=False):
        volumes = read_subject(str(subject), subjects[str(subject)])
        chosen = of_subject["slice"].to_numpy()
        pair = np.stack([volumes["spect"], volumes["pet"]])[..., chosen]
        images.append(np.moveaxis(pair, -1, 0))
        brains.append(np.moveaxis(volumes["mask"][..., chosen], -1, 0))
    return np.concatenate(images), np.concatenate(brains)
