"""The networks: pix2pix's U-Net generator and PatchGAN discriminator.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017
(arXiv:1611.07004), appendix 6.1, with the layer order, biases and initialisation of the authors'
PyTorch code.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from spect2pet.core.errors import InputError
from spect2pet.core.images import brain_level

Settings = Mapping[str, Any]

#: Channels of an image.
CHANNELS = 1
#: The published generator halves a 256 × 256 image eight times, down to one pixel.
DEEPEST = 8
#: The published generator stops widening at eight times its first width.
WIDEST = 8
#: Downsampling layers of the discriminator: three give it a receptive field of 70 × 70.
PATCH_LAYERS = 3
#: Slices per pass of `generate`; fixed, because the last bits can depend on it.
INFERENCE_BATCH = 16
#: What every SPECT's `brain_level` is brought to where subjects are scaled one by one, fraction of
#: the intensity scale.
LEVEL = 0.5
#: Standard deviation of the initial weights (Isola et al., appendix 6.2).
INITIAL_SD = 0.02


class Generator(nn.Module):
    """What makes P2P: every method of the registry builds one."""

    def make(self, volume: torch.Tensor) -> torch.Tensor:
        """P2P of a SPECT volume (Z, H, W), both as a fraction of the intensity scale."""
        raise TypeError(f"{type(self).__name__} does not say how it makes P2P")

    def advance(self) -> None:
        """An epoch of a method that learns nothing by gradient descent."""


class UNet(Generator):
    """Generator: halve the slice ``depth`` times, double it back, with skips at every level.

    Level ``i`` has ``min(2**i, 8) * width`` channels.  As published, dropout follows the up
    blocks that join two levels of the full width, except the innermost: three for depth 8, two
    for depth 7, none below depth 6.
    """

    def __init__(
        self,
        in_channels: int = CHANNELS,
        out_channels: int = CHANNELS,
        depth: int = DEEPEST,
        width: int = 64,
        norm: str = "batch",
        dropout: float = 0.5,
        output: str = "tanh",
        residual: bool = False,
        mirror_average: bool = False,
        gain: float | None = None,
    ) -> None:
        """Build the network with random weights.

        Args:
            in_channels: channels of the input: the slice to be made and, on both sides of it, as
                many neighbours; an odd number, but for images with channels of their own.
            out_channels: channels of the output slices.
            depth: number of halvings, at least 2.
            width: channels of the first level.
            norm: ``batch``, ``instance`` or ``none``.
            dropout: share of channels' values set to zero in training.
            output: ``tanh`` keeps the output within [-1, 1], ``linear`` leaves it free.
            residual: add the middle channel of the input to the output.
            mirror_average: `make` averages the P2P of a volume with that of its mirror image.
            gain: `make` brings every volume to the same level before the network and back after
                it, times this factor from the whole-brain flow of SPECT to that of PET; None
                leaves volumes at their own level.
        """
        super().__init__()
        self.context = in_channels
        self.residual = residual
        self.mirror_average = mirror_average
        self.gain = gain
        widths = [width * min(2**level, WIDEST) for level in range(depth)]
        inner = depth - 1
        self.down = nn.ModuleList([nn.Conv2d(in_channels, width, 4, 2, 1)])
        for level, (outside, inside) in enumerate(pairwise(widths), start=1):
            normed = norm if level < inner else "none"
            # The published innermost convolution is not normalised but has no bias all the same.
            convolution = nn.Conv2d(outside, inside, 4, 2, 1, bias=norm != "batch")
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), convolution, *_norm(normed, inside)))
        self.up = nn.ModuleList()
        for level in range(inner, 0, -1):
            outside, inside = widths[level - 1], widths[level]
            arriving = inside if level == inner else 2 * inside
            dropped = outside == inside == width * WIDEST and level < inner
            self.up.append(
                nn.Sequential(
                    nn.ReLU(),
                    nn.ConvTranspose2d(arriving, outside, 4, 2, 1, bias=norm != "batch"),
                    *_norm(norm, outside),
                    *([nn.Dropout(dropout)] if dropped else []),
                )
            )
        last = nn.ConvTranspose2d(2 * width, out_channels, 4, 2, 1)
        self.up.append(nn.Sequential(nn.ReLU(), last, *([nn.Tanh()] if output == "tanh" else [])))
        self.apply(_initialise)

    def forward(self, spect: torch.Tensor) -> torch.Tensor:
        """Map slices (n, in_channels, H, W) to slices (n, out_channels, H, W), both [-1, 1]."""
        skips = [self.down[0](spect)]
        for block in self.down[1:]:
            skips.append(block(skips[-1]))
        made = self.up[0](skips.pop())
        for block in self.up[1:]:
            made = block(torch.cat([skips.pop(), made], 1))
        if not self.residual:
            return made
        middle = self.context // 2
        return spect[:, middle : middle + 1] + made

    def make(self, volume: torch.Tensor) -> torch.Tensor:
        """P2P of a SPECT volume (Z, H, W), both as a fraction of the intensity scale."""
        if self.gain is None:
            return self._make_average(volume)
        factor = LEVEL / brain_level(volume.cpu().numpy())
        return self._make_average(volume * factor) * (self.gain / factor)

    def _make_average(self, volume: torch.Tensor) -> torch.Tensor:
        """P2P of a volume, averaged with that of its mirror image where that is asked for."""
        made = self._make_once(volume)
        if not self.mirror_average:
            return made
        return (made + self._make_once(volume.flip(1)).flip(1)) / 2

    def _make_once(self, volume: torch.Tensor) -> torch.Tensor:
        """P2P of a volume (Z, H, W), slice by slice."""
        batches = to_network(with_neighbours(volume, self.context)).split(INFERENCE_BATCH)
        return from_network(torch.cat([self(batch) for batch in batches])).squeeze(1)


class PatchDiscriminator(nn.Module):
    """Discriminator: one logit for every overlapping 70 × 70 patch of an image pair."""

    def __init__(
        self,
        in_channels: int = 2 * CHANNELS,
        width: int = 64,
        norm: str = "batch",
        spectral: bool = False,
    ) -> None:
        """Build the network with random weights.

        Args:
            in_channels: channels of condition and image together.
            width: channels of the first layer; doubled by each later one.
            norm: ``batch``, ``instance`` or ``none``.
            spectral: divide every weight by its largest singular value (Miyato et al., "Spectral
                Normalization for Generative Adversarial Networks", ICLR 2018).
        """
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        widths = [width * 2**layer for layer in range(PATCH_LAYERS + 1)]
        for layer, (before, after) in enumerate(pairwise(widths), start=1):
            stride = 2 if layer < PATCH_LAYERS else 1
            convolution = nn.Conv2d(before, after, 4, stride, 1, bias=norm != "batch")
            layers += [convolution, *_norm(norm, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.apply(_initialise)
        if spectral:
            for module in self.layers:
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def forward(self, condition: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Judge images given their conditions, both (n, c, H, W): logits (n, 1, h, w)."""
        return self.layers(torch.cat([condition, image], 1))

    def judge(
        self, condition: torch.Tensor, image: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The logits, and what every activation on the way to them was (n, c, h, w)."""
        features = []
        values = torch.cat([condition, image], 1)
        for layer in self.layers:
            values = layer(values)
            if isinstance(layer, nn.LeakyReLU):
                features.append(values)
        return values, features


class Pair(nn.Module):
    """A discriminator that judges PET and P2P in one call, as its own step needs both."""

    def __init__(self, discriminator: PatchDiscriminator) -> None:
        """Wrap a discriminator."""
        super().__init__()
        self.discriminator = discriminator

    def forward(
        self, spect: torch.Tensor, pet: torch.Tensor, p2p: torch.Tensor
    ) -> tuple[tuple[torch.Tensor, list[torch.Tensor]], tuple[torch.Tensor, list[torch.Tensor]]]:
        """What `PatchDiscriminator.judge` says of PET, and of P2P."""
        return self.discriminator.judge(spect, pet), self.discriminator.judge(spect, p2p)


def depth_for(shape: tuple[int, int], wanted: int | None) -> int:
    """How often a slice is halved.

    Args:
        shape: size of the slices (H, W) in voxels.
        wanted: number of halvings asked for; None takes as many as the slice allows, which is
            the published 8 for 256 × 256 and 7 for 128 × 128.

    Returns:
        The number of halvings.

    Raises:
        InputError: the slices cannot be halved so often, or not even twice.
    """
    possible = 0
    while possible < DEEPEST and all(size % 2 ** (possible + 1) == 0 for size in shape):
        possible += 1
    if possible < 2 or (wanted or 0) > possible:
        raise InputError(
            f"study_grid: slices of {shape[0]} × {shape[1]} voxels can be halved {possible} times, "
            f"but the network needs {wanted or 'at least 2'}; make both sides multiples of "
            f"{2 ** max(wanted or 2, 2)} or choose a smaller models: depth"
        )
    return wanted or possible


def to_network(cbf: torch.Tensor) -> torch.Tensor:
    """CBF as a fraction of the intensity scale, brought from [0, 1] to the published [-1, 1]."""
    return 2 * cbf - 1


def from_network(values: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_network`, with what lies below zero flow set to zero."""
    return ((values + 1) / 2).clamp_min(0)


def with_neighbours(volume: torch.Tensor, context: int) -> torch.Tensor:
    """Each slice of a volume between its neighbours.

    Args:
        volume: slices (Z, H, W).
        context: slices in all, the slice itself in the middle; beyond the ends of the volume its
            first or last slice is repeated.

    Returns:
        The slices with their neighbours as channels (Z, context, H, W).
    """
    depth = len(volume)
    offsets = torch.arange(context, device=volume.device) - context // 2
    places = torch.arange(depth, device=volume.device)[:, None] + offsets
    return volume[places.clamp(0, depth - 1)]


@torch.no_grad()
def generate(generator: Generator, volume: torch.Tensor) -> torch.Tensor:
    """Make the P2P of a volume, the same for the same input every time.

    The generator is put into evaluation mode: no dropout, and batch normalisation by the running
    statistics of training, so that a slice does not depend on its neighbours in the batch.

    Args:
        generator: what a method of the registry built.
        volume: SPECT (Z, H, W), CBF as a fraction of the intensity scale.

    Returns:
        P2P (Z, H, W) in the same unit, not negative.
    """
    generator.eval()
    return generator.make(volume)


def parameter_count(network: nn.Module) -> int:
    """Number of trained values in a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _norm(kind: str, channels: int) -> list[nn.Module]:
    """The normalising layer, if any, that follows a convolution."""
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.InstanceNorm2d(channels)] if kind == "instance" else []


def _initialise(module: nn.Module) -> None:
    """Draw the initial weights of one layer as published."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, INITIAL_SD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INITIAL_SD)
        nn.init.zeros_(module.bias)
