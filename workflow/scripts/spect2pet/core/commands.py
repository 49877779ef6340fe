"""Snakemake commands of one folder: which still run, and what one that was killed left locked."""

import atexit
import contextlib
import fcntl
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

#: Where each command has a file that it holds locked for as long as it lives.
RUNNING = "spect2pet"
#: Where Snakemake lays its own locks, which outlive it when it is killed.
LOCKS = "locks"
#: In the file of a command that sends its jobs to a cluster.
ELSEWHERE = b"cluster"

_entered: dict[Path, "Neighbours"] = {}


@dataclass(frozen=True)
class Neighbours:
    """Other commands in a folder.

    Attributes:
        running: whether another one runs now.
        killed: whether one ended without taking its file away, with all its jobs, and none runs
            now.
    """

    running: bool
    killed: bool


def enter(folder: str | Path, *, elsewhere: bool = False) -> Neighbours:
    """Let others know of this process for as long as it lives, and tell of them.

    The operating system gives a lock back when its process ends, however it ends, so that a file
    whose lock is free is of a process that is gone.

    Args:
        folder: Snakemake's own folder, ``.snakemake``.
        elsewhere: whether this command sends its jobs to a cluster, where they outlive it.

    Returns:
        What was found when this process asked first.
    """
    folder = Path(folder).absolute()
    if folder not in _entered:
        try:
            _entered[folder] = _enter(folder / RUNNING, elsewhere)
        except OSError:
            # No locks on this disk, or no room: as if one ran, so that nothing is touched.
            _entered[folder] = Neighbours(running=True, killed=False)
    return _entered[folder]


def remove_locks(folder: str | Path) -> bool:
    """Remove Snakemake's locks of a folder in which no command runs.

    Args:
        folder: Snakemake's own folder, ``.snakemake``.

    Returns:
        Whether there were any.
    """
    locks = Path(folder) / LOCKS
    there = any(locks.glob("*.lock"))
    shutil.rmtree(locks, ignore_errors=True)
    return there


def _enter(folder: Path, elsewhere: bool) -> Neighbours:
    """Lay this process's file into the folder and try the locks of the others."""
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{socket.gethostname()}-{os.getpid()}.running"
    # Locked before it has its name, so that it is never seen without its lock.
    unnamed = own.with_suffix(".new")
    # Held open until the process ends.
    held = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    _lock(held)
    os.write(held, ELSEWHERE if elsewhere else b"")
    unnamed.replace(own)
    atexit.register(_leave, own, os.getpid())
    running = killed = False
    for other in sorted(folder.glob("*.running")):
        if other == own:
            continue
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(other, os.O_RDWR)
            try:
                _lock(descriptor)
                killed |= os.read(descriptor, len(ELSEWHERE)) != ELSEWHERE
                other.unlink()
            except BlockingIOError:
                running = True
            finally:
                os.close(descriptor)
    return Neighbours(running, killed and not running)


def _lock(descriptor: int) -> None:
    """Lock an open file for this process alone, or raise `BlockingIOError`."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _leave(own: Path, process: int) -> None:
    """Take this process's file away at its end; a child that was forked leaves it."""
    if os.getpid() == process:
        with contextlib.suppress(OSError):
            own.unlink()
