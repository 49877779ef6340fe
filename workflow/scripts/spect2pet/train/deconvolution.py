"""What needs no training: SPECT as it is, and its deconvolution with the scanner's point spread."""

import math

import torch
from torch.nn.functional import conv3d

from spect2pet.train.networks import Generator

#: Full width at half maximum of a Gaussian, in standard deviations.
FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
#: A Gaussian is cut at this many standard deviations.
TRUNCATE = 4.0
#: Keeps the ratio of measured and expected finite where nothing is expected (no flow, fraction of
#: the intensity scale).
TINY = 1e-6


class Identity(Generator):
    """SPECT as it is: what every method has to beat."""

    def make(self, volume: torch.Tensor) -> torch.Tensor:
        """The volume itself (Z, H, W), with negative noise set to zero as in every P2P."""
        return volume.clamp_min(0)


class RichardsonLucy(Generator):
    """Deconvolution with a Gaussian point spread.

    Richardson, J Opt Soc Am 62:55 (1972); Lucy, Astron J 79:745 (1974).  It starts from SPECT
    itself, so that no iteration leaves SPECT as it is.  More iterations are sharper and noisier;
    how many is the one thing that is chosen, on validation subjects.
    """

    kernel: torch.Tensor
    iterations: torch.Tensor

    def __init__(self, fwhm_voxels: float) -> None:
        """Begin without iterations.

        Args:
            fwhm_voxels: full width at half maximum of the point spread, voxels.
        """
        super().__init__()
        sigma = fwhm_voxels / FWHM_PER_SIGMA
        reach = math.ceil(TRUNCATE * sigma)
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)
        # The first epoch tries none at all.
        self.register_buffer("iterations", torch.tensor(-1))

    def make(self, volume: torch.Tensor) -> torch.Tensor:
        """The deconvolved volume (Z, H, W), as a fraction of the intensity scale."""
        measured = volume.clamp_min(0)
        estimate = measured
        for _ in range(int(self.iterations)):
            estimate = estimate * self.blur(measured / self.blur(estimate).clamp_min(TINY))
        return estimate

    def blur(self, volume: torch.Tensor) -> torch.Tensor:
        """A volume (Z, H, W) as the point spread shows it; nothing lies outside of it."""
        blurred = volume[None, None]
        for axis in range(3):
            shape = [1, 1, 1, 1, 1]
            shape[2 + axis] = -1
            padding = [0, 0, 0]
            padding[axis] = len(self.kernel) // 2
            blurred = conv3d(blurred, self.kernel.view(shape), padding=padding)
        return blurred[0, 0]

    def advance(self) -> None:
        """One more iteration."""
        self.iterations += 1
