"""What SSIM does not tell of an image: bias, fine detail, resolution, contrast, noise.

All images are (x, y, z) with axial slices last, on one grid, in mL/100 g/min.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import fft, ndimage

#: Weights of the scales of MS-SSIM, finest first: the first three of the five of Wang et al.
#: (2003), scaled to a sum of one.  At the fifth a slice is smaller than an SSIM window.
SCALE_WEIGHTS = np.array([0.0448, 0.2856, 0.3001]) / (0.0448 + 0.2856 + 0.3001)
#: Filter of HFEN (Ravishankar & Bresler, IEEE Trans Med Imaging 30:1028, 2011): 15 × 15, voxels.
HFEN_SIGMA, HFEN_RADIUS = 1.5, 7
#: Correlation of a measured with a perfect image at which a half of the power is signal
#: (Rosenthal & Henderson, J Mol Biol 333:721, 2003): the 0.143 of two equal halves.
FSC_THRESHOLD = 0.5
#: Standard deviation of the brain's soft edge before the Fourier transform, mm: a sharp one, the
#: same in both images, would correlate by itself.
FSC_EDGE_MM = 6.0


def ms_ssim(
    image: np.ndarray,
    pet: np.ndarray,
    brain: np.ndarray,
    slices: np.ndarray,
    *,
    sigma: float,
    radius: int,
    constants: tuple[float, float],
) -> float:
    """Multi-scale SSIM of axial slices (Wang, Simoncelli & Bovik, Asilomar Conf 2003).

    Contrast and structure at every scale, luminance at the coarsest, each the mean over the slice's
    brain voxels.  Slices are halved by the mean of 2 × 2 voxels.

    Args:
        image: the image.
        pet: the reference.
        brain: booleans.
        slices: indices of the axial slices that count.
        sigma: standard deviation of the Gaussian window, voxels of each scale.
        radius: how far it reaches, voxels.
        constants: C1 and C2 of SSIM, squares of K1 and K2 times the data range.

    Returns:
        Mean over the slices; NaN where no slice has brain left at the coarsest scale.
    """
    # What lies further from the brain than the coarsest window reaches changes nothing.
    reach = (radius + 1) * 2 ** (len(SCALE_WEIGHTS) - 1)
    box = _box(np.any(brain, axis=2), reach)
    a, b = (volume[box][:, :, slices].astype(np.float32) for volume in (image, pet))
    share = brain[box][:, :, slices].astype(np.float32)
    result = np.ones(len(slices))
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            a, b, share = (_halve(volume) for volume in (a, b, share))
        luminance, structure = _ssim_parts(a, b, sigma, radius, constants)
        inside = share >= 0.5
        last = scale == len(SCALE_WEIGHTS) - 1
        of_slices = _mean_by_slice(luminance * structure if last else structure, inside)
        result *= np.maximum(of_slices, 0) ** weight
    known = result[~np.isnan(result)]
    return float(known.mean()) if len(known) else np.nan


def bias(image: np.ndarray, pet: np.ndarray, brain: np.ndarray) -> float:
    """Mean of image − PET in the brain."""
    return float(np.mean(image[brain], dtype=np.float64) - np.mean(pet[brain], dtype=np.float64))


def hfen(image: np.ndarray, pet: np.ndarray, brain: np.ndarray) -> float:
    """High-frequency error norm (Ravishankar & Bresler 2011), slice by slice, in the brain.

    Args:
        image: the image.
        pet: the reference.
        brain: booleans.

    Returns:
        Norm of the filtered difference over norm of the filtered PET; 0 is PET itself.
    """
    box = _box(brain, HFEN_RADIUS)
    inside = brain[box]
    difference, reference = (
        np.linalg.norm(_laplacian_of_gaussian(volume[box])[inside])
        for volume in (image.astype(np.float32) - pet.astype(np.float32), pet.astype(np.float32))
    )
    return float(difference / reference) if reference > 0 else np.nan


def shell_correlation(
    image: np.ndarray, pet: np.ndarray, brain: np.ndarray, voxel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fourier shell correlation of an image with PET.

    Harauz & van Heel, Optik 73:146 (1986).

    Args:
        image: the image.
        pet: the reference.
        brain: booleans; both images are cut out by it, with a soft edge.
        voxel_mm: edge of a voxel, mm.

    Returns:
        Spatial frequencies of n shells of equal width, 1/mm, up to that of a wavelength of two
        voxels, and the correlations there; NaN where one of the images has nothing.
    """
    box = _box(brain, round(2 * FSC_EDGE_MM / voxel_mm))
    soft = ndimage.gaussian_filter(
        brain[box].astype(np.float32), FSC_EDGE_MM / voxel_mm, mode="constant", truncate=2
    )
    # An even last axis, so that its half ends on the highest frequency.
    shape = [2 * fft.next_fast_len(-(-size // 2), real=True) for size in soft.shape]
    spectra = [fft.rfftn(_centred(volume[box], soft), shape) for volume in (image, pet)]
    shells, step = _shells(shape, voxel_mm)
    # The half that a real transform leaves out is the mirror of what lies inside.
    twice = np.full(shape[2] // 2 + 1, 2.0)
    twice[:: shape[2] // 2] = 1
    cross, a, b = (
        np.bincount(shells.ravel(), weights=(twice * power).ravel())
        for power in (
            (spectra[0] * spectra[1].conj()).real,
            np.abs(spectra[0]) ** 2,
            np.abs(spectra[1]) ** 2,
        )
    )
    last = int(1 / (2 * voxel_mm * step))  # shells beyond are only the corners of the box
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (cross / np.sqrt(a * b))[1 : last + 1]
    return step * np.arange(1, last + 1), correlation


def fsc_resolution_mm(
    image: np.ndarray, pet: np.ndarray, brain: np.ndarray, voxel_mm: float
) -> float:
    """Wavelength at which image and PET no longer agree, by their `shell_correlation`.

    The threshold is `FSC_THRESHOLD`.  PET has a resolution and noise of its own, so that the result
    is the detail that both share, not that of the image.

    Args:
        image: the image.
        pet: the reference.
        brain: booleans; both images are cut out by it, with a soft edge.
        voxel_mm: edge of a voxel, mm.

    Returns:
        Millimetres; twice the voxel where the images agree to the end, NaN where one is flat.
    """
    return resolution_of(*shell_correlation(image, pet, brain, voxel_mm), voxel_mm)


def resolution_of(frequencies: np.ndarray, correlation: np.ndarray, voxel_mm: float) -> float:
    """Wavelength at which a `shell_correlation` first falls below `FSC_THRESHOLD`.

    Args:
        frequencies: of the shells, 1/mm.
        correlation: there.
        voxel_mm: edge of a voxel, mm.

    Returns:
        Millimetres, as of `fsc_resolution_mm`.
    """
    if np.isnan(correlation).all():
        return np.nan
    below = np.flatnonzero(~(correlation >= FSC_THRESHOLD))
    if not len(below):
        return 2 * voxel_mm
    step, k = frequencies[0], int(below[0])
    if k == 0:
        return float(1 / step)
    high, low = correlation[k - 1], correlation[k]
    return float(1 / (step * (k + (high - FSC_THRESHOLD) / (high - low))))


def grey_white_contrast(
    image: np.ndarray, pet: np.ndarray, brain: np.ndarray, labels: np.ndarray
) -> float:
    """Contrast of atlas regions and white matter, as a multiple of PET's.

    Regions hold some white matter too, in both images alike.

    Args:
        image: the image.
        pet: the reference.
        brain: booleans.
        labels: atlas labels, 0 outside all regions.

    Returns:
        1 where the contrast is that of PET; NaN where there is no white matter or no flow in it.
    """
    grey = brain & (labels > 0)
    white = ndimage.binary_erosion(brain & (labels == 0))
    if not grey.any() or not white.any():
        return np.nan
    of_image, of_pet = (
        np.array([volume[part].mean(dtype=np.float64) for part in (grey, white)])
        for volume in (image, pet)
    )
    if min(of_image.min(), of_pet.min()) <= 0:
        return np.nan
    return float((of_image[0] / of_image[1]) / (of_pet[0] / of_pet[1]))


def white_noise(image: np.ndarray, brain: np.ndarray, labels: np.ndarray) -> float:
    """Noise in white matter: the median of its local coefficients of variation.

    Standard deviation over mean of the 27 voxels around a voxel, where all of them lie in white
    matter.  Close to one another they share one true flow, and the median passes over ventricles'
    edges, so that what is left is noise, as fine as it is resolved.

    Args:
        image: the image.
        brain: booleans.
        labels: atlas labels, 0 outside all regions.

    Returns:
        1; NaN where there is no white matter of that width or no flow in it.
    """
    white = ndimage.binary_erosion(brain & (labels == 0), np.ones((3, 3, 3)))
    if not white.any():
        return np.nan
    box = _box(white, 1)
    volume = image[box].astype(np.float64)
    inside = white[box]
    mean, square = (
        ndimage.uniform_filter(power, 3, mode="nearest")[inside] for power in (volume, volume**2)
    )
    if mean.min() <= 0:
        return np.nan
    # 27 / 26: the mean is taken from the same voxels.
    variance = np.maximum(square - mean**2, 0) * 27 / 26
    return float(np.median(np.sqrt(variance) / mean))


def _box(mask: Any, reach: int) -> tuple[slice, ...]:
    """The box around a mask with a margin, as far as there are voxels."""
    return tuple(slice(max(at.min() - reach, 0), at.max() + reach + 1) for at in np.nonzero(mask))


def _halve(volume: np.ndarray) -> np.ndarray:
    """Slices of half the width and height; an odd last row or column is repeated."""
    x, y, z = volume.shape
    even = np.pad(volume, ((0, x % 2), (0, y % 2), (0, 0)), mode="edge")
    return even.reshape((x + 1) // 2, 2, (y + 1) // 2, 2, z).mean(axis=(1, 3))


def _ssim_parts(
    a: np.ndarray, b: np.ndarray, sigma: float, radius: int, constants: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Maps of luminance, and of contrast and structure together, slice by slice."""

    def local(volume: np.ndarray) -> np.ndarray:
        # The third axis is not filtered; the edge is mirrored, as scikit-image does.
        return ndimage.gaussian_filter(volume, (sigma, sigma, 0), radius=(radius, radius, 0))

    mean_a, mean_b = local(a), local(b)
    power, product = local(a * a + b * b), local(a * b)
    c1, c2 = constants
    squares, means = mean_a**2 + mean_b**2, mean_a * mean_b
    return (
        (2 * means + c1) / (squares + c1),
        (2 * (product - means) + c2) / (power - squares + c2),
    )


def _mean_by_slice(volume: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean over the voxels inside of every slice; NaN where there are none."""
    count = inside.sum(axis=(0, 1))
    total = np.where(inside, volume, 0).sum(axis=(0, 1), dtype=np.float64)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _laplacian_of_gaussian(volume: np.ndarray) -> np.ndarray:
    """The Laplacian of Gaussian of every axial slice."""
    sigma, radius = (HFEN_SIGMA, HFEN_SIGMA, 0), (HFEN_RADIUS, HFEN_RADIUS, 0)
    along_x, along_y = (
        ndimage.gaussian_filter(volume, sigma, order=order, radius=radius)
        for order in ((2, 0, 0), (0, 2, 0))
    )
    return along_x + along_y


def _centred(volume: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The volume within a soft mask, with a weighted mean of zero."""
    mean = np.average(volume, weights=weight)
    return (volume.astype(np.float32) - np.float32(mean)) * weight


def _shells(shape: Sequence[int], voxel_mm: float) -> tuple[np.ndarray, float]:
    """The shell of every frequency of a real Fourier transform, and the shells' width, 1/mm."""
    x, y = (fft.fftfreq(size, voxel_mm) for size in shape[:2])
    z = fft.rfftfreq(shape[2], voxel_mm)
    step = 1 / (voxel_mm * min(shape))
    radius = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z**2)
    return np.rint(radius / step).astype(np.int64), step
