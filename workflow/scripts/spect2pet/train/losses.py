"""What a generator and its opponent minimise: the terms of their losses."""

from collections.abc import Sequence

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, relu

from spect2pet.train.networks import Settings, from_network
from spect2pet.train.validation import DATA_RANGE, ssim_map

#: Where PET counts as flow for the loss of structural similarity, fraction of the intensity scale.
FLOW = 0.1


def to_pet(
    p2p: torch.Tensor, pet: torch.Tensor, settings: Settings, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far P2P is from PET.

    Args:
        p2p: generated slices (n, 1, H, W), range of the network [-1, 1].
        pet: their PET, likewise.
        settings: weights ``l1_weight``, ``ssim_weight`` and ``gradient_weight``.
        scale: intensity scale, mL/100 g/min.

    Returns:
        The weighted sum of the terms, and the mean absolute difference alone.
    """
    l1 = (p2p - pet).abs().mean()
    total = settings["l1_weight"] * l1
    if settings["ssim_weight"]:
        image, reference = from_network(p2p).squeeze(1), from_network(pet).squeeze(1)
        # Where there is flow: the empty background, which is alike anyway, would thin it out.
        flow = (reference > FLOW).float()
        unlike = (1 - ssim_map(image, reference, DATA_RANGE / scale)) * flow
        of_slices = unlike.sum((1, 2)) / flow.sum((1, 2)).clamp_min(1)
        total = total + settings["ssim_weight"] * of_slices.mean()
    if settings["gradient_weight"]:
        steps = [(p2p - pet).diff(dim=axis).abs().mean() for axis in (-2, -1)]
        total = total + settings["gradient_weight"] * (steps[0] + steps[1])
    return total, l1


def of_discriminator(real: torch.Tensor, made: torch.Tensor, kind: str) -> torch.Tensor:
    """Loss of the discriminator, halved as published.

    Args:
        real: logits for PET.
        made: logits for P2P.
        kind: ``cross_entropy`` (Isola et al., CVPR 2017) or ``hinge`` (Lim and Ye, "Geometric
            GAN", arXiv:1705.02894).
    """
    if kind == "hinge":
        return (relu(1 - real).mean() + relu(1 + made).mean()) / 2
    return (_cross_entropy(real, 1.0) + _cross_entropy(made, 0.0)) / 2


def of_generator(made: torch.Tensor, kind: str) -> torch.Tensor:
    """What the discriminator costs the generator, given its logits for P2P; kinds as above."""
    return -made.mean() if kind == "hinge" else _cross_entropy(made, 1.0)


def of_features(real: Sequence[torch.Tensor], made: Sequence[torch.Tensor]) -> torch.Tensor:
    """How far the discriminator's activations for P2P are from those for PET.

    Feature matching as in Wang et al., "High-Resolution Image Synthesis", CVPR 2018, equation 4.
    """
    terms = [(one - other.detach()).abs().mean() for one, other in zip(made, real, strict=True)]
    return torch.stack(terms).mean()


def knows_nothing(kind: str) -> float:
    """Loss of a discriminator that gives every image the same logit of zero."""
    return 1.0 if kind == "hinge" else 0.6931472  # ln 2


def _cross_entropy(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Cross-entropy of a discriminator's logits, all of which should say ``target``."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
