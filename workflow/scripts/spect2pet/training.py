"""Training: one loop for every method, which can be killed and goes on where it was.

Objective, optimiser and schedule are those of Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017 (arXiv:1611.07004), section 3 and appendix 6.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from spect2pet import pictures, validation
from spect2pet.augmentation import augment
from spect2pet.checkpoints import State, restore, save
from spect2pet.errors import InputError
from spect2pet.images import CBF_UNIT
from spect2pet.networks import METHODS, Settings, generate, parameter_count, to_network
from spect2pet.progress import Progress
from spect2pet.provenance import write_json
from spect2pet.slices import Packed
from spect2pet.tables import write_table
from spect2pet.weights import save_generator

log = logging.getLogger(__name__)

#: Second decay rate of Adam (Isola et al., section 3.3).
BETA2 = 0.999
#: Validation slices that each sample picture shows.
SAMPLE_SLICES = 6

HISTORY = {
    "epoch": "Epoch, from 1",
    "learning_rate": "Learning rate of both networks in the epoch",
    "discriminator_loss": "Cross-entropy of the discriminator, halved, mean over the epoch",
    "gan_loss": "Cross-entropy that the discriminator costs the generator, mean over the epoch",
    "l1": "Mean absolute difference of P2P and PET over all voxels of the training slices as they "
    f"were met (augmented, with dropout), mean over the epoch, {CBF_UNIT}",
    "validation_l1": "Mean absolute difference of P2P and PET in the brain after the epoch, mean "
    f"over the validation slices of a subject, then over subjects, {CBF_UNIT}",
    "validation_ssim": "Structural similarity of P2P and PET in the brain after the epoch, mean "
    "over the validation slices of a subject, then over subjects",
}


@dataclass(frozen=True)
class Outputs:
    """Files that a training writes.

    Attributes:
        generator: the trained generator (.safetensors).
        history: one row for each epoch (.tsv).
        report: what was trained, and how (.json).
        samples: folder of pictures of some validation slices.
        checkpoint: state of a training that has not ended (.safetensors).
    """

    generator: Path
    history: Path
    report: Path
    samples: Path
    checkpoint: Path


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
            or a loss is not finite.
    """
    device = choose_device(settings["device"])
    _be_repeatable()
    identity = _identity(data, settings, seed, device, made_by)
    state = new_state(settings, data.shape, seed, device)
    if restore(outputs.checkpoint, state, identity):
        log.info("going on after epoch %d, from %s", state.epoch, outputs.checkpoint)
    outputs.samples.mkdir(parents=True, exist_ok=True)
    for epoch in state.samples:
        draw_sample(outputs.samples, state, epoch, data)

    pairs = torch.from_numpy(data.train).to(device)
    progress = Progress(data, last_epoch(settings), state.epoch)
    while state.epoch < last_epoch(settings):
        losses = train_epoch(state, pairs, settings, seed, progress)
        p2p, measures = validate(state.result, data, device)
        state.epoch += 1
        rate = learning_rate(state.epoch, settings)
        numbers = (state.epoch, rate, *losses, *measures)
        state.history.append(dict(zip(HISTORY, numbers, strict=True)))
        if state.epoch % settings["sample_every"] == 0 or state.epoch == last_epoch(settings):
            state.samples[str(state.epoch)] = p2p[sample_rows(data)]
            draw_sample(outputs.samples, state, str(state.epoch), data)
        save(outputs.checkpoint, state, identity)
        progress.end_epoch(state.history[-1])

    save_generator(outputs.generator, state.result, settings, data.shape, data.scale)
    write_table(outputs.history, pd.DataFrame(state.history), HISTORY, made_by)
    write_json(outputs.report, _report(state, data, settings, seed, device, made_by))
    outputs.checkpoint.unlink()


