"""The training loop: schedule, repeatability, resuming after a kill, and what goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from spect2pet import checkpoints, provenance, training, weights
from spect2pet.errors import InputError
from spect2pet.slices import Packed
from spect2pet.tables import read_table

torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "method": "pix2pix",
    "depth": 2,
    "width": 4,
    "discriminator_width": 2,
    "norm": "batch",
    "dropout": 0.5,
    "output": "linear",
    "residual": False,
    "batch_size": 2,
    "epochs": 2,
    "decay_epochs": 1,
    "learning_rate": 0.002,
    "beta1": 0.5,
    "l1_weight": 100,
    "gan_weight": 1,
    "ema": 0,
    "augmentation": {
        "rotation": 5,
        "shift": 1,
        "scale": 0.05,
        "intensity": 0.1,
        "left_right_flip": False,
    },
    "device": "cpu",
    "sample_every": 100,
}


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


def packed(seed=0, count=6):
    """PET of random blocks, SPECT the same with less contrast."""
    rng = np.random.default_rng(seed)

    def images(n):
        pet = np.kron(rng.random((n, 8, 10)), np.ones((4, 4))).astype(np.float32)
        pet[:, :8] = pet[:, -8:] = pet[:, :, :8] = pet[:, :, -8:] = 0
        return np.stack([0.6 * pet, pet], axis=1)

    rows = [("train", "01", k) for k in range(count // 2)]
    rows += [("train", "02", k) for k in range(count - count // 2)]
    rows += [("validation", "03", 4), ("validation", "04", 5), ("validation", "04", 6)]
    table = pd.DataFrame(rows, columns=["set", "subject", "slice"])
    table.insert(0, "row", table.groupby("set").cumcount())
    validation = images(3)
    return Packed(images(count), validation, validation[:, 1] > 0, table, 60.0)


def outputs_in(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return training.Outputs(
        folder / "generator.safetensors",
        folder / "history.tsv",
        folder / "training.json",
        folder / "samples",
        folder / ".checkpoint.safetensors",
    )


def train(folder, data=None, seed=5, **changes):
    outputs = outputs_in(folder)
    settings = {**SETTINGS, **changes}
    made_by = provenance.stamp(settings, seed, "code", ["torch"])
    training.train(data or packed(), settings, seed, outputs, made_by)
    return outputs


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- The published schedule --------------------------------------------------


def test_learning_rate_is_constant_then_falls_to_zero():
    published = {"learning_rate": 2e-4, "epochs": 100, "decay_epochs": 100}
    rates = [training.learning_rate(epoch, published) for epoch in range(1, 201)]
    assert rates[:100] == [2e-4] * 100
    np.testing.assert_allclose(np.diff(rates[99:]), -2e-4 / 101)
    assert rates[-1] == pytest.approx(2e-4 / 101)
    assert training.last_epoch(published) == 200


def test_learning_rate_without_decay_stays():
    assert training.learning_rate(7, {"learning_rate": 1, "epochs": 7, "decay_epochs": 0}) == 1


def test_seeds_of_epochs_differ():
    seeds = {training.epoch_seed(seed, epoch) for seed in range(5) for epoch in range(20)}
    assert len(seeds) == 100


# --- One epoch ----------------------------------------------------------------


class Silent:
    """Takes the losses of an epoch as `Progress` does."""

    def start_epoch(self, batches):
        self.batches, self.steps = batches, []

    def end_step(self, losses):
        self.steps.append(losses)

    def losses(self):
        return torch.stack(self.steps).mean(0).tolist()


def one_epoch(**changes):
    settings = {**SETTINGS, **changes}
    state = training.new_state(settings, (32, 40), 5, torch.device("cpu"))
    progress = Silent()
    before = {name: weights_of(network) for name, network in state.networks.items()}
    losses = training.train_epoch(state, torch.from_numpy(packed().train), settings, 5, progress)
    moved = {
        name: not torch.equal(before[name], weights_of(network))
        for name, network in state.networks.items()
    }
    return state, progress, losses, moved


def weights_of(network):
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def test_an_epoch_meets_every_slice_once_in_random_order():
    _, progress, _, _ = one_epoch()
    rows = torch.cat(list(progress.batches)).tolist()
    assert sorted(rows) == list(range(6))
    assert rows != sorted(rows)
    assert [len(batch) for batch in progress.batches] == [2, 2, 2]


def test_both_networks_learn():
    _, _, (discriminator, gan, l1), moved = one_epoch()
    assert moved == {"generator": True, "discriminator": True}
    assert 0.5 < discriminator < 0.8  # ln 2 for a discriminator that knows nothing
    assert 0.4 < gan < 1.2
    assert l1 > 0


def test_the_generator_s_step_leaves_the_discriminator_its_gradients():
    state, *_ = one_epoch()
    assert all(p.requires_grad for p in state.discriminator.parameters())


def test_without_adversarial_weight_there_is_no_discriminator():
    state, _, losses, moved = one_epoch(gan_weight=0)
    assert state.discriminator is None
    assert losses[:2] == [0, 0]
    assert moved == {"generator": True}


def test_weight_averaging_lags_behind():
    state, *_ = one_epoch(ema=0.9)
    assert state.result is state.average.module
    assert not torch.equal(weights_of(state.result), weights_of(state.generator))


def test_adam_has_the_published_moments():
    state = training.new_state(SETTINGS, (32, 40), 5, torch.device("cpu"))
    for optimiser in state.optimisers.values():
        assert optimiser.param_groups[0]["betas"] == (0.5, 0.999)


# --- A whole training -----------------------------------------------------------


def test_a_training_writes_all_that_is_to_be_known(tmp_path):
    outputs = train(tmp_path, sample_every=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "generator.safetensors",
        "history.json",
        "history.tsv",
        "samples",
        "training.json",
    ]
    history = read_table(outputs.history)
    assert list(history) == list(training.HISTORY)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["learning_rate"].tolist() == pytest.approx([0.002, 0.002, 0.001])
    assert sorted(p.name for p in outputs.samples.iterdir()) == ["epoch-002.png", "epoch-003.png"]
    record = json.loads(outputs.report.read_text())
    assert record["chosen_epoch"] == 3
    assert "last" in record["chosen_because"]
    assert "dropout" in record["evaluation_mode"]
    assert record["intensity_scale"] == 60
    assert record["subjects"] == {"train": ["01", "02"], "validation": ["03", "04"]}
    assert record["validation"]["ssim"]["P2P"] == pytest.approx(
        history["validation_ssim"].iloc[-1], rel=1e-5
    )
    generator, stored = weights.load_generator(outputs.generator)
    assert stored["scale"] == 60
    assert sum(p.numel() for p in generator.parameters()) == record["parameters"]["generator"]


def test_training_makes_spect_more_like_pet(tmp_path):
    outputs = train(tmp_path, epochs=30, residual=True, norm="none", gan_weight=0.1)
    record = json.loads(outputs.report.read_text())["validation"]
    assert record["l1"]["P2P"] < 0.5 * record["l1"]["SPECT"]
    assert record["ssim"]["P2P"] > record["ssim"]["SPECT"] + 0.03


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_weights(tmp_path):
    train(tmp_path / "a", ema=0.9)
    torch.rand(3)
    train(tmp_path / "b", ema=0.9)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    other = train(tmp_path / "c", seed=6, ema=0.9).generator.read_bytes()
    assert other != (tmp_path / "a" / "generator.safetensors").read_bytes()


# --- Resuming --------------------------------------------------------------------

CHILD = """
import os, signal, sys
sys.path[:0] = [{library!r}, {tests!r}]
import test_training
from pathlib import Path
from spect2pet import training
if {die_after}:
    kept = training.save
    def save(path, state, identity):
        kept(path, state, identity)
        if state.epoch == {die_after}:
            Path({folder!r}, "ready").touch()
            os.kill(os.getpid(), signal.SIGSTOP)
    training.save = save
