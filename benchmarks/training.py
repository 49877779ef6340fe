"""Training: our loop against the plain published loop, in one run, on the same slices.

The plain loop is how pix2pix is usually trained: float32, one slice a step from a shuffling data
loader, Adam without fusion, gradients of the discriminator's weights computed in the generator's
step too, and every loss read back at every step.

Measured are: slices a second; the time to the plain loop's final validation SSIM; that the cost of
a slice does not grow with their number, also when they are read from disk; and on a GPU the share
of its peak that the published network reaches, and the time of the published training.

Run on an otherwise idle machine after `make demo`, which leaves the slices it learns from:
OMP_NUM_THREADS=2 PYTHONPATH=workflow/scripts python benchmarks/training.py
"""

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from snakemake.utils import validate as check_config
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from spect2pet.train import devices, networks, presets, slices, training, validation
from spect2pet.train.frames import Frame
from spect2pet.train.slices import Packed
from spect2pet.train.sources import Source

ROOT = Path(__file__).parent.parent
#: Slice steps of the published training: 43 subjects × about 70 slices × 200 epochs.
PUBLISHED_STEPS = 600_000
#: Slices of a volume of noise.
DEPTH = 4
#: Peak of dense bfloat16 matrix products, FLOP/s, from the makers' data sheets.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


class NoProgress:
    """Takes the losses of a step and does nothing with them."""

    def start_epoch(self, batches: Any, done: Any = ()) -> None:
        """Begin an epoch."""

    def end_step(self, losses: Any) -> None:
        """Take the losses of a step."""

    def means(self, losses: Any) -> list[float]:
        """No losses."""
        return []


def settings_of(**entry: Any) -> dict[str, Any]:
    """The full settings of a model."""
    config = {"models": presets.fill({"m": entry})}
    check_config(config, str(ROOT / "workflow" / "schemas" / "config.schema.yaml"))
    return config["models"]["m"]


def random_slices(count: int, shape: tuple[int, int], path: Path | None = None) -> Packed:
    """Slices of noise, in memory or as a float16 file; what they show does not change the time."""
    size = (count, 2, *shape)
    rng = np.random.default_rng(1)
    if path is None:
        train: np.ndarray = rng.random(size, dtype=np.float32)
    else:
        train = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=size)
        for start in range(0, count, 1000):
            part = train[start : start + 1000]
            part[:] = rng.random(part.shape, dtype=np.float32)
        train.flush()
        train = np.load(path, mmap_mode="r")
    rows = pd.DataFrame({"row": range(count), "set": "train", "subject": "01", "slice": 0})
    ones = [1.0] * (count // DEPTH)
    return Packed(train, train[:1], train[:1, 0] > 0, rows, 60.0, DEPTH, 2.0, ones, ones, "")


# --- Two loops ------------------------------------------------------------------


def our_epochs(
    settings: dict[str, Any], data: Packed, device: torch.device
) -> Iterator[networks.Generator]:
    """Epochs of the workflow's loop; gives the generator after each."""
    state = training.new_state(settings, Frame(data.shape, data.voxel_mm), 1, device)
    source = Source(data, settings, device)
    while True:
        training.train_epoch(state, source, settings, 1, NoProgress())  # type: ignore[arg-type]
        state.end_epoch()
        yield state.result


def plain_epochs(
    settings: dict[str, Any], data: Packed, device: torch.device
) -> Iterator[networks.Generator]:
    """Epochs of the plain loop; gives the generator after each."""
    state = training.new_state(settings, Frame(data.shape, data.voxel_mm), 1, device)
    generator, discriminator = state.generator, state.discriminator
    assert discriminator is not None
    of_generator = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999))
    pairs = torch.from_numpy(np.array(data.train, dtype=np.float32))
    pairs = pairs[data.of_set("train")["row"].to_numpy(copy=True)]

    def against(logits: torch.Tensor, target: float) -> torch.Tensor:
        return cross_entropy(logits, torch.full_like(logits, target))

    while True:
        generator.train()
        for (batch,) in DataLoader(TensorDataset(pairs), batch_size=1, shuffle=True):
            spect, pet = networks.to_network(batch.to(device)).split(1, dim=1)
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
        yield generator


