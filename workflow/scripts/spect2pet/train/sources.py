"""Where training slices come from: the device's own memory, or the disk, batch by batch."""

import mmap
import queue
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from spect2pet.train.networks import LEVEL, Settings
from spect2pet.train.slices import Packed

#: Batches that wait ready while one is learnt from.
AHEAD = 4
#: Batches after which what the system maps of the file is given back.
RELEASED_AFTER = 100


class Source:
    """Training slices between their neighbours, by row of the training array.

    Arrays up to ``resident_gb`` lie whole in the device's memory; from larger ones a thread reads
    batches ahead, so that memory does not grow with the number of slices.
    """

    def __init__(self, data: Packed, settings: Settings, device: torch.device) -> None:
        """Open the slices.

        Args:
            data: the packed slices.
            settings: the model's section of the configuration: ``context`` (slices in all that
                the generator sees, an odd number), ``resident_gb`` (largest array, in GB of
                float32, that lies in the device's memory) and ``scaling``.
            device: where the batches are wanted.
        """
        self._data, self._context, self._device = data, settings["context"], device
        #: Intensity scale, mL/100 g/min.
        self.scale = data.scale
        learnt = data.of_set("train")
        #: Rows of the array that are learnt from.
        self.rows = torch.from_numpy(learnt["row"].to_numpy(dtype=np.int64, copy=True))
        #: Height of each row of the array within its volume.
        self._height = torch.arange(len(data.train)) % data.depth
        #: Factors of SPECT and PET of each training subject (subjects, 2).
        self._factors = torch.ones(len(data.levels), 2)
        if settings["scaling"] == "subject":
            levels, ratios = torch.tensor(data.levels), torch.tensor(data.ratios)
            self._factors = torch.stack([LEVEL / levels, LEVEL / (levels * ratios)], dim=1)
        self._images: torch.Tensor | None = None
        if data.train.size * 4 <= settings["resident_gb"] * 1e9:
            whole = np.array(data.train, dtype=np.float32)
            self._images = torch.from_numpy(whole).to(device)

    @property
    def resident(self) -> bool:
        """Whether all slices lie in the device's memory."""
        return self._images is not None

    def batches(self, batches: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The slices of each batch.

        Args:
            batches: rows of the training array, one tensor a batch.

        Yields:
            Slices (n, context + 1, H, W): SPECT with its neighbours, then PET, CBF as a fraction
            of the intensity scale, float32 on the device.  Where subjects are scaled one by one,
            SPECT is brought to the level `LEVEL`, and PET to the whole-brain flow of that SPECT.
        """
        if self._images is not None:
            for rows in batches:
                near, here = self._neighbours(rows).to(self._device), rows.to(self._device)
                yield self._join(rows, self._images[near, 0], self._images[here, 1])
        else:
            yield from self._read_ahead(batches)

    def _neighbours(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (n, context) of the slices around some rows, which do not leave their volume."""
        offsets = torch.arange(self._context) - self._context // 2
        height = self._height[rows]
        near = (height[:, None] + offsets).clamp(0, self._data.depth - 1)
        return rows[:, None] - height[:, None] + near

    def _join(self, rows: torch.Tensor, spect: torch.Tensor, pet: torch.Tensor) -> torch.Tensor:
        """SPECT (n, context, H, W) and PET (n, H, W) of some rows as one, scaled."""
        factors = self._factors[rows // self._data.depth].to(spect.device)[:, :, None, None]
        return torch.cat([spect * factors[:, :1], (pet * factors[:, 1]).unsqueeze(1)], dim=1)

    def _read(self, rows: torch.Tensor) -> torch.Tensor:
        """One batch from disk, on the host."""
        train, near = self._data.train, self._neighbours(rows).numpy()
        spect = np.asarray(train[near, 0], dtype=np.float32)
        pet = np.asarray(train[rows.numpy(), 1], dtype=np.float32)
        batch = self._join(rows, torch.from_numpy(spect), torch.from_numpy(pet))
        return batch.pin_memory() if self._device.type == "cuda" else batch

    def _read_ahead(self, batches: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Batches from disk, some of them read while earlier ones are learnt from."""
        ready: queue.Queue[torch.Tensor | BaseException | None] = queue.Queue(AHEAD)
        stop = threading.Event()

        def put(item: torch.Tensor | BaseException | None) -> bool:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def read() -> None:
            try:
                for number, rows in enumerate(batches, 1):
                    if not put(self._read(rows)):
                        return
                    if number % RELEASED_AFTER == 0:
                        _release(self._data.train)
                put(None)
            except BaseException as error:
                put(error)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item.to(self._device, non_blocking=True)
        finally:
            stop.set()
            reader.join()


def _release(array: np.ndarray) -> None:
    """Let go of the pages of a mapped file, which else count as memory until all of it is there."""
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)
