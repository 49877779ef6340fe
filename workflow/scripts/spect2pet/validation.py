"""How good a generator is on the validation slices, measured after every epoch of training."""

import torch
from torch.nn.functional import conv2d

#: Constants of SSIM (Wang et al., IEEE Trans Image Process 13:600, 2004): the Gaussian window's
#: standard deviation and reach in voxels, and the stabilising constants.
SIGMA = 1.5
REACH = 5
K1, K2 = 0.01, 0.03
#: Range of CBF that SSIM refers to, mL/100 g/min.
DATA_RANGE = 80.0


def measure(
    p2p: torch.Tensor, pet: torch.Tensor, brain: torch.Tensor, subjects: torch.Tensor, scale: float
) -> tuple[float, float]:
    """Compare images with PET in the brain: mean over a subject's slices, then over subjects.

    Args:
        p2p: slices (n, H, W), CBF as a fraction of the intensity scale.
        pet: the reference, likewise.
        brain: bool (n, H, W).
        subjects: number of each slice's subject, from 0 (n).
        scale: intensity scale, mL/100 g/min.

    Returns:
        The mean absolute difference in mL/100 g/min, and the structural similarity index.
    """
    voxels = brain.sum((1, 2))
    error = ((p2p - pet).abs() * brain).sum((1, 2)) / voxels * scale
    likeness = (ssim_map(p2p, pet, DATA_RANGE / scale) * brain).sum((1, 2)) / voxels
    return _over_subjects(error, subjects), _over_subjects(likeness, subjects)


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
    """Gaussian means of images (n, c, H, W) in the window of SSIM."""
    offsets = torch.arange(-REACH, REACH + 1, dtype=images.dtype, device=images.device)
    window = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    window = (window / window.sum()).view(1, 1, -1, 1)
    flat = images.flatten(0, 1).unsqueeze(1)
    blurred = conv2d(
        conv2d(flat, window, padding=(REACH, 0)), window.mT.contiguous(), padding=(0, REACH)
    )
    return blurred.view_as(images)


def _over_subjects(values: torch.Tensor, subjects: torch.Tensor) -> float:
    """Mean over subjects of the mean over each subject's slices."""
    return float(torch.stack([values[subjects == s].mean() for s in subjects.unique()]).mean())
