"""What cases of wrong inputs are made of; the cases themselves are in `broken_inputs`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
AFFINE[:3, 3] = [-60, -70, -50]


@dataclass(frozen=True)
class Broken:
    """An input that must end in one sentence.

    Attributes:
        kind: ``nifti``, ``dicom`` or ``table``.
        name: what is wrong, in words.
        says: words that the sentence must hold.
        build: makes the files in a folder and gives the path that a user would name.
        modality: the column of the subjects table that names it.
    """

    kind: str
    name: str
    says: str
    build: Callable[[Path], Path]
    modality: str = "spect"


@dataclass(frozen=True)
class Sound:
    """An odd input that must be read right: `data` and `affine` in RAS+, `unit` by the table."""

    kind: str
    name: str
    build: Callable[[Path], Path]
    data: np.ndarray
    affine: np.ndarray
    modality: str = "spect"
    unit: str | None = None


BROKEN: list[Broken] = []
SOUND: list[Sound] = []


def broken(kind: str, says: str, modality: str = "spect"):
    """Put a building function into `BROKEN`, under its own name."""

    def keep(build):
        BROKEN.append(Broken(kind, build.__name__.replace("_", " "), says, build, modality))
        return build

    return keep


def sound(kind: str, data=None, affine=AFFINE, modality: str = "spect", unit: str | None = None):
    """Put a building function into `SOUND`, under its own name."""

    def keep(build):
        name = build.__name__.replace("_", " ")
        voxels = head() if data is None else data
        SOUND.append(Sound(kind, name, build, voxels, affine, modality, unit))
        return build

    return keep


def head(shape=(40, 48, 32), level=50.0) -> np.ndarray:
    """A head-sized block of uniform flow with one bright corner, on no flow."""
    data = np.zeros(shape, dtype=np.float32)
    data[8:30, 10:38, 6:26] = level
    data[9:13, 11:15, 7:10] = 2 * level
    return data


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write bytes under a name."""
    path = folder / name
    path.write_bytes(content)
    return path


def with_entry(array: np.ndarray, place, value) -> np.ndarray:
    """A copy of an array with one entry changed."""
    array = array.copy()
    array[place] = value
    return array
