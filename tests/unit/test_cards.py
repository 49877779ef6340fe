"""Cards of model files: what is read without torch, and what a model has not seen."""

import json
import struct

import numpy as np
import pytest
from scipy import ndimage

from model_settings import model_settings
from spect2pet.core import images
from spect2pet.core.errors import InputError
from spect2pet.infer import appearance, cards, inference_table, publishing
from spect2pet.train import headers, weights
from spect2pet.train.frames import Frame
from spect2pet.train.methods import METHODS

SEEN = {
    "largest_voxel_mm": [4.0, 4.4],
    "brain_level": [30.0, 60.0],
    "fine_detail": [0.10, 0.12],
    "relative": False,
}
LIKE = {"largest_voxel_mm": 4.2, "brain_level": 50.0, "fine_detail": 0.11, "relative": False}
SETTINGS = model_settings(depth=2, width=2, norm="none")
FRAME = Frame((16, 24), 2.0)


def head(level=50.0, voxel=2.0, blur=0.0):
    """A noisy ball of flow; the noise is the same for every level and blur."""
    grid = np.stack(np.meshgrid(*[np.arange(n) - n / 2 for n in (40, 44, 36)], indexing="ij"))
    ball = (np.linalg.norm(grid * voxel, axis=0) < 30).astype(float)
    noise = np.random.default_rng(0).normal(0, 0.2, ball.shape)
    data = ball * level * (1 + noise)
    if blur:
        data = ndimage.gaussian_filter(data, blur)
    return data.astype(np.float32), np.diag([voxel, voxel, voxel, 1.0])


def save(path, data, affine, relative=False):
    images.write_image(path, data, affine, {"Relative": relative})
    return path


@pytest.fixture
def generators(tmp_path):
    """Two networks of one model."""
    paths = []
    for number in range(2):
        generator = METHODS["pix2pix"].generator(SETTINGS, FRAME)
        paths.append(tmp_path / f"{number}.safetensors")
        weights.save_generator(paths[-1], generator, SETTINGS, FRAME, 80.0)
    return paths


def test_a_spect_like_those_of_training_is_not_warned_of():
    assert cards.outside(SEEN, LIKE) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"largest_voxel_mm": 6.0}, "largest side of a raw voxel, mm, is 6, and 4 to 4.4"),
        ({"brain_level": 5.0}, "mean flow of the brain, mL/100 g/min, is 5, and 30 to 60"),
        ({"fine_detail": 0.2}, "detail finer than 10 mm"),
        ({"relative": True}, "known only relative"),
    ],
)
def test_each_thing_that_the_model_has_not_seen_is_one_sentence(change, says):
    (sentence,) = cards.outside(SEEN, LIKE | change)
    assert says in sentence


def test_a_little_beyond_the_range_is_no_trouble():
    assert cards.outside(SEEN, LIKE | {"brain_level": 60 * 1.2}) == []
    assert len(cards.outside(SEEN, LIKE | {"brain_level": 60 * 1.3})) == 1


def test_the_level_of_relative_flow_means_nothing():
    seen = SEEN | {"relative": True}
    assert cards.outside(seen, LIKE | {"relative": True, "brain_level": 5.0}) == []


def test_blur_lessens_fine_detail_and_level_does_not_change_it(tmp_path):
    looks = {}
    for name, data in {"sharp": head(), "dim": head(25.0), "soft": head(blur=1.5)}.items():
        path = save(tmp_path / f"{name}.nii.gz", *data)
        looks[name] = appearance.describe(path, path)
    assert looks["dim"]["fine_detail"] == pytest.approx(looks["sharp"]["fine_detail"], rel=1e-3)
    assert looks["soft"]["fine_detail"] < 0.6 * looks["sharp"]["fine_detail"]
    assert looks["dim"]["brain_level"] == pytest.approx(25, rel=0.02)
    assert looks["dim"]["largest_voxel_mm"] == 2


def test_a_published_model_is_one_file_with_its_card(tmp_path, generators):
    study = [save(tmp_path / f"{n}.nii.gz", *head(level)) for n, level in enumerate((40.0, 55.0))]
    prepared = [save(tmp_path / f"raw{n}.nii.gz", *head(voxel=2.0 + n)) for n in range(2)]
    report = tmp_path / "training.json"
    report.write_text(
        json.dumps(
            {
                "settings": {"method": "pix2pix"},
                "subjects": {"train": ["07", "08"], "validation": ["09"]},
                "intensity_scale": 80.0,
                "validation": {"ssim": {"SPECT": 0.7, "P2P": 0.8}},
            }
        )
    )
    output = tmp_path / "mine.safetensors"
    publishing.publish(
        output,
        name="mine",
        generators=generators,
        reports=[report, report],
        prepared=prepared,
        study=study,
        methods={"n": 5, "ssim_mean": 0.87},
        cohort="simulated",
        study_grid={"voxel_mm": 2.0, "matrix": [16, 24, 20]},
        made_by={},
    )
    card = cards.read_card(output)
    assert card == json.loads((tmp_path / "mine.json").read_text())
    assert card["subjects"] == {"train": 2, "validation": 1}
    assert card["networks"] == 2
    assert card["performance"]["test"]["ssim_mean"] == 0.87
    assert card["seen"]["largest_voxel_mm"] == [2, 3]
    assert card["seen"]["brain_level"] == pytest.approx([40, 55], rel=0.02)
    # Labels are how subjects are found; they stay with the study.
    assert not any(label in json.dumps(card) for label in ('"07"', '"08"', '"09"'))
    loaded = weights.load_generators(output)
    assert len(loaded) == 2
    for (network, record), path in zip(loaded, generators, strict=True):
        (single, own), *_ = weights.load_generators(path)
        assert record == own
        for name, tensor in single.state_dict().items():
            assert (network.state_dict()[name] == tensor).all()


def test_a_network_without_a_card_is_named(generators):
    with pytest.raises(InputError, match=r"0\.safetensors: holds a network without a card"):
        cards.read_card(generators[0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        struct.pack("<Q", 24) + b'{"__metadata__": {"a":1}}',
    ],
    ids=["empty", "short", "endless", "no object", "nested", "other program"],
)
def test_what_is_no_model_file_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".+"):
        headers.read_record(path)
    with pytest.raises(InputError, match=r"is damaged or no model file of this workflow"):
        cards.read_card(path)


def test_a_missing_model_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors: the model file cannot be read"):
        cards.read_card(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/P2P v2.safetensors", "p2p-v2"), ("p2p.safetensors", "p2p"), ("€.safetensors", "given")],
)
def test_a_given_model_is_called_by_its_file(path, name):
    assert cards.name_of(path) == name


def test_the_table_of_inference_counts_what_is_outside(tmp_path):
    paths = []
    for label, sentences in (("01", []), ("02", ["too fine", "too bright"])):
        paths.append(tmp_path / f"{label}.json")
        paths[-1].write_text(json.dumps({"Appearance": LIKE, "OutsideTraining": sentences}))
    table = inference_table.tabulate(["01", "02"], paths)
    assert list(table.columns) == list(inference_table.COLUMNS)
    assert table["outside"].tolist() == [0, 2]
    assert table["warning"].isna().tolist() == [True, False]
    assert table["warning"][1] == "too fine; too bright"
