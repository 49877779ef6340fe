"""The state of a training, and the rolling checkpoint that keeps it between processes.

Snakemake deletes the outputs of a rule before it starts and when it fails, so the checkpoint is
none of them: it lies beside them, and carries the identity of the training it belongs to.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from spect2pet.core.errors import InputError, Stopped
from spect2pet.train.networks import Generator, PatchDiscriminator
from spect2pet.train.randomness import random_states
from spect2pet.train.watch import Watch
from spect2pet.train.weights import read_tensors, write_tensors

log = logging.getLogger(__name__)


@dataclass
class State:
    """All that changes while a model is trained.

    Each epoch starts its own sequence of random numbers; only within an epoch do they belong to
    the state.

    Attributes:
        generator: what makes P2P.
        discriminator: its opponent, None where nothing is adversarial.
        average: running average of the generator's weights, None where they are not averaged.
        learners: what is called in a step, by the name of the network in it: the network itself,
            or it compiled or shared with other processes.
        optimisers: by the name of the network that they train.
        epoch: epochs done.
        history: one row for each epoch done.
        samples: P2P slices (k, H, W) for the sample pictures, by epoch.
        best: weights of the best epoch so far by validation SSIM, with its number as ``epoch``;
            empty where the last epoch counts.
        step: steps done of the epoch after those.
        losses: losses of each of these steps (step, 4).
        random: states of the random generators after them, by name.
    """

    generator: Generator
    discriminator: PatchDiscriminator | None
    average: AveragedModel | None
    learners: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    samples: dict[str, torch.Tensor] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    step: int = 0
    losses: list[torch.Tensor] = field(default_factory=list)
    random: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def result(self) -> Generator:
        """The generator that is validated: the averaged one where there is one."""
        return self.generator if self.average is None else cast(Generator, self.average.module)

    def end_epoch(self) -> None:
        """One epoch more, none of whose steps belong to the next."""
        self.epoch += 1
        self.step, self.losses, self.random = 0, [], {}

    def keep_if_best(self) -> None:
        """Remember the weights of the epoch just done if no epoch has a higher validation SSIM."""
        ssim = [row["validation_ssim"] for row in self.history]
        if ssim[-1] >= max(ssim):
            weights = self.result.state_dict()
            self.best = {name: value.detach().clone() for name, value in weights.items()}
            self.best["epoch"] = torch.tensor(self.epoch)

    def take_best(self) -> int:
        """Put the remembered weights, where there are any, into the result; return their epoch."""
        weights = dict(self.best)
        epoch = int(weights.pop("epoch", torch.tensor(self.epoch)))
        if weights:
            self.result.load_state_dict(weights)
        return epoch

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

    Raises:
        InputError: it cannot be written, as on a full disk; the former checkpoint is still there.
    """
    tensors = {f"samples/{epoch}": images for epoch, images in state.samples.items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    tensors |= {f"random/{name}": value for name, value in state.random.items()}
    if state.losses:
        tensors["losses"] = torch.stack(state.losses)
    for name, network in state.networks.items():
        tensors |= {f"network/{name}/{key}": value for key, value in network.state_dict().items()}
    for name, optimiser in state.optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"adam/{name}/{index}/{key}": value for key, value in moments.items()}
    record = {
        "epoch": state.epoch,
        "step": state.step,
        "history": state.history,
        "identity": dict(identity),
    }
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
    state.best = _below("best/", tensors)
    state.random = _below("random/", tensors)
    state.losses = list(tensors.get("losses", []))
    state.epoch, state.step = record["epoch"], record["step"]
    state.history = record["history"]
    return True


class Keeper(Watch):
    """Writes the checkpoint where it is time, and stops a training that is asked to."""

    def __init__(
        self, path: Path, state: State, identity: Mapping[str, Any], minutes: float, leads: bool
    ) -> None:
        """Prepare to keep a training.

        Args:
            path: the checkpoint.
            state: the training.
            identity: as for `save`.
            minutes: time between two checkpoints within an epoch.
            leads: whether this process is the one that writes, and that listens.
        """
        super().__init__(minutes)
        self._path, self._state, self._identity, self._leads = path, state, identity, leads

    def keep(self) -> None:
        """Write the checkpoint now."""
        if self._leads:
            save(self._path, self._state, self._identity)
        self.has_kept()

    def after_step(self, draw: torch.Generator) -> None:
        """Keep the state in the middle of an epoch where it is time.

        Args:
            draw: the generator of the epoch's random numbers.

        Raises:
            Stopped: the process was asked to stop.
        """
        if not self.is_time:
            return
        device = next(self._state.generator.parameters()).device
        self._state.random = random_states(draw, device)
        self.keep()
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        """End a training that has just been kept, where the process was asked to.

        Processes that only follow end with the one that leads.

        Raises:
            Stopped: the process was asked to stop.
        """
        if self.stopped_by and self._leads:
            raise Stopped(
                f"training was asked to stop by {self.stopped_by} in epoch {self._state.epoch + 1} "
                f"after step {self._state.step}; {self._path} holds all of it, and the same "
                "command goes on from there"
            )


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names start with a prefix, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
