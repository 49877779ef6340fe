"""Inference: the generator's slices, in CBF, where the SPECT's slices were."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from model_settings import model_settings
from spect2pet.core import provenance
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image, sidecar_path, write_image
from spect2pet.infer import inference
from spect2pet.train import weights
from spect2pet.train.frames import Frame
from spect2pet.train.methods import METHODS

torch.set_num_threads(1)

SETTINGS = model_settings(depth=2, width=2, norm="none", output="linear", residual=True)
AFFINE = np.array([[2.0, 0.1, 0, -20], [-0.1, 2, 0, -30], [0, 0, 2, -10], [0, 0, 0, 1]])
FRAME = Frame((16, 24), 2.0025)
SCALE = 50.0


def adding(flow, path, frame=FRAME, scale=SCALE):
    """Write a generator that adds the same flow everywhere, mL/100 g/min."""
    generator = METHODS["pix2pix"].generator(SETTINGS, frame)
    for parameter in generator.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(generator.up[-1][1].bias, flow / scale * 2)
    weights.save_generator(path, generator, SETTINGS, frame, scale)
    return path


@pytest.fixture
def subject(tmp_path):
    """An asymmetric SPECT and a generator that adds 3 mL/100 g/min everywhere."""
    volume = np.random.default_rng(1).uniform(-1, 60, (16, 24, 5)).astype(np.float32)
    volume[:6, 3:9, 1:3] += 20
    spect = tmp_path / "sub-01_space-study_spect.nii.gz"
    write_image(spect, volume, AFFINE, {"Units": "mL/100 g/min", "Relative": True})
    model = adding(3, tmp_path / "generator.safetensors")
    return spect, model, tmp_path / "sub-01_space-study_desc-p2p_spect.nii.gz", volume


def infer(spect, model, p2p, uncertainty=None):
    models = model if isinstance(model, list) else [model]
    inference.infer_subject(spect, models, p2p, provenance.stamp({}), uncertainty)
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
    about = json.loads(sidecar_path(p2p).read_text())
    assert about["Units"] == "mL/100 g/min"
    assert about["Relative"] is True
    assert about["Description"].startswith("P2P")
    assert about["Sources"] == ["sub-01_space-study_spect.nii.gz"]
    assert about["ModelFingerprints"] == [weights.file_fingerprint(model)]
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


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_voxels_of_another_size_are_named(subject, factor):
    spect, model, p2p, volume = subject
    affine = AFFINE @ np.diag([factor, factor, factor, 1])
    write_image(spect, volume, affine, {"Relative": False})
    width = {0.9: "1.8", 1.1: "2.2"}[factor]
    with pytest.raises(InputError, match=rf"{width} mm wide, but the model .* on 2 mm; delete"):
        infer(spect, model, p2p)
    assert not p2p.exists()


def test_voxel_sizes_that_differ_by_rounding_are_no_trouble(subject):
    spect, model, p2p, volume = subject
    affine = AFFINE @ np.diag([1.004, 1.004, 1.004, 1])
    write_image(spect, volume, affine, {"Relative": False})
    assert infer(spect, model, p2p).shape == volume.shape


# --- Several networks ---------------------------------------------------------------


def test_p2p_of_several_networks_is_their_mean_and_uncertainty_their_standard_deviation(
    subject, tmp_path
):
    spect, model, p2p, volume = subject
    models = [model, adding(9, tmp_path / "other.safetensors")]
    uncertainty = tmp_path / "sub-01_space-study_desc-uncertainty_spect.nii.gz"
    made = infer(spect, models, p2p, uncertainty)
    np.testing.assert_allclose(
        made, (np.maximum(volume + 3, 0) + np.maximum(volume + 9, 0)) / 2, atol=1e-4
    )
    spread, affine = read_image(uncertainty)
    # Of two numbers 6 apart, with n − 1 = 1: √((3² + 3²) / 1).
    np.testing.assert_allclose(spread, 18**0.5, atol=1e-4)
    np.testing.assert_allclose(affine, AFFINE)


def test_the_standard_deviation_is_that_of_numpy_in_place(tmp_path, subject):
    spect, _, p2p, volume = subject
    models, expected = [], []
    for number, flow in enumerate((-30, 2, 5)):
        models.append(adding(flow, tmp_path / f"{number}.safetensors"))
        expected.append(np.maximum(volume + flow, 0))
    uncertainty = tmp_path / "sub-01_uncertainty.nii.gz"
    made = infer(spect, models, p2p, uncertainty)
    np.testing.assert_allclose(made, np.mean(expected, axis=0), atol=1e-4)
    spread = np.std(expected, axis=0, ddof=1)
    assert np.ptp(spread) > 1  # not the same everywhere, as no network makes negative flow
    np.testing.assert_allclose(read_image(uncertainty)[0], spread, atol=1e-3)


def test_the_sidecars_of_several_networks_name_them_all(subject, tmp_path):
    spect, model, p2p, _ = subject
    models = [model, adding(9, tmp_path / "other.safetensors")]
    uncertainty = tmp_path / "sub-01_space-study_desc-uncertainty_spect.nii.gz"
    infer(spect, models, p2p, uncertainty)
    fingerprints = [weights.file_fingerprint(path) for path in models]
    assert len(set(fingerprints)) == 2
    of_p2p, of_spread = (json.loads(sidecar_path(path).read_text()) for path in (p2p, uncertainty))
    for about in (of_p2p, of_spread):
        assert about["ModelFingerprints"] == fingerprints
        assert about["Units"] == "mL/100 g/min"
        assert about["Relative"] is True
    assert of_p2p["Description"].startswith("P2P")
    assert of_spread["Description"].startswith("Standard deviation of P2P over 2 networks")


def test_every_network_counts_in_its_own_scale(subject, tmp_path):
    spect, model, p2p, volume = subject
    models = [model, adding(9, tmp_path / "other.safetensors", scale=80.0)]
    made = infer(spect, models, p2p)
    np.testing.assert_allclose(
        made, (np.maximum(volume + 3, 0) + np.maximum(volume + 9, 0)) / 2, atol=1e-4
    )


def test_a_network_that_does_not_fit_is_named_among_several(subject, tmp_path):
    spect, model, p2p, _ = subject
    other = adding(9, tmp_path / "other.safetensors", Frame((32, 24), 2.0025))
    with pytest.raises(InputError, match=r"other\.safetensors was trained on 32 × 24"):
        infer(spect, [model, other], p2p)


@pytest.mark.parametrize("method", ["spect", "richardson_lucy"])
def test_methods_without_weights_make_p2p_too(subject, tmp_path, method):
    spect, _, p2p, volume = subject
    settings = model_settings(method=method)
    generator = METHODS[method].generator(settings, FRAME)
    for _ in range(3):
        generator.advance()
    model = tmp_path / "untrained.safetensors"
    weights.save_generator(model, generator, settings, FRAME, SCALE)
    made = infer(spect, model, p2p)
    unchanged = np.allclose(made, np.maximum(volume, 0), atol=1e-4)
    assert unchanged == (method == "spect")
