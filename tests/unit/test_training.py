"""The training loop: schedule, one epoch, repeatability, every setting, and what goes wrong."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from packed_slices import LEARNT, mapped, packed
from spect2pet.core.errors import InputError
from spect2pet.core.tables import read_table
from spect2pet.train import devices, records, training, validation, weights
from spect2pet.train.deconvolution import Identity
from spect2pet.train.networks import to_network
from spect2pet.train.presets import UNTRAINED
from spect2pet.train.sources import Source
from trainings import files_of, tiny, train

torch.set_num_threads(1)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


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

    def start_epoch(self, batches, done):
        self.batches, self.steps, self.done = batches, 0, len(done)

    def end_step(self, losses):
        self.steps += 1
        assert len(losses) == self.steps + self.done

    def means(self, losses):
        return torch.stack(losses).mean(0).tolist()


def one_epoch(data=None, **changes):
    settings, data = tiny(**changes), data or packed()
    state = training.new_state(settings, data.frame, 5, CPU)
    progress = Silent()
    before = {name: weights_of(network) for name, network in state.networks.items()}
    source = Source(data, settings, CPU)
    losses = training.train_epoch(state, source, settings, 5, progress)
    moved = {
        name: not torch.equal(before[name], weights_of(network))
        for name, network in state.networks.items()
    }
    return state, progress, losses, moved


def weights_of(network):
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def test_an_epoch_meets_every_slice_of_the_table_once_in_random_order():
    _, progress, _, _ = one_epoch()
    rows = torch.cat(list(progress.batches)).tolist()
    assert sorted(rows) == [1, 2, 3, 4, 5, 6]
    assert rows != sorted(rows)
    assert [len(batch) for batch in progress.batches] == [2, 2, 2]
    assert progress.steps == 3


def test_the_last_batch_holds_what_is_left():
    _, progress, _, _ = one_epoch(batch_size=4)
    assert [len(batch) for batch in progress.batches] == [4, 2]


def test_both_networks_learn():
    _, _, (discriminator, gan, l1, total), moved = one_epoch()
    assert moved == {"generator": True, "discriminator": True}
    assert 0.5 < discriminator < 0.8  # ln 2 for a discriminator that knows nothing
    assert 0.4 < gan < 1.2
    assert l1 > 0
    assert total == pytest.approx(100 * l1 + gan, rel=1e-5)


def test_the_generator_s_step_leaves_the_discriminator_its_gradients():
    state, *_ = one_epoch()
    assert all(p.requires_grad for p in state.discriminator.parameters())


def test_the_generator_s_step_does_not_teach_the_discriminator():
    """Its weights and gradients are those of its own step, whatever the generator minimises."""
    after = []
    spect, pet = to_network(torch.from_numpy(packed().train[1:3])).split(1, dim=1)
    for weight in (1, 1000):
        settings = tiny(gan_weight=weight)
        state = training.new_state(settings, packed().frame, 5, CPU)
        training.step(state, spect, pet, settings, 60)
        gradients = torch.cat([p.grad.flatten() for p in state.discriminator.parameters()])
        after.append((weights_of(state.discriminator), gradients, weights_of(state.generator)))
    assert torch.equal(after[0][0], after[1][0])
    assert torch.equal(after[0][1], after[1][1])
    assert not torch.equal(after[0][2], after[1][2])


def test_without_adversarial_weight_there_is_no_discriminator():
    state, _, losses, moved = one_epoch(gan_weight=0)
    assert state.discriminator is None
    assert losses[:2] == [0, 0]
    assert moved == {"generator": True}


def test_weight_averaging_lags_behind():
    state, *_ = one_epoch(ema=0.9)
    assert state.result is state.average.module
    assert not torch.equal(weights_of(state.result), weights_of(state.generator))


def test_the_average_fades_as_it_is_said():
    """After two steps it is 0.9 of the first step's weights and 0.1 of the second's."""
    seen = []
    settings, data = tiny(ema=0.9, batch_size=3), packed()
    state = training.new_state(settings, data.frame, 5, CPU)
    source = Source(data, settings, CPU)
    training.train_epoch(
        state, source, settings, 5, Silent(), lambda draw: seen.append(weights_of(state.generator))
    )
    assert len(seen) == 2
    torch.testing.assert_close(weights_of(state.result), 0.9 * seen[0] + 0.1 * seen[1])


def test_adam_has_the_published_moments():
    state = training.new_state(tiny(), packed().frame, 5, CPU)
    for optimiser in state.optimisers.values():
        assert optimiser.param_groups[0]["betas"] == (0.5, 0.999)


def test_the_same_draws_are_made_whatever_the_batches_come_from(tmp_path):
    """From memory and from disk the weights are the same to the last bit."""
    data = packed()
    streamed = replace(data, train=mapped(data.train, tmp_path / "train.npy"))
    for context in (1, 3):
        resident, *_ = one_epoch(context=context)
        from_disk, *_ = one_epoch(streamed, context=context, resident_gb=0)
        for name, network in resident.networks.items():
            assert torch.equal(weights_of(network), weights_of(from_disk.networks[name]))


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
    assert list(history) == list(records.HISTORY)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["learning_rate"].tolist() == pytest.approx([0.002, 0.002, 0.001])
    assert sorted(p.name for p in outputs.samples.iterdir()) == ["epoch-002.png", "epoch-003.png"]
    record = json.loads(outputs.report.read_text())
    assert record["settings"] == tiny(sample_every=2)
    assert record["epochs"] == 3
    assert record["chosen_epoch"] == 3
    assert "last" in record["chosen_because"]
    assert "dropout" in record["evaluation_mode"]
    assert record["intensity_scale"] == 60
    assert record["slice_shape"] == [32, 40]
    assert record["voxel_mm"] == 4
    assert record["slices"] == {"train": 6, "validation": 3}
    assert record["subjects"] == {"train": ["01", "02"], "validation": ["03", "04"]}
    assert record["validation"]["ssim"]["P2P"] == pytest.approx(
        history["validation_ssim"].iloc[-1], rel=1e-5
    )
    generator, stored = weights.load_generators(outputs.generator)[0]
    assert stored["scale"] == 60
    assert stored["voxel_mm"] == 4
    assert sum(p.numel() for p in generator.parameters()) == record["parameters"]["generator"]
    state = training.new_state(tiny(), packed().frame, 5, CPU)
    assert record["parameters"]["discriminator"] == len(weights_of(state.discriminator))


@pytest.mark.parametrize("scaling", ["study", "subject"])
def test_training_makes_spect_more_like_pet(tmp_path, scaling):
    outputs = train(
        tmp_path, epochs=30, residual=True, norm="none", gan_weight=0.1, scaling=scaling
    )
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


def test_the_report_measures_spect_by_the_same_means(tmp_path):
    record = json.loads(train(tmp_path).report.read_text())["validation"]
    _, expected = validation.validate(Identity(), packed(), CPU)
    assert record["l1"]["SPECT"] == pytest.approx(expected.l1)
    assert record["ssim"]["SPECT"] == pytest.approx(expected.ssim)


# --- Which epoch counts --------------------------------------------------------------


def validated(outputs, data=None):
    """What validation says of a generator as it was stored."""
    generator, _ = weights.load_generators(outputs.generator)[0]
    return validation.validate(generator, data or packed(), CPU)[1]


@pytest.mark.parametrize("ema", [0, 0.5])
def test_the_weights_of_the_best_epoch_are_stored_where_that_is_asked_for(tmp_path, ema):
    # So fast that validation goes up and down.
    fast = {"learning_rate": 0.05, "epochs": 5, "decay_epochs": 0, "residual": True, "ema": ema}
    outputs = train(tmp_path / "best", choose="best", **fast)
    history = read_table(outputs.history)
    best = int(history["validation_ssim"].idxmax()) + 1
    assert best < 5
    record = json.loads(outputs.report.read_text())
    assert record["chosen_epoch"] == best
    assert record["chosen_because"] == "the epoch with the highest SSIM in validation subjects"
    row = history.iloc[best - 1]
    found = validated(outputs)
    assert found.ssim == pytest.approx(row["validation_ssim"], rel=1e-5)
    assert found.l1 == pytest.approx(row["validation_l1"], rel=1e-5)
    assert record["validation"]["l1"]["P2P"] == pytest.approx(found.l1, rel=1e-6)
    assert abs(found.ssim - history["validation_ssim"].iloc[-1]) > 1e-3

    last = train(tmp_path / "last", **fast)
    # Choosing changes no training.
    assert read_table(last.history).equals(history)
    assert json.loads(last.report.read_text())["chosen_epoch"] == 5
    assert validated(last).ssim == pytest.approx(history["validation_ssim"].iloc[-1], rel=1e-5)


# --- Methods without gradient descent -----------------------------------------------------


def blurred():
    """Subjects whose SPECT is their PET seen with a point spread of 9 mm, and some noise."""
    data, rng = packed(), np.random.default_rng(3)
    for images in (data.train, data.validation):
        for volume in np.split(images, 2):
            seen = gaussian_filter(volume[:, 1], 9 / 4 / 2.3548, mode="constant")
            volume[:, 0] = seen + rng.normal(0, 0.02, seen.shape)
    return data


def test_richardson_lucy_goes_through_the_loop_with_an_iteration_an_epoch(tmp_path):
    data = blurred()
    outputs = train(tmp_path, data, method="richardson_lucy", epochs=8, decay_epochs=0)
    history = read_table(outputs.history)
    assert history["epoch"].tolist() == list(range(1, 9))
    losses = ["discriminator_loss", "gan_loss", "l1", "generator_loss"]
    assert history[losses].isna().all(axis=None)
    lines = outputs.history.read_text().splitlines()
    assert all(line.split("\t")[2:6] == ["n/a"] * 4 for line in lines[1:])

    _, of_spect = validation.validate(Identity(), data, CPU)
    assert history["validation_ssim"].iloc[0] == pytest.approx(of_spect.ssim, rel=1e-5)
    best = int(history["validation_ssim"].idxmax()) + 1
    assert best > 1
    record = json.loads(outputs.report.read_text())
    assert record["chosen_epoch"] == best
    assert "highest SSIM in validation" in record["chosen_because"]
    assert record["parameters"] == {"generator": 0, "discriminator": 0}
    generator, _ = weights.load_generators(outputs.generator)[0]
    assert int(generator.iterations) == best - 1
    assert validated(outputs, data).ssim == pytest.approx(
        history["validation_ssim"].max(), rel=1e-5
    )


def test_richardson_lucy_goes_on_where_it_was(tmp_path, monkeypatch):
    data, settings = blurred(), {"method": "richardson_lucy", "epochs": 5, "decay_epochs": 0}
    train(tmp_path / "whole", data, **settings)
    validate, calls = training.validate, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return validate(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "validate", killed)
        train(tmp_path / "killed", data, **settings)
    train(tmp_path / "killed", data, **settings)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_spect_itself_goes_through_the_loop(tmp_path):
    outputs = train(tmp_path, method="spect", epochs=1, decay_epochs=0)
    history = read_table(outputs.history)
    assert len(history) == 1
    assert math.isnan(history["l1"].iloc[0])
    record = json.loads(outputs.report.read_text())
    for measure in ("l1", "ssim"):
        assert record["validation"][measure]["P2P"] == record["validation"][measure]["SPECT"]
    assert validated(outputs).l1 == pytest.approx(history["validation_l1"].iloc[0], rel=1e-5)


@pytest.mark.parametrize("method", UNTRAINED)
def test_methods_without_gradient_descent_are_the_same_for_every_seed(tmp_path, method):
    files = [
        train(tmp_path / str(seed), seed=seed, method=method, epochs=2).generator.read_bytes()
        for seed in (1, 2)
    ]
    assert files[0] == files[1]


# --- Every setting ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"gan_loss": "hinge"},
        {"spectral_norm": True},
        {"feature_weight": 10},
        {"ssim_weight": 50},
        {"gradient_weight": 50},
        {"context": 3},
        {"precision": "bfloat16"},
        {"scaling": "subject"},
        {"norm": "instance"},
        {"output": "tanh"},
        {"residual": True},
        {"l1_weight": 10},
        {"beta1": 0.9},
    ],
    ids=lambda change: "-".join(map(str, *change.items())),
)
def test_every_setting_trains_and_trains_otherwise(change):
    plain, _, _, _ = one_epoch()
    state, _, losses, moved = one_epoch(**change)
    assert moved == {"generator": True, "discriminator": True}
    assert np.isfinite(losses).all()
    for name, network in state.networks.items():
        weights_now = weights_of(network)
        assert weights_now.isfinite().all()
        assert weights_now.dtype == torch.float32
        other = weights_of(plain.networks[name])
        assert weights_now.shape != other.shape or not torch.equal(weights_now, other)


def test_mirror_average_changes_p2p_but_no_training(tmp_path):
    plain = train(tmp_path / "plain")
    mirrored = train(tmp_path / "mirrored", mirror_average=True)
    tensors = [weights.read_tensors(outputs.generator)[0] for outputs in (plain, mirrored)]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert validated(plain) != validated(mirrored)


def test_feature_matching_alone_teaches_the_generator():
    weights_after = {}
    for weight in (0, 10):
        state, *_ = one_epoch(l1_weight=0, gan_weight=1e-12, feature_weight=weight)
        weights_after[weight] = weights_of(state.generator)
    assert not torch.equal(weights_after[0], weights_after[10])


def test_a_whole_training_in_bfloat16_has_finite_losses_and_float32_weights(tmp_path):
    outputs = train(tmp_path, precision="bfloat16", ssim_weight=5, feature_weight=1)
    history = read_table(outputs.history)
    assert np.isfinite(history.to_numpy()).all()
    tensors, _ = weights.read_tensors(outputs.generator)
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float32}
    rounded = train(tmp_path / "other", ssim_weight=5, feature_weight=1)
    assert read_table(rounded.history)["l1"].iloc[0] == pytest.approx(
        history["l1"].iloc[0], rel=0.05
    )


def test_without_compile_the_networks_are_called_as_they_are():
    state = training.new_state(tiny(compile=False), packed().frame, 5, CPU)
    assert state.learners["generator"] is state.generator
    assert devices.hasten(state.generator, False) is state.generator


# --- What goes wrong ----------------------------------------------------------------


def test_a_loss_that_is_not_finite_names_where(tmp_path):
    data = packed()
    data.train[5, 1, 5, 5] = np.inf
    assert LEARNT["train", "02"][1] == 1
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
    monkeypatch.setattr("spect2pet.train.progress.PROGRESS_SECONDS", 0)
    caplog.set_level("INFO")
    train(tmp_path)
    assert "epoch 2/3, step 2/3: D 0." in caplog.text
    assert "SSIM 0." in caplog.text
    assert "slices/s; 0 h 00 min" in caplog.text


def test_a_discriminator_that_wins_is_warned_of_in_the_log(tmp_path, caplog):
    # No weight on what it says: the generator makes no effort, the discriminator learns fast.
    train(
        tmp_path,
        gan_weight=1e-9,
        epochs=30,
        decay_epochs=0,
        discriminator_width=8,
        learning_rate=0.01,
        l1_weight=0,
        output="tanh",
    )
    assert "the discriminator tells P2P from PET almost without error" in caplog.text
