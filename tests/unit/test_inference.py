"""Inference: the generator's slices, in CBF, where the SPECT's slices were."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from spect2pet import inference, provenance, weights
from spect2pet.errors import InputError
from spect2pet.images import read_image, write_image
from spect2pet.networks import METHODS

torch.set_num_threads(1)

SETTINGS = {
    "method": "pix2pix",
    "depth": 2,
    "width": 2,
    "norm": "none",
    "dropout": 0.5,
    "output": "linear",
    "residual": True,
}
AFFINE = np.array([[2.0, 0.1, 0, -20], [-0.1, 2, 0, -30], [0, 0, 2, -10], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def subject(tmp_path):
    """An asymmetric SPECT and a generator that adds 3 mL/100 g/min everywhere."""
    torch.manual_seed(0)
    volume = np.random.default_rng(1).uniform(-1, 60, (16, 24, 5)).astype(np.float32)
    volume[:6, 3:9, 1:3] += 20
    spect = tmp_path / "sub-01_space-study_spect.nii.gz"
    write_image(spect, volume, AFFINE, {"Units": "mL/100 g/min", "Relative": True})
    generator = METHODS["pix2pix"].generator(SETTINGS, (16, 24))
    for parameter in generator.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(generator.up[-1][1].bias, 3 / 50 * 2)
    model = tmp_path / "generator.safetensors"
    weights.save_generator(model, generator, SETTINGS, (16, 24), 50.0)
    return spect, model, tmp_path / "sub-01_space-study_desc-p2p_spect.nii.gz", volume


def infer(spect, model, p2p):
    inference.infer_subject(spect, model, p2p, provenance.stamp({}))
    return read_image(p2p)[0]


def test_p2p_is_in_cbf_and_in_place(subject):
    *files, volume = subject
    made = infer(*files)
    np.testing.assert_allclose(made, np.maximum(volume + 3, 0), atol=1e-4)
    assert made.dtype == np.float32
    image = nib.load(files[2])
    np.testing.assert_allclose(image.affine, AFFINE)
    assert image.get_data_dtype() == np.float32


def test_p2p_is_never_negative(subject):
    spect, model, p2p, volume = subject
    write_image(spect, volume - 40, AFFINE, {"Relative": False})
    assert infer(spect, model, p2p).min() == 0


def test_the_sidecar_says_what_the_image_is(subject):
    spect, model, p2p, _ = subject
    infer(spect, model, p2p)
    about = json.loads(p2p.with_name("sub-01_space-study_desc-p2p_spect.json").read_text())
    assert about["Units"] == "mL/100 g/min"
    assert about["Relative"] is True
    assert about["ModelFingerprint"] == weights.file_fingerprint(model)
    assert about["IntensityScale"] == 50


def test_two_runs_write_the_same_bytes(subject):
    spect, model, p2p, _ = subject
    infer(spect, model, p2p)
    first = p2p.read_bytes(), p2p.with_suffix("").with_suffix(".json").read_bytes()
    infer(spect, model, p2p)
    assert first == (p2p.read_bytes(), p2p.with_suffix("").with_suffix(".json").read_bytes())


def test_a_damaged_model_is_named(subject):
    spect, model, p2p, _ = subject
    model.write_bytes(model.read_bytes()[:300])
    with pytest.raises(InputError, match=r"generator.safetensors: is damaged"):
        infer(spect, model, p2p)
    assert not p2p.exists()


def test_slices_of_another_size_are_named(subject):
    spect, model, p2p, volume = subject
    write_image(spect, volume[:12], AFFINE, {"Relative": False})
    with pytest.raises(InputError, match=r"12 × 24 voxels, but the model .* on 16 × 24"):
        infer(spect, model, p2p)
