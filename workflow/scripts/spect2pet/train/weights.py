"""Files of network weights and of training states: safetensors, so that nothing is unpickled."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from spect2pet.core.errors import InputError
from spect2pet.train.frames import Frame
from spect2pet.train.headers import RECORD
from spect2pet.train.methods import METHODS
from spect2pet.train.networks import Generator, Settings

#: Key of the records of the networks in a file of several.
NETWORKS = "networks"


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], record: Mapping[str, Any]
) -> None:
    """Write tensors and their record whole or not at all, the same bytes for the same content.

    Args:
        path: file to write, ending in ``.safetensors``.
        tensors: tensors of any shape, kind and device by name.
        record: what else is to be known, ready for JSON.

    Raises:
        InputError: the file cannot be written, as on a full disk.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name.lstrip('.')}")
    # Plain row-major copies: tensors of one storage or in channels-last order are not stored.
    plain = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    try:
        save_file(plain, partial, {RECORD: json.dumps(record)})
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"{path}: cannot be written ({error}); what was there before is kept; make room or "
            "mend the permissions and run the workflow again"
        ) from error


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Args:
        path: a ``.safetensors`` file.

    Returns:
        The tensors by name, on the CPU, and the record.

    Raises:
        InputError: the file is damaged or another program's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})[RECORD])
            return {name: file.get_tensor(name) for name in file.keys()}, record  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: is damaged or no file of this workflow ({error}); "
            "delete it and run the workflow again"
        ) from error


def save_generator(
    path: str | Path,
    generator: nn.Module,
    settings: Settings,
    frame: Frame,
    scale: float,
) -> None:
    """Write a trained generator with all that is needed to use it.

    Args:
        path: file to write.
        generator: the network.
        settings: settings of its model.
        frame: size of the slices it was trained on.
        scale: intensity scale, mL/100 g/min.
    """
    record = {
        "settings": dict(settings),
        "shape": list(frame.shape),
        "voxel_mm": frame.voxel_mm,
        "gain": frame.gain,
        "scale": scale,
    }
    write_tensors(path, generator.state_dict(), record)


def load_generators(path: str | Path) -> list[tuple[Generator, dict[str, Any]]]:
    """Rebuild the trained generators of a file, ready for inference.

    Args:
        path: a file that `save_generator` or `gather` wrote.

    Returns:
        The networks in evaluation mode, each with its record: ``settings``, ``shape`` (H, W),
        ``voxel_mm``, ``gain`` and ``scale`` (mL/100 g/min).

    Raises:
        InputError: the file is damaged, or was written by another version of the networks.
    """
    tensors, record = read_tensors(path)
    if NETWORKS not in record:
        return [(_rebuild(path, tensors, record), record)]
    built = []
    for number, part in enumerate(record[NETWORKS]):
        start = _prefix(number)
        own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
        built.append((_rebuild(path, own, part), part))
    return built


def gather(path: str | Path, generators: Sequence[str | Path], record: Mapping[str, Any]) -> None:
    """Write several networks into one file.

    Args:
        path: file to write.
        generators: files that `save_generator` wrote.
        record: what is to be known of them together, ready for JSON.

    Raises:
        InputError: a file is damaged, or the new one cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    records = []
    for number, source in enumerate(generators):
        own, about = read_tensors(source)
        tensors |= {_prefix(number) + name: tensor for name, tensor in own.items()}
        records.append(about)
    write_tensors(path, tensors, {NETWORKS: records, **record})


def _prefix(number: int) -> str:
    """How the tensors of one network are called in a file of several."""
    return f"network-{number}."


def _rebuild(
    path: str | Path, tensors: Mapping[str, torch.Tensor], record: Mapping[str, Any]
) -> Generator:
    """The network that tensors and their record stand for."""
    try:
        method = METHODS[record["settings"]["method"]]
        height, width = record["shape"]
        frame = Frame((height, width), record["voxel_mm"], record["gain"])
        generator = method.generator(record["settings"], frame)
        generator.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: the weights do not fit the network ({error}); "
            "delete the file and run the workflow again"
        ) from error
    generator.eval()
    return generator


def file_fingerprint(path: str | Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
