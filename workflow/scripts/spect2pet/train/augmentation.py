"""Random changes to slices while training, the same for SPECT and PET, drawn on the CPU."""

from collections.abc import Mapping

import torch
from torch.nn.functional import affine_grid, grid_sample


def augment(
    pairs: torch.Tensor, settings: Mapping[str, float | bool], generator: torch.Generator
) -> torch.Tensor:
    """Turn, shift, scale, brighten and mirror each slice pair at random.

    Both images of a pair change alike.  Interpolation is bilinear, with zero flow outside of the
    slice.  The left and right of the head are exchanged only where the settings say so.

    Args:
        pairs: slices (n, 2, H, W) with H from left to right, zero where there is no flow.
        settings: largest change either way: ``rotation`` (degrees), ``shift`` (voxels), ``scale``
            and ``intensity`` (fractions); ``left_right_flip`` (bool) mirrors half of the pairs.
        generator: source of randomness, on the CPU, so that every device draws the same.

    Returns:
        The changed slices; ``pairs`` itself where nothing is to be changed.
    """
    count, device = len(pairs), pairs.device
    if settings["rotation"] or settings["shift"] or settings["scale"]:
        angle, x, y, zoom = 2 * torch.rand(4, count, generator=generator) - 1
        moves = _affine(
            angle=torch.deg2rad(angle * settings["rotation"]),
            zoom=1 + zoom * settings["scale"],
            shift=torch.stack([x, y], 1) * settings["shift"],
            shape=(pairs.shape[-2], pairs.shape[-1]),
        )
        grid = affine_grid(moves.to(device), list(pairs.shape), align_corners=False)
        pairs = grid_sample(pairs, grid, align_corners=False)
    if settings["intensity"]:
        factor = 1 + settings["intensity"] * (2 * torch.rand(count, generator=generator) - 1)
        pairs = pairs * factor.to(device).view(-1, 1, 1, 1)
    if settings["left_right_flip"]:
        chosen = torch.rand(count, generator=generator) < 0.5
        pairs = torch.where(chosen.to(device).view(-1, 1, 1, 1), pairs.flip(2), pairs)
    return pairs


def _affine(
    angle: torch.Tensor, zoom: torch.Tensor, shift: torch.Tensor, shape: tuple[int, int]
) -> torch.Tensor:
    """Affine matrices (n, 2, 3) as `affine_grid` takes them, in halves of the image's sides.

    Args:
        angle: rotation, radians (n).
        zoom: magnification (n).
        shift: displacement in voxels along H and W (n, 2).
        shape: size of the slices (H, W).
    """
    height, width = shape
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    # Without the ratio of the sides, a rotation would shear slices that are not square.
    first = torch.stack([cosine, -sine * height / width, -2 * shift[:, 1] / width], 1)
    second = torch.stack([sine * width / height, cosine, -2 * shift[:, 0] / height], 1)
    return torch.stack([first, second], 1)
