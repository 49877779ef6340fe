"""How alike two CBF images are: SSIM, PSNR and NRMSE against PET, and what `quality` adds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from spect2pet.core.errors import InputError
from spect2pet.evaluate import quality
from spect2pet.evaluate.evaluation import REFERENCE, to_relative

#: scikit-image cuts the Gaussian window of SSIM at this many standard deviations, which
#: makes it 11 voxels wide for the published sigma of 1.5 voxels.
TRUNCATE = 3.5


@dataclass(frozen=True)
class Settings:
    """Constants of the measures; all of them stand in the tables too.

    The SSIM constants are those of Wang et al., IEEE Trans Image Process 13:600 (2004).

    Attributes:
        sigma: standard deviation of the Gaussian SSIM window, voxels.
        k1: luminance constant of SSIM.
        k2: contrast constant of SSIM.
        data_range: range of CBF that SSIM and PSNR refer to, mL/100 g/min.
        min_coverage: slices with fewer brain voxels than this fraction of the
            subject's largest slice do not count.
        voxel_mm: edge of a voxel of the study grid, mm.
    """

    sigma: float
    k1: float
    k2: float
    data_range: float
    min_coverage: float
    voxel_mm: float

    @property
    def constants(self) -> tuple[float, float]:
        """C1 and C2 of SSIM."""
        return (self.k1 * self.data_range) ** 2, (self.k2 * self.data_range) ** 2

    @property
    def window(self) -> int:
        """Width of the SSIM window in voxels."""
        return 2 * self.radius + 1

    @property
    def radius(self) -> int:
        """How far the SSIM window reaches from its centre, voxels."""
        return int(TRUNCATE * self.sigma + 0.5)


def compare(
    image: np.ndarray, pet: np.ndarray, mask: np.ndarray, settings: Settings
) -> tuple[dict[str, float], pd.DataFrame]:
    """Measure one image against PET.

    Args:
        image: SPECT or P2P, mL/100 g/min, (x, y, z) with axial slices last.
        pet: the reference on the same grid, mL/100 g/min.
        mask: the brain on the same grid; anything but 0 is brain.
        settings: constants of the measures.

    Returns:
        SSIM, PSNR and NRMSE by the names of `evaluation.MEASURES`, and one row for each slice that
        counts: ``slice`` (index along z), ``coverage`` (brain voxels over those of
        the largest slice), ``ssim`` (in the brain) and ``ssim_whole_slice``.

    Raises:
        InputError: the brain mask is empty or the grids differ.
    """
    if not image.shape == pet.shape == mask.shape:
        raise InputError(
            f"the images differ in size ({image.shape}, {pet.shape}, mask {mask.shape}); "
            "delete the registered and synthetic images and run the workflow again"
        )
    brain = mask > 0
    if not brain.any():
        raise InputError("the brain mask is empty; check the registration of this subject")
    image, pet = image.astype(np.float64), pet.astype(np.float64)
    slices = _compare_slices(image, pet, brain, settings)
    measures = {
        "ssim_slice": slices["ssim"].mean(),
        "ssim_volume": _ssim_volume(image, pet, brain, settings),
        "ssim_whole_slice": slices["ssim_whole_slice"].mean(),
        "psnr_db": peak_signal_noise_ratio(
            pet[brain], image[brain], data_range=settings.data_range
        ),
        "nrmse": normalized_root_mse(pet[brain], image[brain], normalization="mean"),
    }
    return {name: float(value) for name, value in measures.items()}, slices


def compare_subject(
    subject: str,
    images: Mapping[str, np.ndarray],
    relative: Mapping[str, bool],
    mask: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every image of a subject against its PET.

    Where one of the two images of a comparison is known only relative, both are
    first scaled to the same mean in the brain: otherwise the arbitrary scale of the
    counts, not the image, would be measured.

    Args:
        subject: name of the subject.
        images: the images by name; ``PET`` is the reference. (x, y, z), mL/100 g/min.
        relative: by the same names, whether the image is known only relative.
        mask: the brain on the same grid.
        labels: atlas labels on the same grid, 0 outside all regions.
        settings: constants of the measures.

    Returns:
        A table with one row an image and its constants, and a table with one row an
        image and slice.

    Raises:
        InputError: as `compare` and `to_relative`, naming the subject.
    """
    rows, slices = [], []
    for name in images:
        if name == REFERENCE:
            continue
        pair = {name: images[name], REFERENCE: images[REFERENCE]}
        rescaled = relative[name] or relative[REFERENCE]
        try:
            if rescaled:
                pair = {key: to_relative(image, mask) for key, image in pair.items()}
            measures, of_slices = compare(pair[name], pair[REFERENCE], mask, settings)
            counted = of_slices["slice"].to_numpy()
            measures |= _quality(pair[name], pair[REFERENCE], mask > 0, labels, counted, settings)
        except InputError as error:
            raise InputError(f"sub-{subject}: {name} against {REFERENCE}: {error}") from None
        if rescaled:  # both have one mean by then
            measures |= {"bias": np.nan, "absolute_bias": np.nan}
        about: dict[str, Any] = {"subject": subject, "image": name, "relative": rescaled}
        constants = {"region": "brain mask", "window": settings.window, **asdict(settings)}
        rows.append({**about, **measures, "slices": len(of_slices), **constants})
        slices.append(of_slices.assign(**about)[[*about, *of_slices.columns]])
    return pd.DataFrame(rows), pd.concat(slices, ignore_index=True)


