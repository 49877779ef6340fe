"""The device that trains: which it is, how it counts, and what fits into its memory."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import nn

from spect2pet.core.errors import InputError
from spect2pet.train.checkpoints import State
from spect2pet.train.frames import Frame
from spect2pet.train.networks import Settings, parameter_count

log = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)

#: Bytes that a trained value needs in float32: itself, its gradient, and two moments of Adam.
BYTES_PER_PARAMETER = 16
#: How often the values of a forward pass are alive at once: a step sends P2P through the
#: discriminator twice and PET once, and gradients of activations come on top.
ALIVE = 3.0
#: Compilers of which torch needs one to make code for a CPU.
COMPILERS = ("c++", "g++", "clang++")
#: Words by which torch says that memory has run out on a CPU.
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def choose(wanted: str) -> torch.device:
    """The device to train on.

    Args:
        wanted: ``cpu``, ``cuda``, or ``auto`` for CUDA where there is a GPU.

    Raises:
        InputError: CUDA is demanded and there is no GPU.
    """
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise InputError(
            "models: device is cuda, but torch finds no GPU on this machine; set device to auto or "
            "cpu, or install the torch that fits the GPU's driver"
        )
    return torch.device("cuda" if present and wanted != "cpu" else "cpu")


def be_repeatable() -> None:
    """Make torch repeat its results bit for bit, and not crawl where gradients become tiny."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_flush_denormal(True)
    # Convolutions of a GPU in TF32, 10 bits of mantissa, which training does not notice; matrix
    # products, of which SSIM is made, stay whole.
    torch.backends.cudnn.allow_tf32 = True


def place(network: Network, device: torch.device) -> Network:
    """Bring a network to a device, in the memory format that its convolutions want there."""
    if device.type == "cuda":
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(device)


def hasten(network: nn.Module, wanted: bool) -> nn.Module:
    """The same network as faster code, where the settings ask for it.

    Raises:
        InputError: this machine has no compiler that torch could use.
    """
    if not wanted:
        return network
    if not torch.cuda.is_available() and not any(map(shutil.which, COMPILERS)):
        raise InputError(
            f"models: compile is on, but none of {', '.join(COMPILERS)} is installed; install a "
            "C++ compiler or turn compile off"
        )
    compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
    return compiled


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The precision that networks count in; losses and weights stay float32.

    Args:
        device: where the networks are.
        precision: ``float32``, ``bfloat16``, or ``auto`` for bfloat16 on GPUs that have it.
    """
    if precision == "auto":
        able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bfloat16" if able else "float32"
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextmanager
def says_what_fits(
    state: State, settings: Settings, frame: Frame, device: torch.device
) -> Iterator[None]:
    """Turn running out of memory into a sentence that says what would fit.

    Args:
        state: the networks that are trained.
        settings: the model's section of the configuration.
        frame: size of the slices.
        device: where the training runs.

    Raises:
        InputError: memory ran out in the body.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        words = str(error).lower()
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and not any(part in words for part in OUT_OF_MEMORY):
            raise
        whole = total_memory(device)
        if not state.optimisers:
            raise InputError(
                f"memory of the {device.type} ({whole / 1e9:.1f} GB) ran out with volumes of "
                f"{frame.shape[0]} × {frame.shape[1]} voxels a slice; set models: device to cpu or "
                "make study_grid: matrix smaller"
            ) from None
        # Other data and programs take memory too: what has just failed does not fit.
        fits = min(largest_batch(state, settings, frame, whole), settings["batch_size"] // 2)
        raise InputError(
            f"memory of the {device.type} ({whole / 1e9:.1f} GB) ran out with models: batch_size "
            f"{settings['batch_size']} on slices of {frame.shape[0]} × {frame.shape[1]}; "
            + (
                f"a batch_size of about {fits} would fit"
                if fits
                else "no batch_size would fit; lower width or depth"
            )
            + (
                ", or twice that with precision: bfloat16"
                if fits and settings["precision"] == "float32" and device.type == "cuda"
                else ""
            )
        ) from None


def total_memory(device: torch.device) -> int:
    """All memory of a device, bytes."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def largest_batch(state: State, settings: Settings, frame: Frame, memory: int) -> int:
    """How many slices a step can take at once, by counting what a step keeps of one slice.

    Args:
        state: the networks.
        settings: the model's section of the configuration.
        frame: size of the slices.
        memory: bytes that there are; a tenth is left for others.
    """
    networks = [n for n in (state.generator, state.discriminator) if n is not None]
    fixed = BYTES_PER_PARAMETER * sum(map(parameter_count, networks))
    values = activations(state, settings, frame)
    return max(int((0.9 * memory - fixed) / (4 * ALIVE * values)), 0)


def activations(state: State, settings: Settings, frame: Frame) -> int:
    """Values that all layers of both networks give for one slice."""
    counted = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal counted
        counted += output.numel() if isinstance(output, torch.Tensor) else 0

    networks = [n for n in (state.generator, state.discriminator) if n is not None]
    hooks = [
        module.register_forward_hook(count)
        for network in networks
        for module in network.modules()
        if not list(module.children())
    ]
    device = next(state.generator.parameters()).device
    spect = torch.zeros(1, settings["context"], *frame.shape, device=device)
    try:
        with torch.no_grad():
            p2p = state.generator.eval()(spect)
            if state.discriminator is not None:
                state.discriminator(spect, p2p)
    finally:
        for hook in hooks:
            hook.remove()
    return counted
