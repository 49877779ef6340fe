"""Augmentation changes both images alike, as far as asked, and never mirrors unasked."""

import pytest
import torch

from spect2pet.train.augmentation import augment

NONE = {"rotation": 0, "shift": 0, "scale": 0, "intensity": 0, "left_right_flip": False}


def pairs(count=64, height=32, width=48):
    """Slices with one bright block in the left front, the same in both channels but for scale."""
    images = torch.zeros(count, 2, height, width)
    images[:, :, 4:10, 30:40] = 1
    images[:, 1] *= 2
    return images


def draw(seed=3):
    return torch.Generator().manual_seed(seed)


def centres(images):
    """Centre of gravity along H and W of channel 0 (n, 2)."""
    weight = images[:, 0]
    mass = weight.sum((1, 2))
    h = torch.arange(weight.shape[1]).view(1, -1, 1)
    w = torch.arange(weight.shape[2]).view(1, 1, -1)
    return torch.stack([(weight * h).sum((1, 2)) / mass, (weight * w).sum((1, 2)) / mass], 1)


def test_nothing_asked_changes_nothing():
    images = pairs()
    assert augment(images, NONE, draw()) is images


def test_both_images_change_alike():
    changed = augment(
        pairs(),
        {"rotation": 20, "shift": 4, "scale": 0.1, "intensity": 0.2, "left_right_flip": True},
        draw(),
    )
    torch.testing.assert_close(changed[:, 1], 2 * changed[:, 0])
    assert changed.std(dim=0).max() > 0.1


def test_the_same_seed_draws_the_same():
    settings = {**NONE, "rotation": 20, "shift": 3}
    assert torch.equal(augment(pairs(), settings, draw()), augment(pairs(), settings, draw()))


def test_shifts_reach_as_far_as_asked_and_no_further():
    moved = centres(augment(pairs(), {**NONE, "shift": 3}, draw())) - centres(pairs())
    assert moved.abs().max() <= 3.01
    assert (moved.abs().max(dim=0).values > 2).all()


def test_rotation_keeps_distances_in_slices_that_are_not_square():
    middle = torch.tensor([15.5, 23.5])
    before = (centres(pairs()) - middle).norm(dim=1)
    turned = centres(augment(pairs(), {**NONE, "rotation": 12}, draw())) - middle
    torch.testing.assert_close(turned.norm(dim=1), before, atol=0.1, rtol=0)
    angles = torch.atan2(turned[:, 0], turned[:, 1]) - torch.atan2(*(centres(pairs()) - middle).T)
    assert torch.rad2deg(angles).abs().max() == pytest.approx(11.5, abs=0.6)


def test_scale_changes_area():
    area = augment(pairs(), {**NONE, "scale": 0.2}, draw())[:, 0].sum((1, 2)) / 60
    assert area.min() > 0.79**2
    assert area.max() < 1.21**2
    assert area.max() > 1.2


def test_intensity_changes_brightness_only():
    changed = augment(pairs(), {**NONE, "intensity": 0.3}, draw())
    factors = changed.amax((1, 2, 3)) / 2
    assert factors.min() > 0.69
    assert factors.max() < 1.31
    torch.testing.assert_close(changed, pairs() * factors.view(-1, 1, 1, 1))


def test_left_and_right_change_places_only_when_asked():
    everything = {"rotation": 10, "shift": 2, "scale": 0.1, "intensity": 0.2}
    unasked = augment(pairs(), {**everything, "left_right_flip": False}, draw())
    assert (centres(unasked)[:, 0] < 15.5).all()
    asked = augment(pairs(), {**NONE, "left_right_flip": True}, draw())
    mirrored = centres(asked)[:, 0] > 15.5
    assert 16 < int(mirrored.sum()) < 48
    assert torch.equal(asked[mirrored][0], pairs()[0].flip(1))
    assert (centres(asked)[:, 1] == centres(pairs())[:, 1]).all()


def test_neighbouring_slices_change_like_the_slice_itself():
    everything = {"rotation": 20, "shift": 4, "scale": 0.1, "intensity": 0.2}
    settings = {**everything, "left_right_flip": True}
    alone = augment(pairs(), settings, draw())
    among = augment(torch.cat([pairs()[:, :1]] * 5 + [pairs()[:, 1:]], 1), settings, draw())
    for channel in range(5):
        torch.testing.assert_close(among[:, channel], alone[:, 0])
    torch.testing.assert_close(among[:, 5], alone[:, 1])