# --- Measurements ---------------------------------------------------------------


def speed(name: str, plain: dict, ours: list[dict], shape: tuple[int, int], counts: tuple) -> None:
    """Slices a second of both loops, in turns; the fastest turn of each counts."""
    device = devices.choose("auto")
    loops = [plain_epochs(plain, random_slices(counts[0], shape), device)]
    loops += [our_epochs(each, random_slices(counts[1], shape), device) for each in ours]
    sizes = [counts[0]] + [counts[1]] * len(ours)
    best = [0.0] * len(loops)
    for turn in range(4):
        for i, loop in enumerate(loops):
            start = time.perf_counter()
            next(loop)
            if turn:  # the first warms up
                best[i] = max(best[i], sizes[i] / (time.perf_counter() - start))
    print(f"{name}\n  plain loop, 1 slice a step {best[0]:30.1f}")
    for each, value in zip(ours, best[1:], strict=True):
        label = f"  ours, {each['batch_size']} a step, {each['precision']}"
        print(f"{label:40s}{value:17.1f}{value / best[0]:8.2f} ×", flush=True)


def curve(
    epochs: Iterator[networks.Generator], data: Packed, enough: Callable[[int, float], bool]
) -> list[tuple[float, float]]:
    """Training time and validation SSIM after each epoch, until it is enough."""
    device, spent, found = devices.choose("auto"), 0.0, []
    while True:
        start = time.perf_counter()
        generator = next(epochs)
        spent += time.perf_counter() - start
        found.append((spent, validation.validate(generator, data, device)[1].ssim))
        if enough(len(found), found[-1][1]):
            return found


def quality(data: Packed, epochs: int) -> None:
    """Time that our loop takes to the validation SSIM that the plain one ends with."""
    device = devices.choose("auto")
    form = {"depth": 4, "width": 16, "discriminator_width": 8, "norm": "instance",
            "output": "linear", "residual": True}  # fmt: skip
    plain = curve(
        plain_epochs(settings_of(**form), data, device), data, lambda done, ssim: done >= epochs
    )
    goal = max(ssim for _, ssim in plain)
    took = next(spent for spent, ssim in plain if ssim >= goal)
    print(f"plain loop: best SSIM of {epochs} epochs {goal:.4f} after {took:.0f} s")
    recipes = {
        "the same losses, batches of 8, averaged weights": settings_of(
            **form, batch_size=8, learning_rate=2e-3, ema=0.99
        ),
        "p2p": settings_of(method="p2p"),
    }
    for name, settings in recipes.items():
        ours = curve(
            our_epochs(settings, data, device),
            data,
            lambda done, ssim: ssim >= goal or done >= 4 * epochs,
        )
        spent, ssim = ours[-1]
        reached = f"{took / spent:.1f} × sooner" if ssim >= goal else "not reached"
        print(f"ours, {name}: SSIM {ssim:.4f} after {spent:.0f} s, {reached}", flush=True)


