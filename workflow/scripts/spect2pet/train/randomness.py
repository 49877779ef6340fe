"""States of the random generators that a training draws from."""

from collections.abc import Mapping

import torch


def random_states(draw: torch.Generator, device: torch.device) -> dict[str, torch.Tensor]:
    """States of all random generators that a training draws from, by name.

    Args:
        draw: the generator of augmentation and order.
        device: where dropout is drawn.
    """
    states = {"draw": draw.get_state(), "cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if device.type == "cuda" else {})


def set_random_states(states: Mapping[str, torch.Tensor], draw: torch.Generator) -> None:
    """Bring the random generators to where `random_states` found them; {} leaves them."""
    if states:
        draw.set_state(states["draw"])
        torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])
