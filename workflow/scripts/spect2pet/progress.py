"""The log of a training: how far it is, how it goes, how long it takes, and when it goes wrong."""

import logging
import time
from collections.abc import Mapping, Sequence

import torch

from spect2pet.errors import InputError
from spect2pet.images import CBF_UNIT
from spect2pet.slices import Packed

log = logging.getLogger(__name__)

#: Within an epoch, losses are read from the device and logged this often, seconds.
PROGRESS_SECONDS = 30.0


class Progress:
    """What a person watching the log sees, and the watch for losses that are not finite."""

    def __init__(self, data: Packed, epochs: int, epochs_done: int) -> None:
        """Start the clock.

        Args:
            data: the packed slices.
            epochs: epochs of the whole training.
            epochs_done: epochs that an earlier process has done.
        """
        self._data = data
        self._epochs = epochs
        self._first = self._epoch = epochs_done
        self._start = self._logged = time.monotonic()

    def start_epoch(self, batches: Sequence[torch.Tensor]) -> None:
        """Begin an epoch that meets the rows of the training array in these batches."""
        self._epoch += 1
        self._epoch_start = time.monotonic()
        self._batches = batches
        self._steps: list[torch.Tensor] = []

    def end_step(self, losses: torch.Tensor) -> None:
        """Take the losses (3) of a step, and log the progress now and then."""
        self._steps.append(losses)
        if time.monotonic() - self._logged > PROGRESS_SECONDS:
            discriminator, gan, l1 = self.losses()
            log.info(
                "epoch %d/%d, step %d/%d: D %.3f, GAN %.3f, L1 %.2f; %.1f slices/s; %s left",
                self._epoch, self._epochs, len(self._steps), len(self._batches),
                discriminator, gan, l1, self._speed(), self._left(),
            )  # fmt: skip
            self._logged = time.monotonic()

    def losses(self) -> list[float]:
        """Means over the steps so far of the losses, L1 in mL/100 g/min.

        Raises:
            InputError: a loss is not finite.
        """
        steps = torch.stack(self._steps)
        finite = steps.isfinite().all(dim=1).tolist()
        if not all(finite):
            step = finite.index(False)
            names = [self._data.name(row) for row in self._batches[step].tolist()]
            raise InputError(
                f"the loss is not finite in epoch {self._epoch}, step {step + 1}, with "
                f"{', '.join(names)}; lower models: learning_rate, or look at these images"
            )
        discriminator, gan, l1 = steps.mean(dim=0).tolist()
        # The network's range [-1, 1] is twice as wide as the intensity scale.
        return [discriminator, gan, l1 * self._data.scale / 2]

    def end_epoch(self, row: Mapping[str, float]) -> None:
        """Log a finished epoch, given its row of the history."""
        log.info(
            "epoch %d/%d: D %.3f, GAN %.3f, L1 %.2f; validation L1 %.2f %s, SSIM %.4f; "
            "%.1f slices/s; %s left",
            self._epoch, self._epochs, row["discriminator_loss"], row["gan_loss"], row["l1"],
            row["validation_l1"], CBF_UNIT, row["validation_ssim"], self._speed(), self._left(),
        )  # fmt: skip
        self._logged = time.monotonic()

    def _speed(self) -> float:
        """Slices per second in this epoch so far."""
        slices = sum(len(rows) for rows in self._batches[: len(self._steps)])
        return slices / (time.monotonic() - self._epoch_start)

    def _left(self) -> str:
        """Time that the rest will take at the pace of this process so far."""
        done = self._epoch - self._first - 1 + len(self._steps) / len(self._batches)
        pace = (time.monotonic() - self._start) / done
        seconds = round(pace * (self._epochs - self._first - done))
        return f"{seconds // 3600} h {seconds // 60 % 60:02d} min {seconds % 60:02d} s"
