"""Presets: what a model's method stands for, and that a user's own word goes before it."""

import pytest

from model_settings import model_settings
from spect2pet.train import presets
from spect2pet.train.methods import METHODS


def test_a_model_named_like_a_method_has_that_method():
    filled = presets.fill({name: {} for name in METHODS})
    assert {name: settings["method"] for name, settings in filled.items()} == {
        name: name for name in METHODS
    }


def test_every_method_of_the_registry_has_a_preset_and_no_preset_is_without_method():
    assert set(presets.PRESETS) == set(METHODS)


def test_methods_without_gradient_descent_are_those_without_discriminator():
    assert {name for name, method in METHODS.items() if method.discriminator is None} == set(
        presets.UNTRAINED
    )


def test_the_method_that_is_written_goes_before_the_name():
    filled = presets.fill({"p2p": {"method": "unet"}, "mine": {"method": "richardson_lucy"}})
    assert filled["p2p"] == {"method": "unet", "gan_weight": 0}
    assert filled["mine"]["method"] == "richardson_lucy"
    assert filled["mine"]["choose"] == "best"


def test_a_model_of_another_name_is_the_published_pix2pix():
    assert presets.fill({"mine": {"width": 8}}) == {"mine": {"method": "pix2pix", "width": 8}}


def test_a_setting_of_the_user_goes_before_the_preset():
    filled = presets.fill({"p2p": {"epochs": 50, "residual": False}})["p2p"]
    assert filled["epochs"] == 50
    assert filled["residual"] is False
    untouched = {"epochs", "residual", "method"}
    for name, value in presets.PRESETS["p2p"].items():
        assert name in untouched or filled[name] == value


def test_augmentation_is_merged_setting_by_setting():
    filled = presets.fill({"p2p": {"augmentation": {"shift": 0, "left_right_flip": True}}})["p2p"]
    assert filled["augmentation"] == {
        "rotation": 15,
        "shift": 0,
        "scale": 0.08,
        "intensity": 0.2,
        "left_right_flip": True,
    }


def test_filling_changes_neither_the_presets_nor_what_the_user_wrote():
    section = {"p2p": {"augmentation": {"shift": 0}}}
    filled = presets.fill(section)
    filled["p2p"]["augmentation"]["rotation"] = 99
    assert section == {"p2p": {"augmentation": {"shift": 0}}}
    assert presets.PRESETS["p2p"]["augmentation"]["rotation"] == 15
    again = presets.fill({"p2p": {}})["p2p"]
    again["augmentation"]["rotation"] = 99
    assert presets.PRESETS["p2p"]["augmentation"]["rotation"] == 15


@pytest.mark.parametrize("section", [None, [], "p2p", 3])
def test_what_is_no_section_is_left_to_the_schema(section):
    assert presets.fill(section) is section


def test_a_model_that_is_no_section_is_left_to_the_schema():
    filled = presets.fill({"p2p": None, "a": 3, "b": ["width"], "c": {"augmentation": "none"}})
    assert filled == {
        "p2p": None,
        "a": 3,
        "b": ["width"],
        "c": {"method": "pix2pix", "augmentation": "none"},
    }


def test_an_unknown_method_is_left_to_the_schema():
    assert presets.fill({"a": {"method": "magic", "width": 3}})["a"]["method"] == "magic"
    assert presets.fill({"a": {"method": ["p2p"]}})["a"] == {"method": ["p2p"]}


def test_a_section_in_place_of_a_number_and_the_other_way_round_is_left_to_the_schema():
    filled = presets.fill({"p2p": {"augmentation": 0, "epochs": {"a": 1}}})["p2p"]
    assert filled["augmentation"] == 0
    assert filled["epochs"] == {"a": 1}


def test_the_published_pix2pix_is_what_the_schema_says_by_default():
    published = model_settings()
    assert (published["batch_size"], published["learning_rate"]) == (1, 2e-4)
    assert (published["epochs"], published["decay_epochs"]) == (100, 100)
    assert (published["beta1"], published["l1_weight"], published["gan_weight"]) == (0.5, 100, 1)
    assert (published["norm"], published["dropout"], published["output"]) == ("batch", 0.5, "tanh")
    assert (published["context"], published["depth"], published["residual"]) == (1, None, False)
    assert published["choose"] == "last"
    assert not any(published["augmentation"].values())


@pytest.mark.parametrize("method", list(METHODS))
def test_every_preset_is_valid(method):
    settings = model_settings(method=method)
    assert settings["method"] == method
    for name, value in presets.PRESETS[method].items():
        if name != "augmentation":
            assert settings[name] == value