test_training.train(Path({folder!r}), ema=0.9, epochs=3, sample_every=2)
"""


def child(folder, die_after=0):
    """A training in a process of its own, which waits to be killed after an epoch."""
    script = CHILD.format(
        library=str(ROOT / "workflow" / "scripts"),
        tests=str(Path(__file__).parent),
        folder=str(folder),
        die_after=die_after,
    )
    return subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_killed_training_ends_in_the_same_weights(tmp_path):
    whole = child(tmp_path / "whole")
    killed = child(tmp_path / "killed", die_after=2)
    while not (tmp_path / "killed" / "ready").exists():
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    (tmp_path / "killed" / "ready").unlink()
    names = sorted(path.name for path in (tmp_path / "killed").iterdir())
    assert names == [".checkpoint.safetensors", "samples"]
    (tmp_path / "killed" / "samples" / "epoch-002.png").unlink()  # Snakemake deletes outputs
    (tmp_path / "killed" / "samples").rmdir()
    resumed = child(tmp_path / "killed")
    assert resumed.wait() == 0
    assert whole.wait() == 0
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def interrupt_after(epoch, monkeypatch):
    """Let the next training of this process stop after an epoch's checkpoint."""

    def save(path, state, identity):
        checkpoints.save(path, state, identity)
        if state.epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save", save)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 0.001}, "setting learning_rate (0.002 there, 0.001 here)"),
        ({"seed": 6}, "seed (5 there, 6 here)"),
        ({"data": packed(1)}, "slices"),
    ],
)
def test_the_checkpoint_of_another_training_is_not_continued(
    tmp_path, monkeypatch, caplog, change, named
):
    interrupt_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "a")
    monkeypatch.undo()
    train(tmp_path / "a", **change)
    assert named in caplog.text
    train(tmp_path / "b", **change)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_an_unchanged_training_goes_on(tmp_path, monkeypatch, caplog):
    interrupt_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.undo()
    caplog.set_level("INFO")
    train(tmp_path)
    assert "going on after epoch 2" in caplog.text
    assert "epoch 3/3" in caplog.text
    assert "epoch 2/3" not in caplog.text


