"""What a training writes down about itself: history, pictures, curves, report, identity."""

import logging
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spect2pet.core.errors import InputError
from spect2pet.core.images import CBF_UNIT
from spect2pet.figures import pictures
from spect2pet.train import validation
from spect2pet.train.checkpoints import State
from spect2pet.train.deconvolution import Identity
from spect2pet.train.networks import Settings, parameter_count
from spect2pet.train.slices import Packed

log = logging.getLogger(__name__)

#: Validation slices that each sample picture shows.
SAMPLE_SLICES = 6

HISTORY = {
    "epoch": "Epoch, from 1",
    "learning_rate": "Learning rate of both networks in the epoch",
    "discriminator_loss": "Loss of the discriminator, halved, mean over the epoch",
    "gan_loss": "What the discriminator costs the generator, before its weight, mean over the "
    "epoch",
    "l1": "Mean absolute difference of P2P and PET over all voxels of the training slices as they "
    f"were met (augmented, with dropout), mean over the epoch, {CBF_UNIT}",
    "generator_loss": "All that the generator minimises, weighted, mean over the epoch",
    "validation_l1": "Mean absolute difference of P2P and PET in the brain after the epoch, mean "
    f"over the validation slices of a subject, then over subjects, {CBF_UNIT}",
    "validation_ssim": "Structural similarity of P2P and PET in the brain after the epoch, mean "
    "over the validation slices of a subject, then over subjects",
}

#: Settings that say when and where something is written or kept, and shape no weight.
WITHOUT_EFFECT = ("checkpoint_minutes", "members", "sample_every", "tensorboard")

CHOSEN = {
    "last": "the last epoch, as published; no epoch is picked by its validation",
    "best": "the epoch with the highest SSIM in validation subjects",
}


def identity(
    data: Packed, settings: Settings, seed: int, device: torch.device, made_by: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that shapes the weights: a checkpoint is only continued where all of it agrees.

    Args:
        data: the packed slices.
        settings: the model's section of the configuration.
        seed: seed of the training.
        device: where it runs.
        made_by: what `provenance.stamp` gave.
    """
    shaping = {name: value for name, value in settings.items() if name not in WITHOUT_EFFECT}
    return {
        **{f"setting {name}": value for name, value in shaping.items()},
        **{
            f"{name} subjects": list(data.of_set(name)["subject"].unique())
            for name in ("train", "validation")
        },
        "slices": data.digest,
        "seed": seed,
        "code": made_by["CodeFingerprint"],
        "libraries": made_by["Libraries"],
        "threads": torch.get_num_threads(),
        "device": device.type,
    }


def report(
    state: State,
    chosen: int,
    data: Packed,
    settings: Settings,
    seed: int,
    device: torch.device,
    made_by: Mapping[str, Any],
) -> dict[str, Any]:
    """Content of training.json.

    Args:
        state: the training at its end.
        chosen: the epoch whose weights count.
        data: the packed slices.
        settings: the model's section of the configuration.
        seed: seed of the training.
        device: where it ran.
        made_by: what `provenance.stamp` gave.
    """
    _, of_spect = validation.validate(Identity(), data, torch.device("cpu"))
    row = state.history[chosen - 1]
    return {
        "settings": dict(settings),
        "seed": seed,
        "epochs": state.epoch,
        "chosen_epoch": chosen,
        "chosen_because": CHOSEN[settings["choose"]],
        "evaluation_mode": "no dropout; batch normalisation, where there is any, by the running "
        "statistics of training, so that a slice always gives the same P2P",
        "intensity_scale": data.scale,
        "units": CBF_UNIT,
        "slice_shape": list(data.shape),
        "voxel_mm": data.voxel_mm,
        "slices": {name: len(data.of_set(name)) for name in ("train", "validation")},
        "subjects": {
            name: list(data.of_set(name)["subject"].unique()) for name in ("train", "validation")
        },
        "parameters": {
            "generator": parameter_count(state.generator),
            "discriminator": parameter_count(state.discriminator) if state.discriminator else 0,
        },
        "validation": {
            "l1": {"SPECT": of_spect.l1, "P2P": row["validation_l1"]},
            "ssim": {"SPECT": of_spect.ssim, "P2P": row["validation_ssim"]},
        },
        "threads": torch.get_num_threads(),
        "device": device.type,
        "GeneratedBy": made_by,
    }


# --- Pictures and curves --------------------------------------------------------


class Book:
    """What a training shows of its epochs: pictures of some slices, and curves on request."""

    def __init__(
        self,
        pictures_in: Path,
        curves_in: Path,
        settings: Settings,
        data: Packed,
        state: State,
        leads: bool,
    ) -> None:
        """Open the folders, and show the epochs done again, whose pictures may be lost.

        Args:
            pictures_in: folder of the pictures.
            curves_in: folder of the files for TensorBoard, used where the settings ask for them.
            settings: the model's section of the configuration.
            data: the packed slices.
            state: the training.
            leads: whether this process is the one that writes.

        Raises:
            InputError: curves are asked for and the package that writes them is not installed.
        """
        self._folder, self._data, self._state, self._leads = pictures_in, data, state, leads
        self._every = settings["sample_every"]
        self._curves = _open_curves(curves_in) if settings["tensorboard"] and leads else None
        if leads:
            pictures_in.mkdir(parents=True, exist_ok=True)
            for epoch in state.samples:
                self._draw(epoch)
            for row in state.history:
                self._add(row)

    def end_epoch(self, p2p: np.ndarray, last: bool) -> None:
        """Show the epoch just done, whose row is the last of the history.

        Args:
            p2p: P2P of the validation slices (n, H, W).
            last: whether no epoch follows.
        """
        epoch = self._state.epoch
        if epoch % self._every == 0 or last:
            self._state.samples[str(epoch)] = torch.from_numpy(p2p[self._sampled()])
            if self._leads:
                self._draw(str(epoch))
        self._add(self._state.history[-1])
        if last and self._curves is not None:
            self._curves.close()

    def _sampled(self) -> list[int]:
        """Validation slices that the pictures show: spread over subjects and heights."""
        ends = np.linspace(0, len(self._data.of_set("validation")), SAMPLE_SLICES + 1)
        return sorted({int((low + high) / 2) for low, high in pairwise(ends)})

    def _draw(self, epoch: str) -> None:
        """Draw the slices as SPECT, P2P and PET, as ``epoch-<number>.png``."""
        rows = self._data.of_set("validation")["row"].to_numpy()[self._sampled()]
        spect, pet = np.moveaxis(np.asarray(self._data.validation[rows], dtype=np.float32), 1, 0)
        lines = {"SPECT": spect, "P2P": self._state.samples[epoch].cpu().numpy(), "PET": pet}
        figure, _ = pictures.draw_rows(
            {name: list(slices * self._data.scale) for name, slices in lines.items()},
            title=f"Validation slices after epoch {epoch}",
        )
        pictures.save_figure(figure, self._folder / f"epoch-{int(epoch):03d}.png")

    def _add(self, row: Mapping[str, float]) -> None:
        """Add one epoch's row of the history to the curves."""
        if self._curves is None:
            return
        for name, value in row.items():
            if name != "epoch" and np.isfinite(value):
                self._curves.add_scalar(name, value, int(row["epoch"]))


def _open_curves(folder: Path) -> Any:
    """A writer of files for TensorBoard.

    Raises:
        InputError: the package is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise InputError(
            "models: tensorboard is on, but the package tensorboardX is not installed; "
            "install it or turn tensorboard off"
        ) from error
    # A thread of the writer's own brings them to disk this often, seconds.
    return SummaryWriter(str(folder), flush_secs=1)
