"""Packing registered volumes into arrays that training reads in one go, or slice by slice."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from spect2pet.core import files
from spect2pet.core.errors import InputError
from spect2pet.core.images import CBF_UNIT, brain_level, read_image
from spect2pet.core.provenance import write_json
from spect2pet.core.tables import read_table, write_table
from spect2pet.train.frames import Frame

log = logging.getLogger(__name__)

#: The sets that a network sees while it learns; test subjects are never packed.
PACKED_SETS = ("train", "validation")
#: Width of the bins from which the intensity scale is read, mL/100 g/min, and their number.
BIN = 0.01
BINS = 1_000_000

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
    """Write the volumes of the training and validation subjects as two arrays of axial slices.

    Each array is (n, 2, H, W): channel 0 SPECT, channel 1 PET, both divided by one intensity
    scale, so that 1 stands for a CBF of that scale.  H is the image's first index (left to right),
    W its second (back to front).  Every slice of a subject is there, from foot to head, so that a
    slice's neighbours lie beside it; the table names the rows that are learnt from.  The intensity
    scale is a percentile of the PET voxels within the brains of the training subjects alone.

    Subjects are read one at a time and written as they are read, so memory does not grow with
    their number.

    Args:
        subjects: by subject, its files ``spect``, ``pet`` and ``mask`` on the study grid.
        sets: the subjects of the sets ``train`` and ``validation``.
        settings: keys ``min_coverage`` (slices with fewer brain voxels than this fraction of the
            subject's largest slice are not learnt from), ``scale_percentile`` and ``dtype``
            (float32 or float16).
        train: array of training slices to write (.npy).
        validation: array of validation slices to write (.npy).
        brain: brain masks of the validation slices to write (.npy), bool (n, H, W).
        table: table of the rows to learn from to write (.tsv).
        scale: intensity scale to write (.json), with what else is to be known of the arrays.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: a subject is in two sets, the training set has fewer than two slices or the
            validation set none, or a subject's images are damaged or do not fit together.
    """
    check_sets(sets)
    survey = _survey(subjects, sets, settings)
    rows = _rows(sets, survey.slices, survey.shape[2])
    # The rows too: the same arrays with other slices to learn from are another training.
    digest = hashlib.sha256(rows.to_csv(index=False).encode())
    images = {"train": Path(train), "validation": Path(validation)}
    with files.whole(brain) as partial, partial.open("wb") as brains:
        _begin(brains, len(sets["validation"]), survey.shape, 0, "bool")
        for name, path in images.items():
            with files.whole(path) as part, part.open("wb") as stream:
                _begin(stream, len(sets[name]), survey.shape, 2, settings["dtype"])
                for subject in sets[name]:
                    volumes = read_subject(subject, subjects[subject])
                    pair = np.stack([volumes["spect"], volumes["pet"]]) / np.float32(survey.scale)
                    pairs = np.ascontiguousarray(np.moveaxis(pair, -1, 0), settings["dtype"])
                    mask = np.ascontiguousarray(np.moveaxis(volumes["mask"], -1, 0))
                    stream.write(pairs.data)
                    if name == "validation":
                        brains.write(mask.data)
                    digest.update(pairs.data)
                    digest.update(mask.data)
            count = (rows["set"] == name).sum()
            log.info("%s: %d slices of %d subjects", name, count, len(sets[name]))
    write_table(table, rows, COLUMNS, made_by)
    write_json(
        scale,
        {
            "scale": survey.scale,
            "Units": CBF_UNIT,
            "Description": "CBF that 1 stands for in the packed arrays",
            "Percentile": settings["scale_percentile"],
            "Subjects": sets["train"],
            "Slices": survey.shape[2],
            "VoxelSize": survey.voxel_mm,
            "Levels": {name: survey.levels[name] / survey.scale for name in sets["train"]},
            "Ratios": {name: survey.ratios[name] for name in sets["train"]},
            "Digest": digest.hexdigest()[:16],
            "GeneratedBy": made_by,
        },
    )


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote, read back.

    Attributes:
        train: training slices (n, 2, H, W), CBF as a fraction of the scale; may be memory-mapped.
        validation: validation slices, likewise.
        brain: brain masks of the validation slices, bool (n, H, W).
        rows: the table of the rows of both sets that are learnt from.
        scale: intensity scale, mL/100 g/min.
        depth: slices of a volume.
        voxel_mm: size of a voxel, mm.
        digest: fingerprint of the arrays, the brain masks and the rows.
    """

    train: np.ndarray
    validation: np.ndarray
    brain: np.ndarray
    rows: pd.DataFrame
    scale: float
    depth: int
    voxel_mm: float
    levels: list[float]
    ratios: list[float]
    digest: str

    @property
    def frame(self) -> Frame:
        """What a model for these slices has to know of them."""
        gain = float(np.exp(np.mean(np.log(self.ratios)))) if self.ratios else 1.0
        return Frame(self.shape, self.voxel_mm, gain)

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the slices (H, W)."""
        return self.train.shape[2], self.train.shape[3]

    def of_set(self, name: str) -> pd.DataFrame:
        """Rows of one set that are learnt from, in the order of its array."""
        return self.rows[self.rows["set"] == name].reset_index(drop=True)

    def name(self, row: int) -> str:
        """Subject and slice of a row of the training array, for messages."""
        named = self.of_set("train").set_index("row")
        subject, k = named.loc[row, ["subject", "slice"]]
        return f"sub-{subject} slice {k}"

    def volumes(self) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        """The validation subjects, one after the other.

        Yields:
            Label, rows of its slices that are learnt from, the volume's slices (Z, 2, H, W) in
            float32, and its brain mask (Z, H, W).
        """
        for subject, rows in self.of_set("validation").groupby("subject", sort=False):
            first = int(rows["row"].iloc[0] - rows["slice"].iloc[0])
            place = slice(first, first + self.depth)
            slices = np.array(self.validation[place], dtype=np.float32)
            yield (
                str(subject),
                rows["slice"].to_numpy(copy=True),
                slices,
                np.array(self.brain[place]),
            )


def read(
    train: str | Path,
    validation: str | Path,
    brain: str | Path,
    table: str | Path,
    scale: str | Path,
) -> Packed:
    """Open the files that `pack` wrote; arguments as the attributes of `Packed`.

    The arrays are memory-mapped: what is not asked for is not read.

    Raises:
        InputError: a file is damaged, or the files are not of one packing.
    """
    try:
        about = json.loads(Path(scale).read_text(encoding="utf-8"))
        packed = Packed(
            train=np.load(train, mmap_mode="r"),
            validation=np.load(validation, mmap_mode="r"),
            brain=np.load(brain, mmap_mode="r"),
            rows=read_table(table),
            scale=float(about["scale"]),
            depth=int(about["Slices"]),
            voxel_mm=float(about["VoxelSize"]),
            levels=[float(value) for value in about["Levels"].values()],
            ratios=[float(value) for value in about["Ratios"].values()],
            digest=str(about["Digest"]),
        )
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"{Path(train).parent}: the packed slices cannot be read ({error}); "
            "delete the folder and run the workflow again"
        ) from error
    for name, array in (
        ("train", packed.train),
        ("validation", packed.validation),
        ("validation", packed.brain),
    ):
        if len(array) != packed.depth * packed.of_set(name)["subject"].nunique():
            raise InputError(
                f"{table}: its rows are not those of the arrays beside it; "
                "delete the folder and run the workflow again"
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


@dataclass(frozen=True)
class Survey:
    """What has to be known of all subjects before the first is packed.

    Attributes:
        slices: by subject, the slices that are learnt from.
        shape: voxels of the study grid (x, y, z).
        voxel_mm: size of a voxel, mm.
        scale: intensity scale, mL/100 g/min.
        levels: by subject, `brain_level` of its SPECT, mL/100 g/min.
        ratios: by subject, mean of PET over that of SPECT in the brain.
    """

    slices: dict[str, list[int]]
    shape: tuple[int, int, int]
    voxel_mm: float
    scale: float
    levels: dict[str, float]
    ratios: dict[str, float]


def _survey(
    subjects: Mapping[str, Files], sets: Mapping[str, Sequence[str]], settings: Mapping[str, Any]
) -> Survey:
    """Look at every subject once.

    Raises:
        InputError: subjects differ in their grid, an image is damaged, or PET has no flow.
    """
    slices, shapes, sizes = {}, {}, {}
    levels: dict[str, float] = {}
    ratios: dict[str, float] = {}
    counts = np.zeros(BINS, dtype=np.int64)
    for subject, paths in subjects.items():
        volumes = read_subject(subject, paths)
        slices[subject] = brain_slices(volumes["mask"], settings["min_coverage"])
        shapes[subject] = volumes["pet"].shape
        affine = read_image(paths["pet"])[1]
        sizes[subject] = float(np.linalg.norm(affine[:3, 0]))
        if subject in sets["train"]:
            brain = volumes["mask"]
            counts += _histogram(volumes["pet"][brain])
            mean = {name: float(volumes[name][brain].mean()) for name in ("spect", "pet")}
            for name, flow in mean.items():
                if not flow > 0:
                    raise InputError(
                        f"sub-{subject}: {name.upper()} has a mean of {flow:.3g} {CBF_UNIT} "
                        "in the brain; check its unit and registration"
                    )
            levels[subject] = brain_level(volumes["spect"])
            ratios[subject] = mean["pet"] / mean["spect"]
    first = next(iter(subjects), "")
    odd = [subject for subject in subjects if shapes[subject] != shapes[first]]
    if odd:
        raise InputError(
            f"sub-{odd[0]}: the study grid has {shapes[odd[0]]} voxels where sub-{first} has "
            f"{shapes[first]}; delete both under results/registered and run the workflow again"
        )
    scale = _percentile(counts, settings["scale_percentile"]) if counts.any() else 0.0
    if counts.any() and scale < 2 * BIN:
        raise InputError(
            f"PET of the training subjects ({', '.join(sets['train'])}) has a "
            f"{settings['scale_percentile']}th percentile of 0 {CBF_UNIT} in the brain; "
            "check its unit and registration"
        )
    shape, size = shapes.get(first, (0, 0, 0)), sizes.get(first, 0.0)
    return Survey(slices, shape, size, scale, levels, ratios)


def _histogram(flow: np.ndarray) -> np.ndarray:
    """How many voxels fall into each bin of `BIN` mL/100 g/min, the last one open above."""
    bins = np.clip(flow / BIN, 0, BINS - 1).astype(np.int64)
    return np.bincount(bins, minlength=BINS)


def _percentile(counts: np.ndarray, percentile: float) -> float:
    """The upper edge of the bin that a percentile falls into, mL/100 g/min."""
    reached = np.cumsum(counts) >= counts.sum() * percentile / 100
    return float(round((int(np.argmax(reached)) + 1) * BIN, 2))


def _begin(
    stream: BinaryIO, subjects: int, shape: tuple[int, int, int], channels: int, dtype: str
) -> None:
    """The head of an array file for the slices of some subjects, which are then written in order.

    Not memory-mapped, where what is written would count as this process's memory.
    """
    x, y, depth = shape
    planes = (channels, x, y) if channels else (x, y)
    head = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (subjects * depth, *planes),
    }
    np.lib.format.write_array_header_1_0(stream, head)


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


def _rows(
    sets: Mapping[str, Sequence[str]], slices: Mapping[str, Sequence[int]], depth: int
) -> pd.DataFrame:
    """The table of rows, and the check that there is something to learn from."""
    rows = pd.DataFrame(
        [
            (number * depth + k, name, subject, k)
            for name in PACKED_SETS
            for number, subject in enumerate(sets[name])
            for k in slices[subject]
        ],
        columns=list(COLUMNS),
    )
    count = rows["set"].value_counts()
    for name, least in (("train", 2), ("validation", 1)):
        if count.get(name, 0) < least:
            raise InputError(
                f"the {name} set has {len(sets[name])} subjects with {count.get(name, 0)} "
                f"slices in all, fewer than {least}; give it more subjects under `split:`, or "
                "lower slices: min_coverage"
            )
    return rows
