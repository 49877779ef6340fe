"""What evaluation speaks of: images, measures and scales, and a subject's files."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image, sidecar_path
from spect2pet.register.regions import region_table

IMAGES = ("SPECT", "P2P", "PET")
REFERENCE = "PET"
#: The column of region means of what no scanner sees: the true flow of a simulated subject.
TRUTH = "truth"
#: Sets in the order they are reported.  Only the first is the study's result: the
#: network was trained on the last and its settings may be chosen on the second.
SETS = ("test", "validation", "train")
HEADLINE_SET = SETS[0]

#: Measures of an image against PET; the first is the one the study published.
MEASURES = {
    "ssim_slice": "structural similarity index (1) of axial slices: mean of the map over the "
    "slice's brain voxels, then over slices",
    "ssim_volume": "structural similarity index (1) of the volume: mean of the "
    "three-dimensional map over brain voxels",
    "ssim_whole_slice": "structural similarity index (1) of axial slices, background included: "
    "scikit-image's mean over the slice, then over slices",
    "psnr_db": "peak signal-to-noise ratio over brain voxels, dB: 10 log10(data_range² / mean "
    "squared difference from PET)",
    "nrmse": "root mean squared difference from PET over brain voxels, as a fraction of PET's "
    "mean there (1)",
    "ms_ssim": "multi-scale structural similarity index (1) of axial slices at three scales, each "
    "half as fine as the one before: mean of the maps over the slice's brain voxels, then over "
    "slices",
    "absolute_bias": "absolute value of bias, mL/100 g/min",
    "hfen": "high-frequency error norm (1): norm of the difference from PET over brain voxels, as "
    "a fraction of PET's norm there, both through a Laplacian of Gaussian of 15 × 15 voxels of a "
    "slice and sigma 1.5 voxels",
    "fsc_resolution_mm": "wavelength at which the Fourier shell correlation with PET in the brain "
    "falls below 0.5, mm; PET is blurred and noisy itself, so this is what both share",
    "contrast_error": "absolute value of grey_white_contrast − 1 (1)",
}
HEADLINE_MEASURE = "ssim_slice"
LOWER_IS_BETTER = frozenset(
    {"nrmse", "absolute_bias", "hfen", "fsc_resolution_mm", "contrast_error"}
)
#: What is measured too but not tested, as neither more nor less of it is better.
DESCRIBED = {
    "bias": "mean of the image − PET over brain voxels, mL/100 g/min; n/a where an image is known "
    "only relative",
    "grey_white_contrast": "mean over all atlas regions as a multiple of the mean over white "
    "matter, divided by the same of PET (1); 1: the contrast of PET. White matter is the brain "
    "outside all regions, a voxel away from them and from the brain's edge",
    "white_noise": "noise of the image in white matter (1): standard deviation over mean of the "
    "27 voxels around a voxel, median over the white matter that holds all 27",
    "white_noise_pet": "the same of PET (1)",
}

SCALES = ("absolute", "relative")
#: Whole-brain mean of everything relative, mL/100 g/min.
RELATIVE_MEAN = 50.0
#: The row of a region table that holds the means over the whole brain mask.
BRAIN = "brain"


def read_subject(
    spect: str | Path, p2p: str | Path, pet: str | Path
) -> tuple[dict[str, np.ndarray], dict[str, bool]]:
    """Read the three images of a subject on the study grid.

    Args:
        spect: the registered SPECT.
        p2p: the generated image.
        pet: the PET.

    Returns:
        The voxels (x, y, z) in mL/100 g/min, and whether an image is known only
        relative (it came as counts), both by the names of `IMAGES`.

    Raises:
        InputError: a file or its sidecar is damaged, or the grids differ.
    """
    return read_images(dict(zip(IMAGES, (spect, p2p, pet), strict=True)))


def read_images(
    paths: Mapping[str, str | Path],
) -> tuple[dict[str, np.ndarray], dict[str, bool]]:
    """Read images of a subject on the study grid, PET among them.

    Args:
        paths: the files by name.

    Returns:
        The voxels (x, y, z) in mL/100 g/min, and whether an image is known only
        relative, both by name.

    Raises:
        InputError: a file or its sidecar is damaged, or the grids differ.
    """
    images = {name: read_image(path)[0] for name, path in paths.items()}
    for name in paths:
        if images[name].shape != images[REFERENCE].shape:
            raise InputError(
                f"{paths[name]}: {images[name].shape} voxels where PET has "
                f"{images[REFERENCE].shape}; delete both and run the workflow again"
            )
    return images, {name: is_relative(path) for name, path in paths.items()}


def is_relative(image: str | Path) -> bool:
    """Whether an image is known only relative, by the key ``Relative`` of its sidecar.

    Raises:
        InputError: the sidecar is missing, damaged or does not say.
    """
    sidecar = sidecar_path(image)
    try:
        return bool(json.loads(sidecar.read_text(encoding="utf-8"))["Relative"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{sidecar}: does not say whether the image is relative ({error!r}); "
            "delete it and run the workflow again"
        ) from error


def to_relative(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Scale an image to a mean of `RELATIVE_MEAN` in the brain.

    Args:
        image: voxels, in any unit proportional to flow.
        mask: the brain on the same grid; anything but 0 is brain.

    Returns:
        The scaled image, mL/100 g/min.

    Raises:
        InputError: the mean in the brain is not positive.
    """
    return image * relative_factor(image, mask)


