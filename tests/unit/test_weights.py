"""Files of weights: whole, repeatable, and refused when damaged."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from spect2pet import weights
from spect2pet.errors import InputError
from spect2pet.networks import METHODS

torch.set_num_threads(1)

SETTINGS = {
    "method": "pix2pix",
    "depth": None,
    "width": 2,
    "norm": "batch",
    "dropout": 0.5,
    "output": "tanh",
    "residual": False,
}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    generator = METHODS["pix2pix"].generator(SETTINGS, (16, 32))
    weights.save_generator(tmp_path / "g.safetensors", generator, SETTINGS, (16, 32), 61.5)
    return tmp_path / "g.safetensors", generator


def test_a_generator_comes_back_as_it_was(saved):
    path, generator = saved
    loaded, record = weights.load_generator(path)
    assert record == {"settings": SETTINGS, "shape": [16, 32], "scale": 61.5}
    assert not loaded.training
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_every_process_writes_the_same_bytes(saved):
    path, _ = saved
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from spect2pet import weights; import torch;"
        "tensors, record = weights.read_tensors(sys.argv[2]);"
        "weights.write_tensors(sys.argv[3], tensors, record)"
    )
    library = Path(weights.__file__).parents[1]
    copy = path.with_name("copy.safetensors")
    subprocess.run([sys.executable, "-c", program, library, path, copy], check=True)
    assert copy.read_bytes() == path.read_bytes()
    assert weights.file_fingerprint(copy) == weights.file_fingerprint(path)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_file_is_named(saved, damage):
    path, _ = saved
    content = path.read_bytes()
    if damage == "foreign":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_bytes({"cut": content[:-100], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(InputError, match=r"g.safetensors: is damaged.*run the workflow again"):
        weights.load_generator(path)


def test_weights_of_another_network_are_named(saved):
    path, generator = saved
    weights.save_generator(path, generator, {**SETTINGS, "width": 3}, (16, 32), 1.0)
    with pytest.raises(InputError, match="do not fit the network"):
        weights.load_generator(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors"):
        weights.load_generator(tmp_path / "none.safetensors")
