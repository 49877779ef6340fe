"""The log of a training: how far it is, how it goes, how long it takes, and when it goes wrong."""

import logging
import time
from collections.abc import Mapping, Sequence

import torch

from spect2pet.core.errors import InputError
from spect2pet.core.images import CBF_UNIT
from spect2pet.train.slices import Packed

log = logging.getLogger(__name__)

#: Within an epoch, losses are read from the device and logged this often, seconds.
PROGRESS_SECONDS = 30.0
#: Below this share of a clueless discriminator's loss, the discriminator has won.
WON = 0.03
#: Within this share of it, it has collapsed.
LOST = 0.002


class Progress:
    """What a person watching the log sees, and the watch for losses that are not finite."""

    def __init__(self, data: Packed, epochs: int, epochs_done: int, clueless: float | None) -> None:
        """Start the clock.

        Args:
            data: the packed slices.
            epochs: epochs of the whole training.
            epochs_done: epochs that an earlier process has done.
            clueless: loss of a discriminator that knows nothing, None where there is none.
        """
        self._data = data
        self._epochs = epochs
        self._epoch = epochs_done
        #: Epochs that an earlier process has done, and of the next one its share.
        self._before = float(epochs_done)
        self._clueless = clueless
        self._batches: Sequence[torch.Tensor] = ()
        self._start = self._logged = time.monotonic()

    def start_epoch(
        self, batches: Sequence[torch.Tensor], done: Sequence[torch.Tensor] = ()
    ) -> None:
        """Begin an epoch.

        Args:
            batches: rows of the training array, one tensor a step.
            done: losses of the steps that an earlier process has done.
        """
        self._epoch += 1
        self._epoch_start = time.monotonic()
        self._batches = batches
        self._skipped = len(done)
        self._before += self._skipped / len(batches)
        self._steps = self._skipped

    def end_step(self, losses: Sequence[torch.Tensor]) -> None:
        """Take the losses of the epoch's steps so far, and log the progress now and then.

        They are only looked at when they are logged: looking waits for the device.
        """
        self._steps = len(losses)
        if time.monotonic() - self._logged > PROGRESS_SECONDS:
            discriminator, gan, l1, _ = self.means(losses)
            log.info(
                "epoch %d/%d, step %d/%d: D %.3f, GAN %.3f, L1 %.2f; %.1f slices/s; %s left",
                self._epoch, self._epochs, len(losses), len(self._batches),
                discriminator, gan, l1, self._speed(), self._left(),
            )  # fmt: skip
            self._logged = time.monotonic()

    def means(self, losses: Sequence[torch.Tensor]) -> list[float]:
        """Means over the steps so far of the losses, L1 in mL/100 g/min.

        Raises:
            InputError: a loss is not finite.
        """
        steps = torch.stack(list(losses))
        finite = steps.isfinite().all(dim=1).tolist()
        if not all(finite):
            step = finite.index(False)
            names = [self._data.name(row) for row in self._batches[step].tolist()]
            raise InputError(
                f"the loss is not finite in epoch {self._epoch}, step {step + 1}, with "
                f"{', '.join(names)}; lower models: learning_rate, or look at these images"
            )
        discriminator, gan, l1, total = steps.mean(dim=0).tolist()
        # The network's range [-1, 1] is twice as wide as the intensity scale.
        return [discriminator, gan, l1 * self._data.scale / 2, total]

    def end_epoch(self, row: Mapping[str, float]) -> None:
        """Log a finished epoch, given its row of the history, and warn where it went wrong."""
        parts = [f"epoch {row['epoch']:g}/{self._epochs}:"]
        if self._batches:
            parts.append(
                f"D {row['discriminator_loss']:.3f}, GAN {row['gan_loss']:.3f}, L1 {row['l1']:.2f};"
            )
        parts.append(
            f"validation L1 {row['validation_l1']:.2f} {CBF_UNIT}, SSIM "
            f"{row['validation_ssim']:.4f}"
        )
        if self._batches:
            parts[-1] += f"; {self._speed():.1f} slices/s; {self._left()} left"
            self._warn(row)
        log.info("%s", " ".join(parts))
        self._logged = time.monotonic()

    def _warn(self, row: Mapping[str, float]) -> None:
        """Say when the two networks no longer learn from one another."""
        loss, clueless = row["discriminator_loss"], self._clueless
        if clueless is None or row["epoch"] < 2:
            return
        if loss < WON * clueless:
            log.warning(
                "the discriminator tells P2P from PET almost without error (loss %.3g), so the "
                "generator learns little from it; lower models: discriminator_width or gan_weight",
                loss,
            )
        elif abs(loss - clueless) < LOST * clueless:
            log.warning(
                "the discriminator has collapsed: its loss of %.4g is that of one that gives every "
                "image the same answer, so the generator learns nothing from it; lower models: "
                "learning_rate, or raise discriminator_width",
                loss,
            )

    def _speed(self) -> float:
        """Slices per second in this epoch so far."""
        slices = sum(len(rows) for rows in self._batches[self._skipped : self._steps])
        return slices / (time.monotonic() - self._epoch_start)

    def _left(self) -> str:
        """Time that the rest will take at the pace of this process so far."""
        done = self._epoch - 1 + self._steps / len(self._batches)
        if done == self._before:  # stopped after an epoch's last step
            return "unknown time"
        pace = (time.monotonic() - self._start) / (done - self._before)
        seconds = round(pace * (self._epochs - done))
        return f"{seconds // 3600} h {seconds // 60 % 60:02d} min {seconds % 60:02d} s"