def relative_factor(image: np.ndarray, mask: np.ndarray) -> float:
    """The factor by which `to_relative` scales an image."""
    mean = float(image[mask > 0].mean(dtype=np.float64))
    if not mean > 0:
        raise InputError(f"the mean over the brain is {mean:.3g}; check the image and its mask")
    return RELATIVE_MEAN / mean


def region_means(
    subject: str,
    images: Mapping[str, np.ndarray],
    relative: Mapping[str, bool],
    mask: np.ndarray,
    dseg: np.ndarray,
    groups: pd.DataFrame,
    true_flow: np.ndarray | None = None,
) -> pd.DataFrame:
    """Mean flow of a subject's images in every region of every atlas, and in the brain.

    Args:
        subject: label.
        images: images by the names of `IMAGES`, (x, y, z), mL/100 g/min.
        relative: by the same names, whether an image is known only relative.
        mask: the brain on the same grid; anything but 0 is brain.
        dseg: atlas labels on the same grid, 0 outside.
        groups: what `regions.load_groups` gave.
        true_flow: of a simulated subject, on the same grid.

    Returns:
        One row a region, columns as `evaluation_columns.SUBJECT_REGIONS`; `TRUTH` is missing
        where nobody knows it.
    """
    columns = {name.lower(): image for name, image in images.items()}
    if true_flow is not None:
        columns[TRUTH] = true_flow
    means = with_brain(region_table(columns, dseg, mask, groups), columns, mask)
    means.insert(0, "subject", subject)
    means["relative"] = any(relative.values())
    if true_flow is None:
        means[TRUTH] = np.nan
    return means


def with_brain(table: pd.DataFrame, images: Mapping[str, np.ndarray], mask: np.ndarray):
    """Add the row of the whole brain to the region means of a subject.

    Args:
        table: region means, columns ``atlas``, ``region``, ``hemisphere``,
            ``voxels`` and one an image.
        images: the images by column name, (x, y, z).
        mask: the brain on the same grid; anything but 0 is brain.

    Returns:
        The table with a last row of atlas and region `BRAIN`.
    """
    brain = mask > 0
    row = {
        "atlas": BRAIN,
        "region": BRAIN,
        "hemisphere": "both",
        "voxels": int(brain.sum()),
        **{name: image[brain].mean(dtype=np.float64) for name, image in images.items()},
    }
    return pd.concat([table, pd.DataFrame([row])], ignore_index=True)


def on_scale(regions: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Region means as they enter a regression.

    Args:
        regions: region means of subjects, columns ``subject``, ``atlas``,
            ``relative``, ``spect``, ``p2p`` and ``pet``, and `TRUTH` if it is known of
            some, with the row of the whole brain of every subject.
        scale: ``absolute`` (mL/100 g/min; subjects known only relative are left out)
            or ``relative`` (each image scaled to a whole-brain mean of
            `RELATIVE_MEAN`, so that errors of quantification cancel).

    Returns:
        The rows that count, without those of the whole brain.
    """
    of_brain = regions["atlas"] == BRAIN
    if scale == "absolute":
        return regions[~of_brain & ~regions["relative"]]
    brain = regions[of_brain].set_index("subject")
    scaled = regions[~of_brain].copy()
    for name in [image.lower() for image in IMAGES] + ([TRUTH] if TRUTH in scaled else []):
        scaled[name] *= RELATIVE_MEAN / scaled["subject"].map(brain[name])
    return scaled
