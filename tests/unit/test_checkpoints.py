"""Trainings that are killed, stopped or run out of disk end in the very same files."""

import json
import shutil
import signal

import pytest
import torch

from packed_slices import packed
from spect2pet.core import provenance
from spect2pet.core.errors import InputError, Stopped
from spect2pet.core.tables import read_table
from spect2pet.train import checkpoints, records, training, weights
from spect2pet.train.validation import Measures
from spect2pet.train.weights import read_tensors
from trainings import (
    FREEZE_AFTER_EPOCH,
    FREEZE_IN_STEP,
    LARGE,
    RANDOM,
    child,
    files_of,
    outputs_in,
    thaw,
    tiny,
    train,
    wait_until_frozen,
)

torch.set_num_threads(1)

#: Dropout, augmentation and averaging are all at work, and a picture is drawn on the way.
KILLED = {**RANDOM, "sample_every": 2, "choose": "best"}


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Files of a training that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    train(folder, packed(shape=LARGE), **KILLED)
    return files_of(folder)


def go_on(folder, **changes):
    """Go on with a training, after Snakemake has deleted its outputs."""
    names = sorted(path.name for path in folder.iterdir())
    assert names == [".checkpoint.safetensors", "samples"]
    shutil.rmtree(folder / "samples")
    train(folder, packed(shape=LARGE), **{**KILLED, **changes})
    return files_of(folder)


def where(folder):
    """Epochs and steps of the next epoch that a checkpoint holds."""
    _, record = read_tensors(folder / ".checkpoint.safetensors")
    return record["epoch"], record["step"]


def test_the_training_of_these_tests_draws_random_numbers_everywhere():
    state = training.new_state(tiny(**KILLED), packed(shape=LARGE).frame, 5, torch.device("cpu"))
    dropouts = [m for m in state.generator.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(dropouts) == 1
    assert dropouts[0].p == 0.5
    assert state.average is not None
    assert all(KILLED["augmentation"].values())


# --- Killed and stopped ------------------------------------------------------------


def test_a_training_killed_after_an_epoch_ends_in_the_same_files(tmp_path, whole):
    folder = tmp_path / "killed"
    killed = child(folder, FREEZE_AFTER_EPOCH.format(epoch=2), **KILLED)
    wait_until_frozen(killed)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert where(folder) == (2, 0)
    assert go_on(folder) == whole


def test_a_training_killed_within_an_epoch_goes_on_after_the_last_step_that_was_kept(
    tmp_path, whole, caplog
):
    folder = tmp_path / "killed"
    killed = child(
        folder, FREEZE_IN_STEP.format(epoch=1, step=4), **KILLED, checkpoint_minutes=1e-9
    )
    wait_until_frozen(killed)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert where(folder) == (1, 4)
    caplog.set_level("INFO")
    assert go_on(folder) == whole
    assert "going on after epoch 1, step 4" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_training_asked_to_stop_says_where_it_is_and_ends_in_the_same_files(
    tmp_path, whole, number
):
    folder = tmp_path / "stopped"
    stopped = child(folder, FREEZE_IN_STEP.format(epoch=1, step=1), **KILLED)
    wait_until_frozen(stopped)
    stopped.send_signal(number)
    status, said = thaw(stopped)
    assert status == 1
    # The step that was under way is finished first.
    checkpoint = folder / ".checkpoint.safetensors"
    assert said == (
        f"ERROR: training was asked to stop by {number.name} in epoch 2 after step 2; "
        f"{checkpoint} holds all of it, and the same command goes on from there\n"
    )
    assert "Traceback" not in folder.with_suffix(".log").read_text()
    assert where(folder) == (1, 2)
    assert go_on(folder) == whole


def test_a_training_may_be_stopped_again_and_again(tmp_path, whole, monkeypatch):
    """After every single step, the epochs' first and last ones among them."""
    folder = tmp_path / "stopped"
    places = []
    step = training.step

    def stepped(state, *others):
        losses = step(state, *others)
        signal.raise_signal(signal.SIGTERM)
        return losses

    monkeypatch.setattr(training, "step", stepped)
    for _ in range(3 * 6):
        with pytest.raises(Stopped):
            train(folder, packed(shape=LARGE), **KILLED)
        places.append(where(folder))
    assert places == [(epoch, step) for epoch in range(3) for step in range(1, 7)]
    monkeypatch.undo()
    assert go_on(folder) == whole


# --- A full disk ---------------------------------------------------------------------

#: Lines for a process that may write no file larger than half a checkpoint, from one epoch on.
FULL = """
    import resource
    save = checkpoints.save
    def saved(path, state, identity):
        if state.epoch == 2:
            half = path.stat().st_size // 2
            resource.setrlimit(resource.RLIMIT_FSIZE, (half, half))
        save(path, state, identity)
    checkpoints.save = saved
"""


def test_a_training_whose_disk_is_full_keeps_what_it_had_and_goes_on(tmp_path, whole):
    folder = tmp_path / "full"
    full = child(folder, FULL, **KILLED)
    _, said = full.communicate(timeout=120)
    assert full.returncode == 1
    assert said.startswith(f"ERROR: {folder / '.checkpoint.safetensors'}: cannot be written")
    assert "what was there before is kept; make room" in said
    assert said.count("\n") == 1
    assert where(folder) == (1, 0)
    assert go_on(folder) == whole


def test_a_disk_too_full_for_the_generator_is_named_and_the_checkpoint_stays(
    tmp_path, monkeypatch, whole
):
    save_file = weights.save_file

    def full(tensors, path, metadata):
        if "checkpoint" not in path.name:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save_file(tensors, path, metadata)

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(InputError, match=r"generator.safetensors: cannot be written .*No space"):
        train(tmp_path / "full", packed(shape=LARGE), **KILLED)
    monkeypatch.undo()
    assert where(tmp_path / "full") == (3, 0)
    assert go_on(tmp_path / "full") == whole


# --- Whose checkpoint it is ----------------------------------------------------------------


def interrupted(folder, monkeypatch, epoch=1, **changes):
    """A training that ends after an epoch's checkpoint."""
    save = checkpoints.save

    def saved(path, state, identity):
        save(path, state, identity)
        if state.epoch == epoch:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "save", saved)
        train(folder, **changes)