def train_epoch(
    state: State, pairs: torch.Tensor, settings: Settings, seed: int, progress: Progress
) -> list[float]:
    """Show every training slice to the networks once, in random order.

    Args:
        state: networks and optimisers, changed in place.
        pairs: training slices (n, 2, H, W) on the device, CBF as a fraction of the scale.
        settings: the model's section of the configuration.
        seed: seed of the training.
        progress: what writes the log and looks at the losses.

    Returns:
        Means over the epoch of the discriminator's loss, the generator's adversarial loss and the
        L1 loss (mL/100 g/min).

    Raises:
        InputError: a loss is not finite.
    """
    generator, discriminator = state.generator.train(), state.discriminator
    draw = torch.Generator().manual_seed(epoch_seed(seed, state.epoch + 1))
    torch.manual_seed(epoch_seed(seed, state.epoch + 1))
    for optimiser in state.optimisers.values():
        optimiser.param_groups[0]["lr"] = learning_rate(state.epoch + 1, settings)
    batches = torch.randperm(len(pairs), generator=draw).split(settings["batch_size"])
    progress.start_epoch(batches)
    for rows in batches:
        changed = augment(pairs[rows], settings["augmentation"], draw)
        spect, pet = to_network(changed).split(1, dim=1)
        p2p = generator(spect)

        discriminator_loss = gan_loss = p2p.new_zeros(())
        if discriminator is not None:
            is_real = _cross_entropy(discriminator(spect, pet), 1.0)
            is_made = _cross_entropy(discriminator(spect, p2p.detach()), 0.0)
            discriminator_loss = (is_real + is_made) / 2
            _descend(state.optimisers["discriminator"], discriminator_loss)
            with _frozen(discriminator):
                gan_loss = _cross_entropy(discriminator(spect, p2p), 1.0)

        l1 = (p2p - pet).abs().mean()
        _descend(
            state.optimisers["generator"],
            settings["gan_weight"] * gan_loss + settings["l1_weight"] * l1,
        )
        if state.average is not None:
            state.average.update_parameters(generator)
        progress.end_step(torch.stack([discriminator_loss, gan_loss, l1]).detach())
    return progress.losses()


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


def choose_device(wanted: str) -> torch.device:
    """The device to train on.

    Args:
        wanted: ``cpu``, ``cuda``, or ``auto`` for CUDA where there is a GPU.

    Raises:
        InputError: CUDA is demanded and there is no GPU.
    """
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise InputError(
            "models: device is cuda, but torch finds no GPU on this machine; set device to auto or "
            "cpu, or install the torch that fits the GPU's driver"
        )
    return torch.device("cuda" if present and wanted != "cpu" else "cpu")


def new_state(settings: Settings, shape: tuple[int, int], seed: int, device: torch.device) -> State:
    """Networks with random weights and their optimisers, before the first epoch.

    Args:
        settings: the model's section of the configuration.
        shape: size of the slices (H, W).
        seed: seed of the training.
        device: where to train.

    Raises:
        InputError: the slices do not fit the network.
    """
    torch.manual_seed(epoch_seed(seed, 0))
    method = METHODS[settings["method"]]
    networks = {"generator": method.generator(settings, shape).to(device)}
    if settings["gan_weight"] > 0:
        networks["discriminator"] = method.discriminator(settings).to(device)
    average = None
    if settings["ema"] > 0:
        fading = get_ema_multi_avg_fn(settings["ema"])
        average = AveragedModel(networks["generator"], multi_avg_fn=fading, use_buffers=True)
    betas = (settings["beta1"], BETA2)
    optimisers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.Adam(network.parameters(), betas=betas, fused=True)
        for name, network in networks.items()
    }
    return State(networks["generator"], networks.get("discriminator"), average, optimisers)


def validate(
    generator: nn.Module, data: Packed, device: torch.device
) -> tuple[torch.Tensor, tuple[float, float]]:
    """Make the P2P of all validation slices and compare it with PET.

    Args:
        generator: the network, left in evaluation mode.
        data: the packed slices.
        device: where the network is.

    Returns:
        P2P slices (n, H, W), and what `validation.measure` gives for them.
    """
    spect, pet = torch.from_numpy(data.validation).to(device).unbind(1)
    p2p = generate(generator, spect)
    return p2p, _measure(p2p, pet, data)


