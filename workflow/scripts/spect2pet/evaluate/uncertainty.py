"""How far the disagreement of a model's networks tells where P2P is wrong."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import stats

from spect2pet.core.errors import InputError
from spect2pet.evaluate.evaluation import SCALES, relative_factor

#: Bins of a calibration curve, of equally many voxels each.
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Expected and actual error, over the voxels of one brain.

    Attributes:
        voxels: number of voxels in each bin, the smallest standard deviations first.
        sd: mean standard deviation in each bin.
        rmse: root mean squared error in each bin.
        spearman: rank correlation of standard deviation and absolute error over all voxels;
            NaN where one of them does not vary.
    """

    voxels: np.ndarray
    sd: np.ndarray
    rmse: np.ndarray
    spearman: float


def calibrate(sd: np.ndarray, error: np.ndarray, bins: int = BINS) -> Calibration:
    """Compare the errors of voxels with the standard deviations that foretell them.

    Args:
        sd: standard deviation over networks, one a voxel.
        error: P2P − PET of the same voxels.
        bins: number of bins, which differ by at most one voxel.

    Returns:
        The calibration: were the standard deviation that of the error, ``rmse`` would be the
        root mean square of ``sd`` in every bin.
    """
    sd, error = sd.astype(np.float64), error.astype(np.float64)
    parts = np.array_split(np.argsort(sd, kind="stable"), bins)
    vary = np.ptp(sd) > 0 and np.ptp(np.abs(error)) > 0
    return Calibration(
        voxels=np.array([len(part) for part in parts]),
        sd=np.array([sd[part].mean() for part in parts]),
        rmse=np.array([np.sqrt(np.mean(error[part] ** 2)) for part in parts]),
        spearman=float(stats.spearmanr(sd, np.abs(error)).statistic) if vary else np.nan,
    )


def measure_subject(
    subject: str,
    images: Mapping[str, np.ndarray],
    deviation: np.ndarray,
    relative: Mapping[str, bool],
    mask: np.ndarray,
) -> pd.DataFrame:
    """Calibration of one subject's uncertainty in the brain.

    Args:
        subject: label.
        images: P2P and PET by the names of `evaluation.IMAGES`, (x, y, z), mL/100 g/min.
        deviation: standard deviation over the networks on the same grid, mL/100 g/min.
        relative: by the same names as the images, whether an image is known only relative.
        mask: the brain on the same grid; anything but 0 is brain.

    Returns:
        One row a scale and bin, columns as `evaluation_columns.SUBJECT_UNCERTAINTY`.  On the
        relative scale P2P and PET have the same mean in the brain, so that the error of
        quantification, of which networks cannot know, is no part of the error; a subject with
        an image known only relative has this scale alone.

    Raises:
        InputError: the brain has fewer voxels than there are bins, or no flow, or the grids
            differ.
    """
    if deviation.shape != mask.shape:
        raise InputError(
            f"sub-{subject}: the uncertainty map has {deviation.shape} voxels where the brain mask "
            f"has {mask.shape}; delete the subject's synthetic images and run the workflow again"
        )
    brain = mask > 0
    if brain.sum() < BINS:
        raise InputError(
            f"sub-{subject}: the brain mask has {brain.sum()} voxels; "
            "check the registration of this subject"
        )
    p2p, pet = (images[name][brain].astype(np.float64) for name in ("P2P", "PET"))
    sd = deviation[brain].astype(np.float64)
    of_p2p, of_pet = (relative_factor(images[name], mask) for name in ("P2P", "PET"))
    known = {"absolute": (sd, p2p - pet), "relative": (of_p2p * sd, of_p2p * p2p - of_pet * pet)}
    some_relative = relative["P2P"] or relative["PET"]
    rows = []
    for scale in SCALES:
        if scale == "absolute" and some_relative:
            continue
        bins = pd.DataFrame(asdict(calibrate(*known[scale])))
        bins.insert(0, "bin", range(1, BINS + 1))
        rows.append(bins.assign(subject=subject, relative=some_relative, scale=scale))
    table = pd.concat(rows, ignore_index=True)
    about = ["subject", "relative", "scale"]
    return table[about + [name for name in table if name not in about]]
