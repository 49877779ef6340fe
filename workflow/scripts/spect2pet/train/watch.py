"""When a training keeps its state: now and then, and when it is asked to stop."""

import logging
import signal
import time
from types import FrameType, TracebackType
from typing import Self

log = logging.getLogger(__name__)

#: What a scheduler sends before it ends a job (Slurm: SIGTERM at the time limit and before
#: preemption, SIGUSR1 where ``--signal=USR1@60`` asks for a warning).
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Watch:
    """Tells after every step whether it is time to keep the state, or to stop.

    A signal only sets a mark, which is looked at between steps, so that the state is kept whole.
    As a context manager it takes the signals over and gives them back.
    """

    def __init__(self, keep_minutes: float) -> None:
        """Start the clock.

        Args:
            keep_minutes: time between two checkpoints within an epoch, minutes.
        """
        self._period = 60 * keep_minutes
        self._kept = time.monotonic()
        self._former: dict[signal.Signals, object] = {}
        #: Name of the signal that asked to stop, None where none has.
        self.stopped_by: str | None = None

    def __enter__(self) -> Self:
        """Take the signals over, where this is the process's main thread."""
        for number in SIGNALS:
            try:
                self._former[number] = signal.signal(number, self._mark)
            except ValueError:  # another thread than the main one receives no signals
                log.debug("signals are not watched outside the main thread")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]

    @property
    def is_time(self) -> bool:
        """Whether the state should be kept now."""
        return self.stopped_by is not None or time.monotonic() - self._kept >= self._period

    def has_kept(self) -> None:
        """Start the time to the next checkpoint."""
        self._kept = time.monotonic()

    def _mark(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by = signal.Signals(number).name