def sample_rows(data: Packed) -> list[int]:
    """Validation slices that the sample pictures show: spread over subjects and heights."""
    ends = np.linspace(0, len(data.validation), SAMPLE_SLICES + 1)
    return sorted({int((low + high) / 2) for low, high in pairwise(ends)})


def draw_sample(folder: Path, state: State, epoch: str, data: Packed) -> None:
    """Draw some validation slices as SPECT, P2P and PET after an epoch.

    Args:
        folder: where the picture goes, as ``epoch-<number>.png``.
        state: holds the P2P slices of the epoch.
        epoch: the epoch.
        data: the packed slices.
    """
    spect, pet = np.moveaxis(data.validation[sample_rows(data)], 1, 0)
    rows = {"SPECT": spect, "P2P": state.samples[epoch].cpu().numpy(), "PET": pet}
    figure, _ = pictures.draw_rows(
        {name: list(slices * data.scale) for name, slices in rows.items()},
        title=f"Validation slices after epoch {epoch}",
    )
    pictures.save_figure(figure, folder / f"epoch-{int(epoch):03d}.png")


def _measure(image: torch.Tensor, pet: torch.Tensor, data: Packed) -> tuple[float, float]:
    """`validation.measure` for images of all validation slices."""
    subjects, _ = pd.factorize(data.of_set("validation")["subject"])
    numbers, brain = torch.from_numpy(subjects), torch.from_numpy(data.brain)
    return validation.measure(image.cpu(), pet.cpu(), brain, numbers, data.scale)


def _report(
    state: State,
    data: Packed,
    settings: Settings,
    seed: int,
    device: torch.device,
    made_by: Mapping[str, Any],
) -> dict[str, Any]:
    """Content of training.json."""
    spect, pet = torch.from_numpy(data.validation).unbind(1)
    spect_l1, spect_ssim = _measure(spect, pet, data)
    last = state.history[-1]
    return {
        "settings": dict(settings),
        "seed": seed,
        "epochs": state.epoch,
        "chosen_epoch": state.epoch,
        "chosen_because": "the last epoch, as published; no epoch is picked by its validation",
        "evaluation_mode": "no dropout; batch normalisation, where there is any, by the running "
        "statistics of training, so that a slice always gives the same P2P",
        "intensity_scale": data.scale,
        "units": CBF_UNIT,
        "slice_shape": list(data.shape),
        "slices": {name: len(data.of_set(name)) for name in ("train", "validation")},
        "subjects": {
            name: list(data.of_set(name)["subject"].unique()) for name in ("train", "validation")
        },
        "parameters": {
            "generator": parameter_count(state.generator),
            "discriminator": parameter_count(state.discriminator) if state.discriminator else 0,
        },
        "validation": {
            "l1": {"SPECT": spect_l1, "P2P": last["validation_l1"]},
            "ssim": {"SPECT": spect_ssim, "P2P": last["validation_ssim"]},
        },
        "threads": torch.get_num_threads(),
        "device": device.type,
        "GeneratedBy": made_by,
    }


def _identity(
    data: Packed, settings: Settings, seed: int, device: torch.device, made_by: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that shapes the weights: a checkpoint is only continued where all of it agrees."""
    slices = hashlib.sha256(np.ascontiguousarray(data.train).tobytes())
    slices.update(np.ascontiguousarray(data.validation).tobytes())
    return {
        **{f"setting {name}": value for name, value in settings.items()},
        **{
            f"{name} subjects": list(data.of_set(name)["subject"].unique())
            for name in ("train", "validation")
        },
        "slices": slices.hexdigest()[:16],
        "seed": seed,
        "code": made_by["CodeFingerprint"],
        "libraries": made_by["Libraries"],
        "threads": torch.get_num_threads(),
        "device": device.type,
    }


def _be_repeatable() -> None:
    """Make torch repeat its results bit for bit, and not crawl where gradients become tiny."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_flush_denormal(True)


def _cross_entropy(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Cross-entropy of a discriminator's logits, all of which should say ``target``."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


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
