"""The terms of the losses against numbers worked out by other means."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import nn

from model_settings import model_settings
from spect2pet.train import losses
from spect2pet.train.networks import PatchDiscriminator, to_network
from spect2pet.train.validation import DATA_RANGE

torch.set_num_threads(1)

SCALE = 64.0


def weighted(**weights):
    return model_settings(**{"l1_weight": 0, **weights})


def slices(count=2, size=40, seed=0):
    """Slices in the network's range, with an empty border as wide as the window reaches."""
    cbf = np.random.default_rng(seed).random((count, size, size)).astype(np.float32)
    cbf[:, :8] = cbf[:, -8:] = cbf[:, :, :8] = cbf[:, :, -8:] = 0
    return to_network(torch.from_numpy(cbf)).unsqueeze(1)


# --- The distance from PET -------------------------------------------------------


def test_l1_is_the_mean_absolute_difference_with_its_weight():
    p2p = torch.tensor([[[[0.0, 1.0], [-1.0, 0.5]]]])
    pet = torch.tensor([[[[0.5, 1.0], [1.0, -0.5]]]])
    total, l1 = losses.to_pet(p2p, pet, weighted(l1_weight=100), SCALE)
    assert float(l1) == pytest.approx((0.5 + 0 + 2 + 1) / 4)
    assert float(total) == pytest.approx(87.5)


def test_equal_images_cost_nothing():
    pet = slices()
    settings = weighted(l1_weight=100, ssim_weight=10, gradient_weight=5)
    total, l1 = losses.to_pet(pet, pet, settings, SCALE)
    assert float(l1) == 0
    assert float(total) == pytest.approx(0, abs=1e-4)


def test_the_ssim_term_is_that_of_scikit_image_where_pet_has_flow():
    p2p, pet = slices(seed=1), slices(seed=2)
    p2p = 0.5 * p2p + 0.5 * pet
    total, _ = losses.to_pet(p2p, pet, weighted(ssim_weight=3), SCALE)
    expected = []
    for image, reference in zip((p2p[:, 0] + 1) / 2, (pet[:, 0] + 1) / 2, strict=True):
        _, likeness = structural_similarity(
            reference.numpy().astype(float),
            image.numpy().astype(float),
            full=True,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=DATA_RANGE / SCALE,
        )
        expected.append(1 - likeness[reference.numpy() > losses.FLOW].mean())
    assert expected[0] > 0.1
    assert float(total) == pytest.approx(3 * float(np.mean(expected)), rel=1e-4)


def test_a_slice_without_flow_has_no_ssim_term():
    empty = torch.full((1, 1, 24, 24), -1.0)
    total, _ = losses.to_pet(slices(1, 24), empty, weighted(ssim_weight=1), SCALE)
    assert float(total) == 0


def test_the_gradient_term_by_hand():
    p2p = torch.tensor([[[[1.0, 4.0, 2.0], [0.0, 0.0, 1.0]]]])
    pet = torch.tensor([[[[0.0, 1.0, 1.0], [0.0, 2.0, 1.0]]]])
    # Their difference is 1 3 1 / 0 -2 0: steps down 1 5 1, steps across 2 2 2 2.
    total, _ = losses.to_pet(p2p, pet, weighted(gradient_weight=6), SCALE)
    assert float(total) == pytest.approx(6 * (7 / 3 + 8 / 4))


def test_a_difference_that_is_the_same_everywhere_has_no_gradient():
    pet = slices()
    total, l1 = losses.to_pet(pet + 0.3, pet, weighted(gradient_weight=9), SCALE)
    assert float(total) == pytest.approx(0, abs=1e-6)
    assert float(l1) == pytest.approx(0.3)


@pytest.mark.parametrize("term", ["l1_weight", "ssim_weight", "gradient_weight"])
def test_every_term_leads_towards_pet(term):
    pet = slices(1)
    p2p = (pet + 0.2 * torch.randn_like(pet)).requires_grad_()
    before, _ = losses.to_pet(p2p, pet, weighted(**{term: 1}), SCALE)
    before.backward()
    assert p2p.grad.isfinite().all()
    step = 1e-2 * p2p.grad / p2p.grad.abs().max()
    after, _ = losses.to_pet(p2p.detach() - step, pet, weighted(**{term: 1}), SCALE)
    assert float(after) < float(before.detach())


# --- The opponents ------------------------------------------------------------------


def test_cross_entropy_by_hand():
    real, made = torch.tensor([2.0, -1.0]), torch.tensor([0.0, 3.0])
    seen_as_real = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2
    seen_as_made = (math.log(2) + math.log1p(math.exp(3))) / 2
    assert float(losses.of_discriminator(real, made, "cross_entropy")) == pytest.approx(
        (seen_as_real + seen_as_made) / 2
    )
    passed_as_real = (math.log(2) + math.log1p(math.exp(-3))) / 2
    assert float(losses.of_generator(made, "cross_entropy")) == pytest.approx(passed_as_real)


def test_hinge_by_hand():
    real, made = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, -0.5, 1.0])
    # max(0, 1 − real) is 0 0.5 2 and max(0, 1 + made) is 0 0.5 2.
    assert float(losses.of_discriminator(real, made, "hinge")) == pytest.approx(2.5 / 3)
    assert float(losses.of_generator(made, "hinge")) == pytest.approx(2.5 / 3)
    assert float(losses.of_generator(made - 1, "hinge")) == pytest.approx(2.5 / 3 + 1)


@pytest.mark.parametrize("kind", ["cross_entropy", "hinge"])
def test_a_discriminator_that_knows_nothing_has_the_loss_that_is_said(kind):
    nothing = torch.zeros(7)
    assert float(losses.of_discriminator(nothing, nothing, kind)) == pytest.approx(
        losses.knows_nothing(kind)
    )


@pytest.mark.parametrize("kind", ["cross_entropy", "hinge"])
def test_both_opponents_are_rewarded_for_the_opposite(kind):
    sure, unsure = torch.tensor([3.0]), torch.tensor([0.0])
    assert losses.of_discriminator(sure, -sure, kind) < losses.of_discriminator(
        unsure, unsure, kind
    )
    assert losses.of_generator(sure, kind) < losses.of_generator(unsure, kind)


def test_feature_matching_by_hand():
    real = [torch.tensor([1.0, 2.0]), torch.tensor([[0.0]])]
    made = [torch.tensor([0.0, 4.0]), torch.tensor([[-1.0]])]
    assert float(losses.of_features(real, made)) == pytest.approx((1.5 + 1) / 2)


def test_feature_matching_gives_the_features_of_pet_no_gradient():
    real = [torch.rand(2, 3, requires_grad=True), torch.rand(2, 3, requires_grad=True)]
    made = [torch.rand(2, 3, requires_grad=True), torch.rand(2, 3, requires_grad=True)]
    losses.of_features(real, made).backward()
    assert all(feature.grad is None for feature in real)
    assert all(feature.grad.abs().min() > 0 for feature in made)


def test_feature_matching_of_equal_images_is_nothing():
    network = PatchDiscriminator(2, width=2).eval()
    condition, pet = slices(1, seed=3), slices(1, seed=4)
    _, known = network.judge(condition, pet)
    _, seen = network.judge(condition, pet)
    assert float(losses.of_features(known, seen).detach()) == 0
    _, seen = network.judge(condition, nn.Parameter(pet + 0.5))
    assert float(losses.of_features(known, seen).detach()) > 0