def _quality(
    image: np.ndarray,
    pet: np.ndarray,
    brain: np.ndarray,
    labels: np.ndarray,
    slices: np.ndarray,
    settings: Settings,
) -> dict[str, float]:
    """The measures of `quality`, by the names of `evaluation.MEASURES` and `DESCRIBED`."""
    bias = quality.bias(image, pet, brain)
    contrast = quality.grey_white_contrast(image, pet, brain, labels)
    return {
        "ms_ssim": quality.ms_ssim(
            image,
            pet,
            brain,
            slices,
            sigma=settings.sigma,
            radius=settings.radius,
            constants=settings.constants,
        ),
        "absolute_bias": abs(bias),
        "hfen": quality.hfen(image, pet, brain),
        "fsc_resolution_mm": quality.fsc_resolution_mm(image, pet, brain, settings.voxel_mm),
        "contrast_error": abs(contrast - 1),
        "bias": bias,
        "grey_white_contrast": contrast,
        "white_noise": quality.white_noise(image, brain, labels),
        "white_noise_pet": quality.white_noise(pet, brain, labels),
    }


def _compare_slices(
    image: np.ndarray, pet: np.ndarray, brain: np.ndarray, settings: Settings
) -> pd.DataFrame:
    """SSIM of every axial slice with enough brain in it."""
    voxels = brain.sum(axis=(0, 1))
    coverage = voxels / voxels.max()
    rows = []
    for k in np.flatnonzero((voxels > 0) & (coverage >= settings.min_coverage)):
        mean, ssim_map = _ssim(image[:, :, k], pet[:, :, k], settings)
        rows.append(
            {
                "slice": int(k),
                "coverage": coverage[k],
                "ssim": ssim_map[brain[:, :, k]].mean(),
                "ssim_whole_slice": mean,
            }
        )
    return pd.DataFrame(rows)


def _ssim_volume(
    image: np.ndarray, pet: np.ndarray, brain: np.ndarray, settings: Settings
) -> float:
    """Mean over the brain of the three-dimensional SSIM map."""
    # What lies further from the brain than the window reaches cannot change the result.
    reach = settings.radius
    box = tuple(slice(max(at.min() - reach, 0), at.max() + reach + 1) for at in np.nonzero(brain))
    return float(_ssim(image[box], pet[box], settings)[1][brain[box]].mean())


def _ssim(image: np.ndarray, pet: np.ndarray, settings: Settings) -> tuple[float, np.ndarray]:
    """Mean and map of SSIM with a Gaussian window, as Wang et al. (2004) define it."""
    return structural_similarity(
        pet,
        image,
        full=True,
        gaussian_weights=True,
        use_sample_covariance=False,
        sigma=settings.sigma,
        K1=settings.k1,
        K2=settings.k2,
        data_range=settings.data_range,
    )
