"""Processes, as /proc tells of them: a job's Snakemake above it, and what it started below."""

import contextlib
import os
import signal
import threading
from pathlib import Path


def lineage_to_snakemake() -> list[tuple[int, int]]:
    """Pairs of process and parent from this one up to its Snakemake.

    Returns:
        This process first; empty where there is no Snakemake above, and where the system does not
        tell of processes in /proc, as Linux does.
    """
    lineage: list[tuple[int, int]] = []
    child, parent = os.getpid(), os.getppid()
    while parent > 1:
        lineage.append((child, parent))
        try:
            words = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return []
        # The program, or what Python runs; not a shell whose command names a file of Snakemake's.
        if any(Path(os.fsdecode(word)).name == "snakemake" for word in words[:3]):
            return lineage
        child, parent = parent, _parent(parent)
    return []


def end_with(lineage: list[tuple[int, int]], seconds: float = 0.5) -> None:
    """End this process, and those that it started, soon after its Snakemake is killed.

    Otherwise it would go on, and write the same files as the job that the next command starts.

    Args:
        lineage: what `lineage_to_snakemake` said; where it is empty, nothing is done.
        seconds: how often to look.
    """
    if lineage:
        threading.Thread(target=_watch, args=(lineage, seconds), daemon=True).start()


def end() -> None:
    """Kill what this process started, and this process."""
    for process in [*_descendants(os.getpid()), os.getpid()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def started(process: int) -> int:
    """When a process started, in ticks since the machine did (proc(5), stat, field 22).

    Raises:
        OSError: there is no such process.
    """
    return int(_stat(process)[19])


def _watch(lineage: list[tuple[int, int]], seconds: float) -> None:
    """Wait until a process has lost its parent, then kill this one."""
    never = threading.Event()  # waits by a clock that nobody sets, which time.sleep may not
    while all(_parent(child) == parent for child, parent in lineage):
        never.wait(seconds)
    end()


def _parent(process: int) -> int:
    """The parent of a process; 0 where there is no such process."""
    try:
        return int(_stat(process)[1])
    except OSError:
        return 0


def _stat(process: int) -> list[str]:
    """What /proc tells of a process, from its state on."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    # The name of the program, in brackets, may hold anything.
    return text.rpartition(")")[2].split()


def _descendants(process: int) -> list[int]:
    """Processes that a process started, and theirs, these first."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text(encoding="utf-8").split()):
                found += [*_descendants(child), child]
    return found
