"""The log of a training: what is warned of, and how long the rest takes."""

from types import SimpleNamespace

import pytest
import torch

from packed_slices import packed
from spect2pet.core.errors import InputError
from spect2pet.train import losses, progress
from spect2pet.train.progress import Progress

BATCHES = [torch.tensor([1, 2]), torch.tensor([3, 4]), torch.tensor([5, 6]), torch.tensor([1])]
#: Of the discriminator, of the generator by it, L1, all.
LOSSES = torch.tensor([0.5, 0.7, 0.1, 10.7])


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test can put forward."""
    seconds = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    return seconds


def row(epoch, discriminator_loss):
    return {
        "epoch": epoch,
        "discriminator_loss": discriminator_loss,
        "gan_loss": 1.0,
        "l1": 5.0,
        "validation_l1": 4.0,
        "validation_ssim": 0.8,
    }


def end_epoch(clock, epoch, discriminator_loss, clueless):
    follower = Progress(packed(), 10, epoch - 1, clueless)
    follower.start_epoch(BATCHES)
    clock[0] += 60
    follower.end_step([LOSSES] * len(BATCHES))
    follower.end_epoch(row(epoch, discriminator_loss))


@pytest.mark.parametrize("kind", ["cross_entropy", "hinge"])
@pytest.mark.parametrize(
    ("share", "warning"),
    [
        (0.001, "almost without error"),
        (0.029, "almost without error"),
        (0.031, None),
        (0.7, None),
        (0.99, None),
        (0.9985, "has collapsed"),
        (1.0, "has collapsed"),
        (1.0015, "has collapsed"),
        (1.01, None),
        (2, None),
    ],
)
def test_a_discriminator_that_won_or_collapsed_is_warned_of(clock, caplog, kind, share, warning):
    clueless = losses.knows_nothing(kind)
    end_epoch(clock, 2, share * clueless, clueless)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == (warning is not None)
    if warning:
        assert warning in warnings[0]
        assert "lower models:" in warnings[0]


def test_the_first_epoch_and_trainings_without_discriminator_are_not_warned_of(clock, caplog):
    end_epoch(clock, 1, 0.6931472, 0.6931472)
    end_epoch(clock, 5, 0.0, None)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_an_epoch_is_one_line(clock, caplog):
    caplog.set_level("INFO")
    end_epoch(clock, 3, 0.5, 0.6931472)
    line = caplog.records[-1].message
    assert line.startswith("epoch 3/10: D 0.500, GAN 1.000, L1 5.00; ")
    assert "validation L1 4.00 mL/100 g/min, SSIM 0.8000" in line
    # Seven slices and one epoch in 60 s, and seven epochs to come.
    assert line.endswith("; 0.1 slices/s; 0 h 07 min 00 s left")


def test_an_epoch_without_steps_shows_its_validation_alone(clock, caplog):
    caplog.set_level("INFO")
    Progress(packed(), 8, 0, None).end_epoch(row(1, float("nan")))
    assert caplog.records[-1].message == ("epoch 1/8: validation L1 4.00 mL/100 g/min, SSIM 0.8000")


def test_within_an_epoch_the_log_is_written_now_and_then(clock, caplog):
    caplog.set_level("INFO")
    follower = Progress(packed(), 2, 0, None)
    follower.start_epoch(BATCHES)
    for step in range(1, 5):
        clock[0] += 20
        follower.end_step([LOSSES] * step)
    # Twice 30 s have passed since the last line. L1 of 0.1 in [-1, 1] is 3 of a scale of 60.
    lines = [record.message for record in caplog.records]
    assert lines == [
        "epoch 1/2, step 2/4: D 0.500, GAN 0.700, L1 3.00; 0.1 slices/s; 0 h 02 min 00 s left",
        "epoch 1/2, step 4/4: D 0.500, GAN 0.700, L1 3.00; 0.1 slices/s; 0 h 01 min 20 s left",
    ]


def test_the_time_left_counts_the_steps_of_this_process_alone(clock, caplog):
    """Three of four steps were done by an earlier process, the fourth takes 40 s."""
    caplog.set_level("INFO")
    follower = Progress(packed(), 5, 2, None)
    follower.start_epoch(BATCHES, [LOSSES] * 3)
    clock[0] += 40
    follower.end_step([LOSSES] * 4)
    assert "epoch 3/5, step 4/4" in caplog.records[-1].message
    # Two epochs of four steps to come.
    assert caplog.records[-1].message.endswith("0 h 05 min 20 s left")
    follower.end_epoch(row(3, 0.5))
    follower.start_epoch(BATCHES)
    clock[0] += 40
    follower.end_step([LOSSES] * 1)
    assert caplog.records[-1].message.endswith("0 h 04 min 40 s left")


def test_a_process_that_found_all_steps_of_an_epoch_done_does_not_guess(clock, caplog):
    caplog.set_level("INFO")
    follower = Progress(packed(), 5, 2, None)
    follower.start_epoch(BATCHES, [LOSSES] * 4)
    clock[0] += 1
    follower.end_epoch(row(3, 0.5))
    assert caplog.records[-1].message.endswith("; 0.0 slices/s; unknown time left")


def test_speed_counts_the_slices_of_this_process_alone(clock, caplog, monkeypatch):
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 1)
    caplog.set_level("INFO")
    follower = Progress(packed(), 5, 2, None)
    follower.start_epoch(BATCHES, [LOSSES] * 2)
    clock[0] += 4
    follower.end_step([LOSSES] * 3)
    # One step of two slices in 4 s, not three steps of six.
    assert "; 0.5 slices/s;" in caplog.records[-1].message


def test_means_are_over_the_steps_with_l1_in_flow(clock):
    follower = Progress(packed(), 5, 0, None)
    follower.start_epoch(BATCHES)
    steps = [torch.tensor([0.0, 1.0, 0.1, 4.0]), torch.tensor([1.0, 3.0, 0.3, 6.0])]
    # The network's range of 2 stands for 60 mL/100 g/min.
    assert follower.means(steps) == pytest.approx([0.5, 2.0, 0.2 * 30, 5.0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_epoch_step_and_slices(clock, value):
    follower = Progress(packed(), 5, 2, None)
    follower.start_epoch(BATCHES)
    bad = torch.tensor([0.5, value, 0.1, 1.0])
    with pytest.raises(
        InputError, match="epoch 3, step 2, with sub-01 slice 3, sub-02 slice 0; lower"
    ):
        follower.means([LOSSES, bad, LOSSES])
