"""The state of a training, and the rolling checkpoint that keeps it between processes.

Snakemake deletes the outputs of a rule before it starts and when it fails, so the checkpoint is
none of them: it lies beside them, and carries the identity of the training it belongs to.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from spect2pet.errors import InputError
from spect2pet.weights import read_tensors, write_tensors

log = logging.getLogger(__name__)


@dataclass
class State:
    """All that changes while a model is trained.

    Random numbers are no part of it: each epoch starts its own sequence.

    Attributes:
        generator: the network that makes P2P slices.
        discriminator: its opponent, None where nothing is adversarial.
        average: running average of the generator's weights, None where they are not averaged.
        optimisers: by the name of the network that they train.
        epoch: epochs done.
        history: one row for each epoch done.
        samples: P2P slices (k, H, W) for the sample pictures, by epoch.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    average: AveragedModel | None
    optimisers: dict[str, torch.optim.Optimizer]
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    samples: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def result(self) -> nn.Module:
        """The generator that counts: the averaged one where there is one."""
        return self.generator if self.average is None else self.average.module

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that there are, by name."""
        named = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }
        return {name: network for name, network in named.items() if network is not None}


def save(path: Path, state: State, identity: Mapping[str, Any]) -> None:
    """Replace the checkpoint of a training by its present state.

    Args:
        path: the checkpoint (.safetensors), replaced whole or not at all.
        state: what to keep.
        identity: everything that shapes the training, ready for JSON; only a training with the
            same identity goes on from it.
    """
    tensors = {f"samples/{epoch}": images for epoch, images in state.samples.items()}
    for name, network in state.networks.items():
        tensors |= {f"network/{name}/{key}": value for key, value in network.state_dict().items()}
    for name, optimiser in state.optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"adam/{name}/{index}/{key}": value for key, value in moments.items()}
    record = {"epoch": state.epoch, "history": state.history, "identity": dict(identity)}
    write_tensors(path, tensors, record)


def restore(path: Path, state: State, identity: Mapping[str, Any]) -> bool:
    """Bring a new state to where the checkpoint of the same training is.

    A checkpoint that is missing, damaged or another training's leaves the state as it is; the log
    says which, and in which keys the other training differs.

    Args:
        path: the checkpoint that `save` wrote.
        state: the state of a training that has not begun.
        identity: as for `save`.

    Returns:
        Whether the state was restored.
    """
    if not path.exists():
        return False
    try:
        tensors, record = read_tensors(path)
    except InputError as error:
        log.warning("starting afresh: %s", error)
        return False
    theirs = record["identity"]
    other = [k for k in sorted({*identity, *theirs}) if identity.get(k) != theirs.get(k)]
    if other:
        log.warning(
            "starting afresh: the checkpoint %s is of a training that differs in %s",
            path,
            ", ".join(f"{k} ({theirs.get(k)} there, {identity.get(k)} here)" for k in other),
        )
        return False
    for name, network in state.networks.items():
        network.load_state_dict(_below(f"network/{name}/", tensors))
    for name, optimiser in state.optimisers.items():
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _below(f"adam/{name}/", tensors).items():
            index, _, kind = key.partition("/")
            moments.setdefault(int(index), {})[kind] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    state.samples = _below("samples/", tensors)
    state.epoch, state.history = record["epoch"], record["history"]
    return True


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names start with a prefix, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
