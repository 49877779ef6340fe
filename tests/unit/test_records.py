"""What a training writes about itself: pictures, curves, and the choice of an epoch."""

import struct
import sys

import numpy as np
import pytest
import torch
import yaml

from cohort_settings import SCHEMA
from packed_slices import packed
from spect2pet.core.errors import InputError
from spect2pet.core.tables import read_table
from spect2pet.train import checkpoints, records
from trainings import train

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


def test_every_column_of_the_history_is_described_with_its_unit():
    assert next(iter(records.HISTORY)) == "epoch"
    for column in ("l1", "validation_l1"):
        assert "mL/100 g/min" in records.HISTORY[column]


def test_pictures_are_drawn_now_and_then_and_at_the_end(tmp_path):
    outputs = train(tmp_path, epochs=5, decay_epochs=0, sample_every=2)
    names = sorted(path.name for path in outputs.samples.iterdir())
    assert names == ["epoch-002.png", "epoch-004.png", "epoch-005.png"]


def test_every_choice_of_an_epoch_is_explained():
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    model = schema["properties"]["models"]["additionalProperties"]["then"]["properties"]
    assert set(records.CHOSEN) == set(model["choose"]["enum"])


# --- Curves for TensorBoard ---------------------------------------------------------


def events_in(folder):
    """Curves that were written: by name, a value for each epoch."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    curves = {}
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        place = 0
        # A record is its length, a checksum of it, the event, and a checksum of that.
        while place < len(content):
            (length,) = struct.unpack("<Q", content[place : place + 8])
            event = event_pb2.Event()
            event.ParseFromString(content[place + 12 : place + 12 + length])
            place += length + 16
            for value in event.summary.value:
                curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves


def test_curves_hold_the_history_where_they_are_asked_for(tmp_path):
    pytest.importorskip("tensorboardX")
    outputs = train(tmp_path, tensorboard=True)
    history = read_table(outputs.history)
    curves = events_in(outputs.curves)
    assert set(curves) == set(records.HISTORY) - {"epoch"}
    for name, values in curves.items():
        assert list(values) == [1, 2, 3]
        np.testing.assert_allclose(list(values.values()), history[name], rtol=1e-4)


def test_methods_without_losses_have_curves_of_their_validation_alone(tmp_path):
    pytest.importorskip("tensorboardX")
    outputs = train(tmp_path, method="richardson_lucy", epochs=2, decay_epochs=0, tensorboard=True)
    curves = events_in(outputs.curves)
    assert set(curves) == {"learning_rate", "validation_l1", "validation_ssim"}


def test_a_training_that_goes_on_writes_the_curves_of_its_first_epochs_again(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    save = checkpoints.save

    def saved(path, state, identity):
        save(path, state, identity)
        if state.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "save", saved)
        train(tmp_path)
    outputs = train(tmp_path, tensorboard=True)
    curves = events_in(outputs.curves)
    assert list(curves["validation_ssim"]) == [1, 2, 3]


def test_no_curves_are_written_unasked(tmp_path):
    outputs = train(tmp_path)
    assert not outputs.curves.exists()


def test_a_missing_package_for_curves_is_named_before_training_begins(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"tensorboard is on, but the package tensorboardX is not"):
        train(tmp_path, tensorboard=True)
    assert not (tmp_path / ".checkpoint.safetensors").exists()


def test_without_curves_the_package_is_not_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert train(tmp_path, packed(), epochs=1, decay_epochs=0).generator.exists()
