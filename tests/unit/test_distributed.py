"""Two processes that share each batch train as one process with the whole batch."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from model_settings import TINY, model_settings
from packed_slices import mapped, packed
from spect2pet.core import provenance, tables
from spect2pet.core.errors import InputError
from spect2pet.train import distributed, networks, weights
from spect2pet.train.groups import Group
from trainings import outputs_in

torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
GROUP = {**TINY, "batch_size": 4, "dropout": 0, "width": 4, "method": "pix2pix"}


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


def files_in(folder):
    """The packed slices as `slices.read` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    data = packed()
    mapped(data.train, folder / "train.npy")
    mapped(data.validation, folder / "validation.npy")
    mapped(data.brain, folder / "brain.npy", "bool")
    data.rows.to_csv(folder / "slices.tsv", sep="\t", index=False)
    subjects = data.of_set("train")["subject"].unique()
    about = {
        "scale": data.scale,
        "Slices": data.depth,
        "VoxelSize": data.voxel_mm,
        "Levels": dict(zip(subjects, data.levels, strict=True)),
        "Ratios": dict(zip(subjects, data.ratios, strict=True)),
        "Digest": data.digest,
    }
    (folder / "scale.json").write_text(json.dumps(about))
    names = {"train": "train.npy", "validation": "validation.npy", "brain": "brain.npy",
             "table": "slices.tsv", "scale": "scale.json"}  # fmt: skip
    return {name: str(folder / file) for name, file in names.items()}


def train(folder, **changes):
    settings = model_settings(**{**GROUP, **changes})
    outputs = outputs_in(folder / "model")
    made_by = provenance.stamp(settings, 5, "code", ["torch"])
    distributed.train(files_in(folder / "slices"), settings, 5, outputs, made_by)
    return outputs


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "batch"},
        {"norm": "instance", "ssim_weight": 20, "ema": 0.9, "gan_loss": "hinge",
         "augmentation": {"rotation": 5, "shift": 1, "intensity": 0.1}},
    ],
    ids=["published", "p2p-like"],
)  # fmt: skip
def test_two_processes_have_the_losses_of_one_with_the_whole_batch(tmp_path, changes):
    """Of six slices the second batch of two is not full; it is shared all the same."""
    alone = train(tmp_path / "one", **changes)
    together = train(tmp_path / "two", **changes, processes=2)
    one, two = (tables.read_table(outputs.history) for outputs in (alone, together))
    assert len(one) == 3
    np.testing.assert_allclose(one.to_numpy(), two.to_numpy(), rtol=2e-3, atol=1e-4)
    # Weights that no output depends on, such as biases before a normalisation, may drift apart.
    spect = torch.from_numpy(packed().validation[:, 0].copy())
    first, second = (
        networks.generate(weights.load_generators(outputs.generator)[0][0], spect)
        for outputs in (alone, together)
    )
    assert float((first - second).abs().max()) < 2e-3 * float(first.max())


def test_only_the_leading_process_writes_and_all_of_it(tmp_path):
    outputs = train(tmp_path, processes=2, sample_every=1)
    names = sorted(path.name for path in outputs.generator.parent.iterdir())
    assert names == [
        "generator.safetensors", "history.json", "history.tsv", "samples", "training.json",
    ]  # fmt: skip
    assert len(list(outputs.samples.iterdir())) == 3


def test_an_error_of_the_processes_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="32 × 40 voxels can be halved 3 times"):
        train(tmp_path, processes=2, depth=4)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    with pytest.raises(InputError, match="batch_size 4 cannot be shared by 3 processes"):
        train(tmp_path, processes=3)


def test_shares_of_a_batch_are_apart_and_whole():
    rows = list(range(8))
    shares = [rows[Group(rank, 2).share(8)] for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == rows
    assert rows[Group(1, 3).share(8)] == rows


CHILD = """
import sys
sys.path[:0] = [{library!r}, {tests!r}, {unit!r}]
from pathlib import Path
from spect2pet.core import errors
import test_distributed
try:
    test_distributed.train(Path({folder!r}), processes=2, epochs={epochs})
except errors.Stopped as error:
    print("STOPPED", error)
"""


def child(folder, epochs):
    script = CHILD.format(
        library=str(ROOT / "workflow" / "scripts"),
        tests=str(ROOT / "tests"),
        unit=str(Path(__file__).parent),
        folder=str(folder),
        epochs=epochs,
    )
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_request_to_stop_reaches_all_processes_and_the_training_goes_on(tmp_path):
    process = child(tmp_path, epochs=5000)
    checkpoint = tmp_path / "model" / ".checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    said, log = process.communicate(timeout=120)
    assert "STOPPED training was asked to stop by SIGTERM in epoch" in said, log
    assert weights.read_tensors(checkpoint)[1]["epoch"] >= 1
    assert not (tmp_path / "model" / "generator.safetensors").exists()
