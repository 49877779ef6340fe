"""Speed of training and inference: our loop against the plain published loop, in one run.

The plain loop is how pix2pix is usually trained: one slice a step from a shuffling data loader, an
unfused Adam, the discriminator's own gradients computed in the generator's step, and every loss
read back at every step.  Both loops take turns on the same slices and networks, and the fastest
turn of each counts, so that other work on the machine touches the ratio little.

Run from the repository, on an otherwise idle machine:
OMP_NUM_THREADS=2 PYTHONPATH=workflow/scripts python benchmarks/training.py
"""

import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from snakemake.utils import validate
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from spect2pet import networks, training

ROOT = Path(__file__).parent.parent
CPU = torch.device("cpu")
TURNS = 5


class NoProgress:
    """Takes the losses of a step and does nothing with them."""

    def start_epoch(self, batches: Any) -> None:
        """Begin an epoch."""

    def end_step(self, losses: torch.Tensor) -> None:
        """Take the losses of a step."""

    def losses(self) -> list[float]:
        """No losses."""
        return []


def make_slices(count: int, shape: tuple[int, int]) -> torch.Tensor:
    """Random slices (n, 2, H, W); what they show does not change the time."""
    return torch.from_numpy(np.random.default_rng(1).random((count, 2, *shape), dtype=np.float32))


def our_epoch(settings: dict[str, Any], pairs: torch.Tensor) -> Callable[[], None]:
    """One epoch of the workflow's loop."""
    shape = (pairs.shape[2], pairs.shape[3])
    state = training.new_state(settings, shape, 1, CPU)
    return lambda: training.train_epoch(state, pairs, settings, 1, NoProgress())


def plain_epoch(settings: dict[str, Any], pairs: torch.Tensor) -> Callable[[], None]:
    """One epoch of the plain loop."""
    shape = (pairs.shape[2], pairs.shape[3])
    state = training.new_state(settings, shape, 1, CPU)
    generator, discriminator = state.generator, state.discriminator
    of_generator = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999))

    def against(logits: torch.Tensor, target: float) -> torch.Tensor:
        return cross_entropy(logits, torch.full_like(logits, target))

    def epoch() -> None:
        for (batch,) in DataLoader(TensorDataset(pairs), batch_size=1, shuffle=True):
            spect, pet = networks.to_network(batch).split(1, dim=1)
            p2p = generator(spect)
            of_discriminator.zero_grad()
            made = against(discriminator(spect, p2p.detach()), 0.0)
            real = against(discriminator(spect, pet), 1.0)
            ((made + real) / 2).backward()
            of_discriminator.step()
            of_generator.zero_grad()
            gan = against(discriminator(spect, p2p), 1.0)
            l1 = (p2p - pet).abs().mean() * 100
            (gan + l1).backward()
            of_generator.step()
            [loss.item() for loss in (made, real, gan, l1)]

    return epoch


def compare(name: str, shape: tuple[int, int], counts: dict[str, int], ours: dict, plain: dict):
    """Time both loops in turns and print slices per second and their ratio."""
    slices = {loop: make_slices(count, shape) for loop, count in counts.items()}
    epochs = {
        "plain": plain_epoch(plain, slices["plain"]),
        "ours": our_epoch(ours, slices["ours"]),
    }
    best = dict.fromkeys(epochs, 0.0)
    for turn in range(TURNS + 1):
        for loop, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            if turn:
                speed = len(slices[loop]) / (time.perf_counter() - start)
                best[loop] = max(best[loop], speed)
    print(
        f"{name:58s} {best['plain']:8.1f} {best['ours']:8.1f} {best['ours'] / best['plain']:7.2f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["models"]["pix2pix"] = {}
    validate(config, str(ROOT / "workflow" / "schemas" / "config.schema.yaml"))
    p2p, published = config["models"]["p2p"], config["models"]["pix2pix"]
    one = {**p2p, "batch_size": 1}
    x, y, z = config["study_grid"]["matrix"]

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print("\nTraining, slices per second (best of "
          f"{TURNS} turns)                         plain     ours   ratio")  # fmt: skip
    default = f"default model, {x} × {y}"
    many = {"plain": 32, "ours": 32}
    compare(f"{default}, both one slice a step", (x, y), many, one, one)
    batch = p2p["batch_size"]
    counts = {"plain": 32, "ours": 8 * batch}
    compare(f"{default}, ours {batch} slices a step", (x, y), counts, p2p, one)
    few = {"plain": 4, "ours": 4}
    compare("published pix2pix, 128 × 128", (128, 128), few, published, published)

    print("\nInference of one subject, seconds on one thread (best of 3)")
    torch.set_num_threads(1)
    for name, settings, shape in (
        (default, p2p, (x, y)),
        ("published pix2pix, 128 × 128", published, (128, 128)),
    ):
        generator = training.new_state(settings, shape, 1, CPU).generator
        volume = make_slices(z, shape)[:, 0]
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            networks.generate(generator, volume)
            seconds.append(time.perf_counter() - start)
        print(f"{name:58s} {min(seconds):8.2f}   ({z} slices)")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nPeak memory of all of the above: {memory:.1f} GiB")


if __name__ == "__main__":
    main()