def scaling(counts: list[int], steps: int) -> None:
    """Seconds a slice as their number grows, read from disk and from memory."""
    settings = settings_of(method="p2p")
    device, shape = devices.choose("auto"), (96, 112)
    print(f"{'slices':>10s}{'from memory, ms':>18s}{'from disk, ms':>16s}{'file, GB':>10s}")
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            path = Path(folder) / "train.npy"
            data = random_slices(count, shape, path)
            state = training.new_state(settings, Frame(shape, 2.0), 1, device)
            times = []
            for limit in (1e9, 0):
                if limit and data.train.size * 4 > 3e9:
                    times.append(float("nan"))
                    continue
                source = Source(data, {**settings, "resident_gb": limit}, device)
                order = source.rows[torch.randperm(count)]
                batches = order.repeat(-(-8 * steps // count))[: 8 * steps].split(8)
                best = float("inf")
                for _ in range(3):
                    start = time.perf_counter()
                    for images in source.batches(batches):
                        both = networks.to_network(images)
                        training.step(state, both[:, :-1], both[:, -1:], settings, 60.0)
                    if device.type == "cuda":
                        torch.cuda.synchronize()
                    best = min(best, (time.perf_counter() - start) / (8 * steps))
                times.append(1000 * best)
            size = path.stat().st_size / 1e9
            print(f"{count:10d}{times[0]:18.3f}{times[1]:16.3f}{size:10.2f}", flush=True)
            path.unlink()


def of_peak(batches: list[int]) -> None:
    """The published network at 128 × 128 on a GPU: share of its peak, time of the training."""
    name = torch.cuda.get_device_name()
    peak = next((value for key, value in PEAKS.items() if key in name), float("nan"))
    device, shape = torch.device("cuda"), (128, 128)
    print(f"\n{name}: published network, 128 × 128, bfloat16")
    print(f"{'batch':>8s}{'compiled':>10s}{'slices/s':>12s}{'of peak':>10s}"
          f"{'600,000 steps':>16s}{'memory, GB':>12s}")  # fmt: skip
    for batch in batches:
        for compiled in (False, True):
            settings = settings_of(method="pix2pix", batch_size=batch, compile=compiled)
            state = training.new_state(settings, Frame(shape, 2.0), 1, device)
            both = torch.rand(batch, 2, *shape, device=device) * 2 - 1
            step = lambda: training.step(state, both[:, :1], both[:, 1:], settings, 60.0)  # noqa: B023, E731
            for _ in range(5):
                step()
            with FlopCounterMode(display=False) as counter:
                step()
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            for _ in range(30):
                step()
            torch.cuda.synchronize()
            seconds = (time.perf_counter() - start) / 30
            share = counter.get_total_flops() / seconds / peak
            minutes = PUBLISHED_STEPS / (batch / seconds) / 60
            memory = torch.cuda.max_memory_allocated() / 1e9
            print(f"{batch:8d}{compiled!s:>10s}{batch / seconds:12.0f}{share:10.1%}"
                  f"{minutes:12.1f} min{memory:12.2f}", flush=True)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, default=ROOT / "results" / "slices" / "fold-0")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of the plain loop")
    parser.add_argument("--most", type=int, default=100_000, help="most slices of the scaling")
    asked = parser.parse_args()
    devices.be_repeatable()
    where = "a GPU" if torch.cuda.is_available() else "no GPU: what needs one is left out"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}; "
          f"{where}\n\nSlices a second, best of 3 turns")  # fmt: skip

    p2p = settings_of(method="p2p")
    form = {key: p2p[key] for key in ("depth", "width", "norm", "output", "residual")}
    small = settings_of(**form, discriminator_width=8)
    published = settings_of(method="pix2pix", precision="float32")
    speed("network of the default model, published losses, 96 × 112", small,
          [small, {**small, "batch_size": 8}], (96, 112), (32, 128))  # fmt: skip
    speed("default model with its own losses, 96 × 112", small, [p2p], (96, 112), (32, 128))
    speed("published pix2pix, 128 × 128", published,
          [published, {**published, "batch_size": 4}], (128, 128), (4, 8))  # fmt: skip

    if (asked.slices / "scale.json").exists():
        print("\nTime to quality, network of the default model, validation subjects of the study")
        names = {"train": "train.npy", "validation": "validation.npy",
                 "brain": "validation_brain.npy", "table": "slices.tsv",
                 "scale": "scale.json"}  # fmt: skip
        quality(slices.read(**{k: asked.slices / v for k, v in names.items()}), asked.epochs)
    else:
        print(f"\nTime to quality: no slices in {asked.slices}; run make demo first")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nPeak memory of all of the above: {memory:.1f} GiB")

    print("\nTime of one slice as their number grows, default model")
    scaling([n for n in (1_000, 10_000, 100_000) if n <= asked.most], 30)
    if torch.cuda.is_available():
        of_peak([1, 16, 64, 256])


if __name__ == "__main__":
    main()
