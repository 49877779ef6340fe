"""Packed slices for tests: small volumes that a small network can learn from."""

from pathlib import Path

import numpy as np
import pandas as pd

from spect2pet.core.images import brain_level
from spect2pet.train.slices import Packed

#: Slices of a volume, and their size (H, W).
DEPTH = 4
SHAPE = (32, 40)
#: Slices that are learnt from, by set and subject.
LEARNT = {
    ("train", "01"): [1, 2, 3],
    ("train", "02"): [0, 1, 2],
    ("validation", "03"): [1],
    ("validation", "04"): [1, 2],
}


def packed(seed: int = 0, voxel_mm: float = 4.0, shape: tuple[int, int] = SHAPE) -> Packed:
    """Two training and two validation subjects with slices of a shape in multiples of 4.

    PET is random blocks within an empty border, the same through two slices, and SPECT is 0.6 of
    it.
    """
    rng = np.random.default_rng(seed)

    def volumes(count: int) -> np.ndarray:
        blocks = rng.random((count * DEPTH // 2, shape[0] // 4, shape[1] // 4))
        pet = np.kron(blocks, np.ones((2, 4, 4))).astype(np.float32)
        pet[:, :8] = pet[:, -8:] = pet[:, :, :8] = pet[:, :, -8:] = 0
        return np.stack([0.6 * pet, pet], axis=1)

    validation, train = volumes(2), volumes(2)
    subjects = np.split(train[:, 0], 2)
    return Packed(
        train=train,
        validation=validation,
        brain=validation[:, 1] > 0,
        rows=rows_of(LEARNT, DEPTH),
        scale=60.0,
        depth=DEPTH,
        voxel_mm=voxel_mm,
        levels=[brain_level(spect) for spect in subjects],
        ratios=[1 / 0.6, 1 / 0.6],
        digest=f"seed {seed}",
    )


def rows_of(learnt: dict[tuple[str, str], list[int]], depth: int) -> pd.DataFrame:
    """The table of rows to learn from, as `slices.pack` writes it."""
    rows, before = [], dict.fromkeys(("train", "validation"), 0)
    for (name, subject), heights in learnt.items():
        rows += [(before[name] * depth + k, name, subject, k) for k in heights]
        before[name] += 1
    return pd.DataFrame(rows, columns=["row", "set", "subject", "slice"])


def mapped(array: np.ndarray, path: Path, dtype: str = "float32") -> np.ndarray:
    """An array as it lies on disk."""
    np.save(path, array.astype(dtype))
    return np.load(path, mmap_mode="r")
