"""Training by several processes at once, one a GPU, started by torchrun.

Each process holds all networks, takes its share of every batch, and averages its gradients with
the others' (DistributedDataParallel).  Batch normalisation counts over all shares, so the result
is that of one process with the whole batch but for rounding and the draws of dropout.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from spect2pet.core.errors import InputError, Stopped
from spect2pet.train import devices, slices, training

log = logging.getLogger(__name__)

#: Sets whether torchrun's own log (of each worker's start and end) is shown.
LOG_LEVEL = {"TORCH_CPP_LOG_LEVEL": "ERROR"}


def train(
    files: Mapping[str, str],
    settings: Mapping[str, Any],
    seed: int,
    outputs: training.Outputs,
    made_by: Mapping[str, Any],
) -> None:
    """Train a model, in this process or in as many as the settings ask for.

    Args:
        files: the packed slices, as `slices.read` takes them.
        settings: the model's section of the configuration; ``processes`` share each batch.
        seed: seed of the training.
        outputs: files to write.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: as `training.train`, or the processes do not fit the batch or the GPUs.
        Stopped: the process was asked to stop; the checkpoint holds all that was done.
    """
    processes = settings["processes"]
    if processes == 1:
        training.train(slices.read(**files), settings, seed, outputs, made_by)
        return
    _check(settings)
    job = {
        "files": dict(files),
        "settings": settings,
        "seed": seed,
        "outputs": {name: str(path) for name, path in asdict(outputs).items()},
        "made_by": made_by,
        "threads": max(torch.get_num_threads() // processes, 1),
    }
    with tempfile.TemporaryDirectory() as folder:
        order, answer = Path(folder) / "job.json", Path(folder) / "answer.json"
        order.write_text(json.dumps(job), encoding="utf-8")
        status = _run(processes, order, answer)
        if answer.exists():
            said = json.loads(answer.read_text(encoding="utf-8"))
            raise {"Stopped": Stopped}.get(said["kind"], InputError)(said["sentence"])
    if status:
        raise InputError(
            f"one of the {processes} training processes ended with status {status}; the log above "
            "says why; the same command goes on from the last checkpoint"
        )


def _check(settings: Mapping[str, Any]) -> None:
    """Make sure that the processes fit the batch and the GPUs."""
    processes = settings["processes"]
    if settings["batch_size"] % processes:
        raise InputError(
            f"models: batch_size {settings['batch_size']} cannot be shared by {processes} "
            "processes; make it a multiple of processes"
        )
    if devices.choose(settings["device"]).type == "cuda":
        present = torch.cuda.device_count()
        if present < processes:
            raise InputError(
                f"models: processes is {processes}, but this job sees {present} GPUs; ask the "
                "scheduler for more or lower processes"
            )


def _run(processes: int, order: Path, answer: Path) -> int:
    """Start the processes and wait for them; a request to stop is passed on.

    Returns:
        Exit status of torchrun.
    """
    library = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        f"--nproc-per-node={processes}", "-m", "spect2pet.train.distributed",
        str(order), str(answer),
    ]  # fmt: skip
    child = subprocess.Popen(command, env={**os.environ, **LOG_LEVEL, "PYTHONPATH": path})
    with _passed_on(child):
        return child.wait()


@contextlib.contextmanager
def _passed_on(child: subprocess.Popen) -> Iterator[None]:
    """Send requests to stop on to another process, as SIGTERM, which torchrun understands."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(signal.SIGTERM)

    former = {n: signal.signal(n, pass_on) for n in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def work(order: Path, answer: Path) -> None:
    """Be one of the processes that torchrun starts.

    Args:
        order: what to train, as `train` wrote it.
        answer: where the leading process writes the sentence with which the training ends, if any.
    """
    job = json.loads(order.read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    rank = int(os.environ["LOCAL_RANK"])
    device = devices.choose(job["settings"]["device"])
    if device.type == "cuda":
        torch.cuda.set_device(rank)
    logging.basicConfig(
        level=logging.INFO if rank == 0 else logging.ERROR,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    outputs = {field.name: Path(job["outputs"][field.name]) for field in fields(training.Outputs)}
    try:
        training.train(
            slices.read(**job["files"]),
            job["settings"],
            job["seed"],
            training.Outputs(**outputs),
            job["made_by"],
        )
    except InputError as error:
        if rank == 0:
            said = {"kind": type(error).__name__, "sentence": str(error)}
            answer.write_text(json.dumps(said), encoding="utf-8")
        raise SystemExit(1) from None
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
