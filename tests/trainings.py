"""Small trainings for tests, in this process or in one of their own that can be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from model_settings import TINY, model_settings
from packed_slices import packed
from spect2pet.core import provenance
from spect2pet.train import training
from spect2pet.train.slices import Packed

SEED = 5
#: Changes of a slice, small enough to leave it what it is.
AUGMENTATION = {"rotation": 5, "shift": 1, "scale": 0.05, "intensity": 0.1}
#: A training that draws random numbers wherever one can: dropout needs six halvings.
RANDOM = {"depth": 6, "width": 1, "ema": 0.9, "batch_size": 1, "augmentation": AUGMENTATION}
#: Size of the slices that can be halved so often.
LARGE = (64, 64)


def tiny(**changes: Any) -> dict[str, Any]:
    """Full settings of a training of three epochs with three steps each."""
    return model_settings(**{**TINY, "augmentation": AUGMENTATION, **changes})


def outputs_in(folder: Path) -> training.Outputs:
    """Files of a training, all in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return training.Outputs(
        folder / "generator.safetensors",
        folder / "history.tsv",
        folder / "training.json",
        folder / "samples",
        folder / ".checkpoint.safetensors",
        folder / "curves",
    )


def train(
    folder: Path, data: Packed | None = None, seed: int = SEED, **changes: Any
) -> training.Outputs:
    """Train a small model, or go on training it."""
    torch.set_num_threads(1)
    outputs, settings = outputs_in(folder), tiny(**changes)
    made_by = provenance.stamp(settings, seed, "code", ["torch"])
    training.train(data or packed(), settings, seed, outputs, made_by)
    return outputs


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- Processes of their own -----------------------------------------------------

CHILD = """
import os, signal, sys
sys.path[:0] = {paths!r}
from spect2pet.core import runtime
with runtime.job({log!r}, 1):
    from pathlib import Path
    import packed_slices, trainings
    from spect2pet.train import checkpoints, training
    def freeze():
        os.kill(os.getpid(), signal.SIGSTOP)
{before}
    trainings.train(
        Path({folder!r}), packed_slices.packed(shape={shape!r}), **{changes!r}
    )
"""

#: Lines for a process that freezes itself, for its parent to do to it what it likes.
FREEZE_AFTER_EPOCH = """
    save = checkpoints.save
    def saved(path, state, identity):
        save(path, state, identity)
        if state.epoch == {epoch} and not state.step:
            freeze()
    checkpoints.save = saved
"""
FREEZE_IN_STEP = """
    step = training.step
    def stepped(state, *others):
        if (state.epoch, state.step) == ({epoch}, {step}):
            freeze()
        return step(state, *others)
    training.step = stepped
"""


def child(folder: Path, before: str = "", **changes: Any) -> subprocess.Popen[str]:
    """A training in a process of its own, run as the workflow runs a job.

    Args:
        folder: where it writes; its log goes beside the folder.
        before: lines of Python, indented by four, that it runs before it trains.
        changes: what differs from the settings `tiny`.
    """
    tests = Path(__file__).parent
    script = CHILD.format(
        paths=[str(tests.parent / "workflow" / "scripts"), str(tests)],
        log=str(folder.with_suffix(".log")),
        folder=str(folder),
        before=before,
        shape=LARGE,
        changes=changes,
    )
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)


def wait_until_frozen(process: subprocess.Popen[str]) -> None:
    """Wait for a process that freezes itself."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"the process ended with status {status} instead"


def thaw(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Let a frozen process go on to its end: its exit status, and what it said."""
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=120)
    return process.returncode, said
