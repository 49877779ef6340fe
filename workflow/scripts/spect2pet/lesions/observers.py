"""A model observer: can a deficit be told from healthy tissue where it would be?

The channelised Hotelling observer sees an image through a few channels and weighs them as well as
any linear observer can (Barrett et al., Proc Natl Acad Sci 90:9758, 1993; Myers and Barrett, J Opt
Soc Am A 4:2447, 1987).  Channels are the sparse differences of Gaussians of Abbey and Barrett
(J Opt Soc Am A 18:473, 2001), here isotropic in three dimensions.
"""

import numpy as np
from scipy import stats

#: Channel j passes exp(−½(ρ/(Qσ_j))²) − exp(−½(ρ/σ_j)²) of spatial frequency ρ, cycles a voxel,
#: where σ_j = FIRST_SIGMA · STEP^j (sparse channels of Abbey and Barrett).
FIRST_SIGMA, STEP, RATIO, CHANNELS = 0.015, 2.0, 2.0, 3


def channel_widths() -> np.ndarray:
    """Standard deviations in voxels of the Gaussians whose differences are the channels.

    A Gaussian of σ cycles a voxel is the transform of one of 1/(2πσ) voxels.

    Returns:
        (channels, 2): of the narrow Gaussian, and of the wide one that is subtracted from it.
    """
    wide = 1 / (2 * np.pi * FIRST_SIGMA * STEP ** np.arange(CHANNELS))
    return np.stack([wide / RATIO, wide], axis=1)


def channel_responses(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What the channels see at places of an image.

    Args:
        image: (x, y, z), such as the deviation from the mean of normal subjects; 0 outside.
        places: voxel indices (n, 3).

    Returns:
        Responses (n, channels), in the unit of the image.
    """
    responses = np.empty((len(places), CHANNELS))
    for i, place in enumerate(places):
        for j, (narrow, wide) in enumerate(channel_widths()):
            responses[i, j] = _blurred(image, place, narrow) - _blurred(image, place, wide)
    return responses


def hotelling_template(with_it: np.ndarray, without: np.ndarray) -> np.ndarray | None:
    """Weights of the channels that tell two classes apart best.

    Args:
        with_it: responses (m, channels) at deficits.
        without: responses (n, channels) at healthy places.

    Returns:
        Weights (channels,); None where there are too few places to know the covariance.
    """
    channels = with_it.shape[1]
    degrees = len(with_it) + len(without) - 2
    if min(len(with_it), len(without)) < 2 or degrees < 2 * channels:
        return None
    centred = np.vstack([part - part.mean(axis=0) for part in (with_it, without)])
    covariance = centred.T @ centred / degrees
    if np.linalg.matrix_rank(covariance) < channels:
        return None
    return np.linalg.solve(covariance, with_it.mean(axis=0) - without.mean(axis=0))


def detectability(with_it: np.ndarray, without: np.ndarray) -> float:
    """d′: distance of the mean scores over the root of the mean of the two variances.

    Barrett et al. 1993, equation for the observer's signal-to-noise ratio.

    Args:
        with_it: scores (m,) of positive cases.
        without: scores (n,) of negative cases.

    Returns:
        d′ (1); NaN with fewer than two scores of a kind, or where none varies.
    """
    if min(len(with_it), len(without)) < 2:
        return np.nan
    variance = (np.var(with_it, ddof=1) + np.var(without, ddof=1)) / 2
    return float((np.mean(with_it) - np.mean(without)) / np.sqrt(variance)) if variance else np.nan


def _blurred(image: np.ndarray, place: np.ndarray, width: float) -> float:
    """One voxel of an image blurred by a Gaussian, nothing beyond its borders."""
    value = image
    for size, centre in zip(image.shape, place, strict=True):
        weights = stats.norm.pdf(np.arange(size), centre, width)
        value = np.tensordot(weights, value, axes=1)
    return float(value)
