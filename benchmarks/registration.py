"""Error and time of rigid registration on simulated subjects, whose true poses are known.

Each subject is registered as simulated, then moved by a further 30° (or 60°) and 60 mm in
directions drawn anew, and then with the lowest 35 mm of the head cut off the SPECT or the PET as
well.  ANTs with its own defaults, started from the centres of mass, does the same for comparison.
The error is the mean distance, over the brain, between where a place was put and where it belongs.

Simulate the cohort (snakemake cohort), then run from the repository:
PYTHONPATH=workflow/scripts python benchmarks/registration.py results/cohort
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

import ants
import nibabel as nib
import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from spect2pet.core import grids, images, itk
from spect2pet.register import registration

CUT_MM = 35.0


class Case(NamedTuple):
    """Two images, where they belong (PET to SPECT millimetres) and the places that count."""

    spect: tuple[np.ndarray, np.ndarray]
    pet: tuple[np.ndarray, np.ndarray]
    true: np.ndarray
    points: np.ndarray


def ours(case: Case) -> np.ndarray:
    """Global search, then ANTs."""
    return registration.coregister(*case.spect, *case.pet, seed=1)


def ants_alone(case: Case) -> np.ndarray:
    """ANTs with its defaults."""
    fixed, moving = registration._to_ants(*case.pet), registration._to_ants(*case.spect)
    ants.config.set_ants_deterministic(False, seed_value=1)
    found = ants.registration(fixed, moving, type_of_transform="Rigid")
    return itk.read_linear(found["fwdtransforms"][0])


METHODS: dict[str, Callable[[Case], np.ndarray]] = {"spect2pet": ours, "ANTs alone": ants_alone}


def load(folder: Path) -> Case:
    """A simulated subject as it is."""
    name = folder.name
    read = {}
    for modality in ("spect", "pet"):
        path = folder / modality / f"{name}_{modality}.nii.gz"
        image = nib.as_closest_canonical(nib.Nifti1Image.from_filename(path))
        read[modality] = np.asarray(image.dataobj, dtype=np.float32), image.affine
    truth = json.loads((folder / "truth" / f"{name}_truth.json").read_text(encoding="utf-8"))
    pet, affine = read["pet"]
    voxels = np.argwhere(images.rough_brain_mask(pet))
    points = np.c_[voxels, np.ones(len(voxels))] @ affine.T
    true = np.array(truth["spect_pose"]) @ np.linalg.inv(truth["pet_pose"])
    return Case(read["spect"], (pet, affine), true, points)


def far(case: Case, rng: np.random.Generator, degrees: float = 30) -> Case:
    """The case with the SPECT turned and shifted by 60 mm."""
    axis, direction = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    extra = np.eye(4)
    extra[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()
    extra[:3, 3] = 60 * direction
    spect, affine = case.spect
    return case._replace(spect=(spect, extra @ affine), true=extra @ case.true)


def cut(image: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The image without the lowest part of the head, as from a scanner too short for it."""
    data, affine = image
    low = grids.brain_bounds(data, affine)[0][2] + CUT_MM
    first = round((low - affine[2, 3]) / affine[2, 2])
    shifted = affine.copy()
    shifted[:3, 3] += affine[:3, 2] * first
    return data[:, :, first:], shifted


def main() -> None:
    """Measure and print the table."""
    rng, rows = np.random.default_rng(5), []
    folders = sorted(Path(sys.argv[1]).glob("sub-*"))[: int(sys.argv[2]) if sys.argv[2:] else None]
    for folder in folders:
        plain = load(folder)
        cases = {
            "as simulated": plain,
            "far": far(plain, rng),
            "turned by 60°": far(plain, rng, degrees=60),
            "far, SPECT cut": far(plain._replace(spect=cut(plain.spect)), rng),
            "far, PET cut": far(plain._replace(pet=cut(plain.pet)), rng),
        }
        for name, case in cases.items():
            for method, register in METHODS.items():
                start = time.process_time()
                off = register(case) - case.true
                seconds = time.process_time() - start
                error = np.linalg.norm(case.points @ off.T[:, :3], axis=1).mean()
                rows.append({"case": name, "method": method, "error": error, "seconds": seconds})
    table = pd.DataFrame(rows).groupby(["case", "method"], sort=False)
    print(f"{len(folders)} subjects, {platform.processor() or platform.machine()}, one thread")
    summary = table.agg(
        error_mm_median=("error", "median"),
        error_mm_worst=("error", "max"),
        within_2_mm=("error", lambda error: f"{(error < 2).sum()}/{len(error)}"),
        cpu_s_mean=("seconds", "mean"),
        cpu_s_worst=("seconds", "max"),
    )
    print(summary.round(2).to_string())


if __name__ == "__main__":
    main()
