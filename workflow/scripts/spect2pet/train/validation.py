"""How good a generator is on the validation subjects, measured after every epoch of training."""

from dataclasses import dataclass

import numpy as np
import torch

from spect2pet.core.errors import InputError
from spect2pet.train.networks import Generator, generate
from spect2pet.train.slices import Packed

#: Constants of SSIM (Wang et al., IEEE Trans Image Process 13:600, 2004): the Gaussian window's
#: standard deviation and reach in voxels, and the stabilising constants.
SIGMA = 1.5
REACH = 5
K1, K2 = 0.01, 0.03
#: Range of CBF that SSIM refers to, mL/100 g/min.
DATA_RANGE = 80.0


@dataclass(frozen=True)
class Measures:
    """What is measured on the validation subjects: mean over a subject's slices, then over them.

    Attributes:
        l1: mean absolute difference from PET in the brain, mL/100 g/min.
        ssim: structural similarity to PET in the brain.
    """

    l1: float
    ssim: float


def validate(
    generator: Generator, data: Packed, device: torch.device
) -> tuple[np.ndarray, Measures]:
    """Make the P2P of the validation subjects and compare it with PET.

    Args:
        generator: what makes P2P, left in evaluation mode.
        data: the packed slices.
        device: where the generator is.

    Returns:
        P2P of the slices that the table of rows names (n, H, W), and their measures.

    Raises:
        InputError: the packed slices of a subject are not finite.
    """
    made, measures = [], []
    for subject, heights, slices, brain in data.volumes():
        if not np.isfinite(slices).all():
            raise InputError(
                f"sub-{subject}: its packed slices hold NaN or infinity; delete the folder of the "
                "slices and run the workflow again"
            )
        spect, pet = torch.from_numpy(slices).to(device).unbind(1)
        p2p, mask = generate(generator, spect)[heights], torch.from_numpy(brain[heights])
        measures.append(measure(p2p, pet[heights], mask.to(device), data.scale))
        made.append(p2p.cpu().numpy())
    l1, ssim = np.mean([(one.l1, one.ssim) for one in measures], axis=0)
    return np.concatenate(made), Measures(float(l1), float(ssim))


def measure(p2p: torch.Tensor, pet: torch.Tensor, brain: torch.Tensor, scale: float) -> Measures:
    """Compare slices of one subject with its PET, in the brain of each slice.

    Args:
        p2p: slices (n, H, W), CBF as a fraction of the intensity scale.
        pet: the reference, likewise.
        brain: bool (n, H, W), with brain in every slice.
        scale: intensity scale, mL/100 g/min.
    """
    voxels = brain.sum((1, 2))
    error = ((p2p - pet).abs() * brain).sum((1, 2)) / voxels * scale
    likeness = (ssim_map(p2p, pet, DATA_RANGE / scale) * brain).sum((1, 2)) / voxels
    return Measures(float(error.mean()), float(likeness.mean()))


def ssim_map(image: torch.Tensor, reference: torch.Tensor, data_range: float) -> torch.Tensor:
    """Structural similarity of every pixel, with a Gaussian window (Wang et al. 2004).

    Equal to scikit-image's but within `REACH` pixels of the border, where that one mirrors the
    image and this one takes zero, which is what lies there.

    Args:
        image: slices (n, H, W).
        reference: slices (n, H, W).
        data_range: range of values that the constants refer to.

    Returns:
        The map (n, H, W).
    """
    x, y = image, reference
    moments = _blur(torch.stack([x, y, x * x, y * y, x * y], 1))
    mean_x, mean_y, square_x, square_y, product = moments.unbind(1)
    luminance, contrast = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    covariance = product - mean_x * mean_y
    variances = square_x - mean_x**2 + square_y - mean_y**2
    return ((2 * mean_x * mean_y + luminance) * (2 * covariance + contrast)) / (
        (mean_x**2 + mean_y**2 + luminance) * (variances + contrast)
    )


def _blur(images: torch.Tensor) -> torch.Tensor:
    """Gaussian means of images (n, c, H, W) in the window of SSIM.

    By products with one matrix for each side, many times faster than a convolution with so few
    channels.
    """
    down, across = (_window(size, images) for size in images.shape[-2:])
    return down @ images @ across.mT


def _window(size: int, like: torch.Tensor) -> torch.Tensor:
    """The matrix (size, size) that blurs one side; beyond the ends lies nothing."""
    places = torch.arange(size, dtype=like.dtype, device=like.device)
    offsets = places[:, None] - places
    window = torch.exp(-0.5 * (offsets / SIGMA) ** 2) * (offsets.abs() <= REACH)
    reach = torch.arange(-REACH, REACH + 1, dtype=like.dtype, device=like.device)
    return window / torch.exp(-0.5 * (reach / SIGMA) ** 2).sum()
