"""Training: one loop for every method, which can be killed and goes on where it was.

Objective, optimiser and schedule are those of Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017 (arXiv:1611.07004), section 3 and appendix 6.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from spect2pet.core.provenance import write_json
from spect2pet.core.tables import write_table
from spect2pet.train import devices, losses, records
from spect2pet.train.augmentation import augment
from spect2pet.train.checkpoints import Keeper, State, restore
from spect2pet.train.frames import Frame
from spect2pet.train.groups import group
from spect2pet.train.methods import METHODS
from spect2pet.train.networks import Pair, PatchDiscriminator, Settings, to_network
from spect2pet.train.progress import Progress
from spect2pet.train.randomness import set_random_states
from spect2pet.train.slices import Packed
from spect2pet.train.sources import Source
from spect2pet.train.validation import validate
from spect2pet.train.weights import save_generator

log = logging.getLogger(__name__)

#: Second decay rate of Adam (Isola et al., section 3.3).
BETA2 = 0.999


@dataclass(frozen=True)
class Outputs:
    """Files that a training writes.

    Attributes:
        generator: the trained generator (.safetensors).
        history: one row for each epoch (.tsv).
        report: what was trained, and how (.json).
        samples: folder of pictures of some validation slices.
        checkpoint: state of a training that has not ended (.safetensors).
        curves: folder of files for TensorBoard, written where the settings ask for them.
    """

    generator: Path
    history: Path
    report: Path
    samples: Path
    checkpoint: Path
    curves: Path


def train(
    data: Packed, settings: Settings, seed: int, outputs: Outputs, made_by: Mapping[str, Any]
) -> None:
    """Train a model, or go on training it, and write everything about it.

    Args:
        data: the packed slices.
        settings: the model's section of the configuration.
        seed: source of the initial weights, the order of slices, dropout and augmentation.
        outputs: files to write; the checkpoint is removed at the end.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: the GPU that the settings demand is missing, the slices do not fit the network,
            memory or disk is full, or a loss is not finite.
        Stopped: the process was asked to stop; the checkpoint holds all that was done.
    """
    device, us = devices.choose(settings["device"]), group()
    devices.be_repeatable()
    frame = data.frame
    identity = records.identity(data, settings, seed, device, made_by)
    state = new_state(settings, frame, seed, device)
    if restore(outputs.checkpoint, state, identity):
        log.info(
            "going on after epoch %d, step %d, from %s", state.epoch, state.step, outputs.checkpoint
        )
    book = records.Book(outputs.samples, outputs.curves, settings, data, state, us.leads)
    clueless = losses.knows_nothing(settings["gan_loss"]) if state.discriminator else None
    progress = Progress(data, last_epoch(settings), state.epoch, clueless)
    keeper = Keeper(outputs.checkpoint, state, identity, settings["checkpoint_minutes"], us.leads)
    with devices.says_what_fits(state, settings, frame, device), keeper:
        source = Source(data, settings, device)
        while state.epoch < last_epoch(settings):
            means = train_epoch(state, source, settings, seed, progress, keeper.after_step)
            p2p, measures = validate(state.result, data, device)
            state.end_epoch()
            numbers = (state.epoch, learning_rate(state.epoch, settings), *means)
            row = dict(zip(records.HISTORY, (*numbers, measures.l1, measures.ssim), strict=True))
            state.history.append(row)
            if settings["choose"] == "best":
                state.keep_if_best()
            book.end_epoch(p2p, last=state.epoch == last_epoch(settings))
            keeper.keep()
            progress.end_epoch(row)
            if state.epoch < last_epoch(settings):
                keeper.stop_if_asked()
    if us.leads:
        _write(outputs, state, data, settings, seed, device, made_by)


def _write(
    outputs: Outputs,
    state: State,
    data: Packed,
    settings: Settings,
    seed: int,
    device: torch.device,
    made_by: Mapping[str, Any],
) -> None:
    """Write what a finished training is to leave, and remove its checkpoint."""
    chosen = state.take_best()
    save_generator(outputs.generator, state.result, settings, data.frame, data.scale)
    write_table(outputs.history, pd.DataFrame(state.history), records.HISTORY, made_by)
    report = records.report(state, chosen, data, settings, seed, device, made_by)
    write_json(outputs.report, report)
    outputs.checkpoint.unlink()


def train_epoch(
    state: State,
    source: Source,
    settings: Settings,
    seed: int,
    progress: Progress,
    after_step: Callable[[torch.Generator], None] = lambda draw: None,
) -> list[float]:
    """Show every training slice to the networks once, in random order.

    Args:
        state: networks and optimisers, changed in place; goes on after the steps it has done.
        source: training slices.
        settings: the model's section of the configuration.
        seed: seed of the training.
        progress: what writes the log and looks at the losses.
        after_step: called after each step with the generator of the epoch's random numbers.

    Returns:
        Means over the epoch of the losses as `step` gives them, L1 in mL/100 g/min; NaN where
        nothing is learnt by gradient descent.

    Raises:
        InputError: a loss is not finite.
    """
    if not state.optimisers:
        state.generator.advance()
        return [float("nan")] * 4
    us = group()
    draw = torch.Generator().manual_seed(epoch_seed(seed, state.epoch + 1))
    torch.manual_seed(epoch_seed(seed, state.epoch + 1) + us.rank)  # dropout
    order = source.rows[torch.randperm(len(source.rows), generator=draw)]
    batches = order.split(settings["batch_size"])
    set_random_states(state.random, draw)
    for optimiser in state.optimisers.values():
        optimiser.param_groups[0]["lr"] = learning_rate(state.epoch + 1, settings)
    state.generator.train()
    progress.start_epoch(batches, state.losses)
    for slices in source.batches(batches[state.step :]):
        # Every process draws for the whole batch and keeps its share, so that the draws of a
        # batch do not depend on the number of processes.
        changed = to_network(augment(slices, settings["augmentation"], draw))
        mine = changed[us.share(len(changed))]
        state.losses.append(step(state, mine[:, :-1], mine[:, -1:], settings, source.scale))
        state.step += 1
        progress.end_step(state.losses)
        after_step(draw)
    return progress.means(list(us.mean(torch.stack(state.losses))))


def step(
    state: State, spect: torch.Tensor, pet: torch.Tensor, settings: Settings, scale: float
) -> torch.Tensor:
    """One step of the discriminator, then one of the generator, on the same P2P.

    Args:
        state: networks and optimisers, changed in place.
        spect: SPECT slices with their neighbours (n, context, H, W), range [-1, 1].
        pet: PET slices (n, 1, H, W), likewise.
        settings: the model's section of the configuration.
        scale: intensity scale, mL/100 g/min.

    Returns:
        Losses (4), on the device: of the discriminator, what the discriminator costs the
        generator, L1, and all that the generator minimises.
    """
    kind, discriminator = settings["gan_loss"], state.discriminator
    counting = partial(devices.autocast, spect.device, settings["precision"])
    with counting():
        p2p = state.learners["generator"](spect)
    p2p = p2p.float()
    gan = discriminator_loss = features = p2p.new_zeros(())
    if discriminator is not None:
        with counting():
            (real, known), (made, _) = state.learners["discriminator"](spect, pet, p2p.detach())
        discriminator_loss = losses.of_discriminator(real.float(), made.float(), kind)
        _descend(state.optimisers["discriminator"], discriminator_loss)
        with _frozen(discriminator), counting():
            made, seen = discriminator.judge(spect, p2p)
        gan = losses.of_generator(made.float(), kind)
        if settings["feature_weight"]:
            features = losses.of_features(known, seen)
    distance, l1 = losses.to_pet(p2p, pet, settings, scale)
    total = distance + settings["gan_weight"] * gan + settings["feature_weight"] * features
    _descend(state.optimisers["generator"], total)
    if state.average is not None:
        state.average.update_parameters(state.generator)
    return torch.stack([discriminator_loss, gan, l1, total]).detach()


def learning_rate(epoch: int, settings: Settings) -> float:
    """Learning rate in an epoch: constant, then falling in equal steps towards zero.

    As in the authors' code, zero would be reached in the epoch after the last.

    Args:
        epoch: epoch, from 1.
        settings: ``learning_rate`` at first, constant for ``epochs``, falling for ``decay_epochs``.
    """
    past = max(0, epoch - settings["epochs"])
    return settings["learning_rate"] * (1 - past / (settings["decay_epochs"] + 1))


def last_epoch(settings: Settings) -> int:
    """Number of epochs of a whole training."""
    return settings["epochs"] + settings["decay_epochs"]


def epoch_seed(seed: int, epoch: int) -> int:
    """Seed of one epoch's randomness; epoch 0 stands for the initial weights.

    As every epoch starts its own sequence, a training that goes on after any epoch needs nothing
    but the number of that epoch.
    """
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def new_state(settings: Settings, frame: Frame, seed: int, device: torch.device) -> State:
    """Networks with random weights and their optimisers, before the first epoch.

    Args:
        settings: the model's section of the configuration.
        frame: size of the slices.
        seed: seed of the training.
        device: where to train.

    Raises:
        InputError: the slices do not fit the network.
    """
    torch.manual_seed(epoch_seed(seed, 0))
    method = METHODS[settings["method"]]
    generator = devices.place(method.generator(settings, frame), device)
    if method.discriminator is None:
        return State(generator, None, None, {}, {})
    discriminator = None
    if settings["gan_weight"] > 0:
        discriminator = devices.place(method.discriminator(settings), device)
    networks = {"generator": generator, "discriminator": discriminator}
    us = group()
    learners: dict[str, nn.Module] = {}
    optimisers: dict[str, torch.optim.Optimizer] = {}
    for name, network in networks.items():
        if network is not None:
            us.synchronise(network)
            called = Pair(network) if isinstance(network, PatchDiscriminator) else network
            learners[name] = us.parallel(devices.hasten(called, settings["compile"]))
            optimisers[name] = torch.optim.Adam(
                network.parameters(), betas=(settings["beta1"], BETA2), fused=True
            )
    average = None
    if settings["ema"] > 0:
        fading = get_ema_multi_avg_fn(settings["ema"])
        average = AveragedModel(generator, multi_avg_fn=fading, use_buffers=True)
    return State(generator, discriminator, average, learners, optimisers)


def _descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of an optimiser down a loss."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network to its input, but none to its weights."""
    network.requires_grad_(False)
    yield
    network.requires_grad_(True)
