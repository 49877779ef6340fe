"""Files of weights: whole, repeatable, and refused when damaged."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model_settings import model_settings
from spect2pet.core.errors import InputError
from spect2pet.train import weights
from spect2pet.train.frames import Frame
from spect2pet.train.methods import METHODS

torch.set_num_threads(1)

SETTINGS = model_settings(width=2)
FRAME = Frame((16, 32), 4.0, 1.2)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    generator = METHODS["pix2pix"].generator(SETTINGS, FRAME)
    weights.save_generator(tmp_path / "g.safetensors", generator, SETTINGS, FRAME, 61.5)
    return tmp_path / "g.safetensors", generator


def test_a_generator_comes_back_as_it_was(saved):
    path, generator = saved
    loaded, record = weights.load_generators(path)[0]
    frame = {"shape": [16, 32], "voxel_mm": 4.0, "gain": 1.2}
    assert record == {"settings": SETTINGS, **frame, "scale": 61.5}
    assert not loaded.training
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


@pytest.mark.parametrize("scaling", ["study", "subject"])
@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_comes_back_as_it_was(tmp_path, method, scaling):
    torch.manual_seed(0)
    settings = model_settings(method=method, width=2, depth=3, scaling=scaling)
    generator = METHODS[method].generator(settings, FRAME).eval()
    generator.advance()
    generator.advance()
    weights.save_generator(tmp_path / "g.safetensors", generator, settings, FRAME, 61.5)
    loaded, _ = weights.load_generators(tmp_path / "g.safetensors")[0]
    volume = torch.rand(3, 16, 32)
    with torch.no_grad():
        assert torch.equal(loaded.make(volume), generator.make(volume))


def test_every_process_writes_the_same_bytes(saved):
    path, _ = saved
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch;"
        "from spect2pet.train import weights;"
        "tensors, record = weights.read_tensors(sys.argv[2]);"
        "weights.write_tensors(sys.argv[3], tensors, record)"
    )
    library = Path(weights.__file__).parents[2]
    copy = path.with_name("copy.safetensors")
    subprocess.run([sys.executable, "-c", program, library, path, copy], check=True)
    assert copy.read_bytes() == path.read_bytes()
    assert weights.file_fingerprint(copy) == weights.file_fingerprint(path)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_file_is_named(saved, damage):
    path, _ = saved
    content = path.read_bytes()
    if damage == "foreign":
        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_bytes({"cut": content[:-100], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(InputError, match=r"g.safetensors: is damaged.*run the workflow again"):
        weights.load_generators(path)[0]


def test_weights_of_another_network_are_named(saved):
    path, generator = saved
    weights.save_generator(path, generator, {**SETTINGS, "width": 3}, FRAME, 1.0)
    with pytest.raises(InputError, match="do not fit the network"):
        weights.load_generators(path)[0]


def test_a_method_that_is_gone_is_named(saved):
    path, generator = saved
    weights.save_generator(path, generator, {**SETTINGS, "method": "magic"}, FRAME, 1.0)
    with pytest.raises(InputError, match=r"do not fit the network \('magic'\)"):
        weights.load_generators(path)[0]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors"):
        weights.load_generators(tmp_path / "none.safetensors")[0]


def test_tensors_of_one_storage_and_any_order_are_stored_as_they_are(tmp_path):
    path = tmp_path / "t.safetensors"
    whole = torch.arange(48.0).view(2, 3, 2, 4)
    tensors = {
        "whole": whole,
        "part": whole[:, 1],
        "turned": whole.transpose(0, 3),
        "last": whole.to(memory_format=torch.channels_last),
        "learnt": torch.nn.Parameter(torch.ones(2)),
        "count": torch.tensor(7),
        "bytes": torch.get_rng_state(),
    }
    weights.write_tensors(path, tensors, {"a": [1, None]})
    read, record = weights.read_tensors(path)
    assert record == {"a": [1, None]}
    assert set(read) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == tensor.dtype


def test_a_full_disk_is_named_and_what_was_there_is_kept(saved, monkeypatch):
    path, _ = saved
    before = path.read_bytes()

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(InputError, match=r"g.safetensors: cannot be written .*No space left"):
        weights.write_tensors(path, {"a": torch.zeros(2)}, {})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["g.safetensors"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone/g.safetensors: cannot be written"):
        weights.write_tensors(tmp_path / "gone" / "g.safetensors", {"a": torch.zeros(2)}, {})