def other_split():
    data = packed()
    data.rows["subject"] = data.rows["subject"].replace({"02": "03", "03": "02"})
    return data


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 0.001}, "setting learning_rate (0.002 there, 0.001 here)"),
        ({"ssim_weight": 3}, "setting ssim_weight (0 there, 3 here)"),
        ({"seed": 6}, "seed (5 there, 6 here)"),
        ({"data": packed(1)}, "slices (seed 0 there, seed 1 here)"),
        (
            {"data": other_split()},
            "train subjects (['01', '02'] there, ['01', '03'] here), "
            "validation subjects (['03', '04'] there, ['02', '04'] here)",
        ),
    ],
    ids=["setting", "weight", "seed", "slices", "split"],
)
def test_the_checkpoint_of_another_training_is_not_continued(
    tmp_path, monkeypatch, caplog, change, named
):
    interrupted(tmp_path / "a", monkeypatch)
    train(tmp_path / "a", **change)
    assert f"is of a training that differs in {named}" in caplog.text
    train(tmp_path / "b", **change)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_the_checkpoint_of_other_code_or_libraries_is_not_continued(tmp_path, monkeypatch, caplog):
    interrupted(tmp_path, monkeypatch)
    made_by = provenance.stamp(tiny(), 5, "other code", ["torch"])
    made_by["Libraries"]["torch"] = "1.0"
    training.train(packed(), tiny(), 5, outputs_in(tmp_path), made_by)
    assert "differs in code (code there, other code here), libraries (" in caplog.text


def test_settings_that_shape_no_weight_do_not_matter(tmp_path, monkeypatch, caplog):
    other = {"checkpoint_minutes": 3, "members": 4, "sample_every": 1, "tensorboard": False}
    assert set(other) == set(records.WITHOUT_EFFECT)
    interrupted(tmp_path / "a", monkeypatch, epoch=2)
    caplog.set_level("INFO")
    continued = train(tmp_path / "a", **other)
    assert "going on after epoch 2, step 0" in caplog.text
    assert "starting afresh" not in caplog.text
    fresh = train(tmp_path / "b")
    assert read_table(continued.history).equals(read_table(fresh.history))
    tensors, _ = read_tensors(continued.generator)
    expected, _ = read_tensors(fresh.generator)
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_every_setting_that_may_shape_weights_is_in_the_identity():
    settings = tiny()
    made_by = provenance.stamp(settings, 5, "code", ["torch"])
    identity = records.identity(packed(), settings, 5, torch.device("cpu"), made_by)
    named = {name.removeprefix("setting ") for name in identity if name.startswith("setting ")}
    assert named == set(settings) - set(records.WITHOUT_EFFECT)
    assert json.loads(json.dumps(identity)) == identity  # as it comes back from a checkpoint


def test_an_unchanged_training_goes_on(tmp_path, monkeypatch, caplog):
    interrupted(tmp_path, monkeypatch, epoch=2)
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


def test_a_cut_checkpoint_is_not_continued(tmp_path, monkeypatch, caplog):
    interrupted(tmp_path, monkeypatch)
    checkpoint = outputs_in(tmp_path).checkpoint
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    train(tmp_path)
    assert "starting afresh" in caplog.text
    assert not checkpoint.exists()


def test_the_best_epoch_is_remembered_over_an_interruption(tmp_path, monkeypatch):
    """Validation is made best in the first epoch, which the second process never sees."""
    validate = training.validate
    ssim = iter([0.9, 0.2, 0.3] * 2)

    def scripted(*arguments):
        return validate(*arguments)[0], Measures(1.0, next(ssim))

    monkeypatch.setattr(training, "validate", scripted)
    interrupted(tmp_path / "a", monkeypatch, epoch=2, choose="best")
    train(tmp_path / "a", choose="best")
    train(tmp_path / "b", choose="best")
    assert json.loads((tmp_path / "a" / "training.json").read_text())["chosen_epoch"] == 1
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


@pytest.mark.parametrize("method", ["pix2pix", "richardson_lucy"])
def test_a_request_during_validation_stops_after_the_epoch(tmp_path, monkeypatch, method):
    validate = training.validate

    def interrupted_validation(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return validate(*arguments)

    monkeypatch.setattr(training, "validate", interrupted_validation)
    with pytest.raises(Stopped, match="SIGTERM in epoch 2 after step 0"):
        train(tmp_path, method=method)
    assert read_tensors(outputs_in(tmp_path).checkpoint)[1]["epoch"] == 1