def test_a_damaged_checkpoint_is_not_continued(tmp_path, caplog):
    outputs = outputs_in(tmp_path)
    outputs.checkpoint.write_bytes(b"half a file")
    train(tmp_path)
    assert "starting afresh" in caplog.text
    assert outputs.generator.exists()


# --- What goes wrong ----------------------------------------------------------------


def test_a_loss_that_is_not_finite_names_where(tmp_path):
    data = packed()
    data.train[4, 1, 5, 5] = np.inf
    with pytest.raises(InputError, match=r"epoch 1, step \d, with .*sub-02 slice 1"):
        train(tmp_path, data)
    assert not (tmp_path / "generator.safetensors").exists()


def test_a_diverging_training_is_stopped(tmp_path):
    with pytest.raises(InputError, match=r"not finite in epoch \d, step \d.*learning_rate"):
        train(tmp_path, learning_rate=1e30, norm="none")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_missing_gpu_is_named(tmp_path):
    with pytest.raises(InputError, match="device is cuda, but torch finds no GPU"):
        train(tmp_path, device="cuda")


def test_slices_too_small_for_the_network_are_named(tmp_path):
    with pytest.raises(InputError, match="32 × 40 voxels can be halved 3 times"):
        train(tmp_path, depth=4)


def test_progress_can_be_followed(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("spect2pet.progress.PROGRESS_SECONDS", 0)
    caplog.set_level("INFO")
    train(tmp_path)
    assert "epoch 2/3, step 2/3: D 0." in caplog.text
    assert "SSIM 0." in caplog.text
    assert "slices/s; 0 h 00 min" in caplog.text
