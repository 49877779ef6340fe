"""The networks are pix2pix's: counts, receptive field, dropout, initial weights."""

import pytest
import torch
from torch import nn

from spect2pet.errors import InputError
from spect2pet.networks import (
    METHODS,
    PatchDiscriminator,
    UNet,
    depth_for,
    from_network,
    generate,
    parameter_count,
    to_network,
)

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def count(network, kind):
    return sum(isinstance(module, kind) for module in network.modules())


@pytest.mark.parametrize(("depth", "millions"), [(8, 54.414), (7, 41.829)])
def test_generator_has_the_published_number_of_parameters(depth, millions):
    with torch.device("meta"):
        network = UNet(3, 3, depth)
    assert parameter_count(network) / 1e6 == pytest.approx(millions, abs=0.001)


def test_discriminator_has_the_published_number_of_parameters():
    assert parameter_count(PatchDiscriminator(6)) / 1e6 == pytest.approx(2.769, abs=0.001)


@pytest.mark.parametrize(("depth", "dropouts"), [(8, 3), (7, 2), (6, 1), (5, 0), (4, 0)])
def test_dropout_stands_in_the_published_blocks(depth, dropouts):
    network = UNet(depth=depth, width=2)
    assert count(network, nn.Dropout) == dropouts
    followed = [block for block in network.up if count(block, nn.Dropout)]
    assert followed == list(network.up[1 : 1 + dropouts])
    assert all(block[-1].p == 0.5 for block in followed)


def test_the_outermost_and_innermost_convolutions_are_not_normalised():
    network = UNet(depth=5, width=2)
    normed = [count(block, nn.BatchNorm2d) for block in [*network.down, *network.up]]
    assert normed == [0, 1, 1, 1, 0, 1, 1, 1, 1, 0]


def test_every_halving_doubles_back():
    network = UNet(depth=4, width=2, norm="none")
    seen = []
    for block in network.up:
        block.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    assert network(torch.rand(3, 1, 32, 48)).shape == (3, 1, 32, 48)
    assert seen == [(8, 4, 6), (4, 8, 12), (2, 16, 24), (1, 32, 48)]


def test_skips_carry_detail_past_the_bottleneck():
    network = UNet(depth=4, width=2, norm="none")
    nn.init.zeros_(network.up[-2][1].weight)
    for parameter in (network.up[-2][1].bias, network.up[-1][1].bias):
        nn.init.zeros_(parameter)
    slices = torch.rand(2, 1, 16, 16)
    assert not torch.equal(network(slices)[0], network(slices)[1])


def test_a_patch_is_70_by_70_pixels():
    network = PatchDiscriminator(2, width=4, norm="none")
    image = torch.rand(1, 1, 160, 160, requires_grad=True)
    logits = network(image, image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = image.grad[0, 0] != 0
    for axis in (0, 1):
        touched = seen.any(dim=axis).nonzero()
        assert touched.max() - touched.min() + 1 == 70
    assert int(seen.any(dim=0).sum()) == 70


def test_initial_weights_are_drawn_as_published():
    for network in (UNet(depth=5, width=16), PatchDiscriminator(width=16)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                assert abs(float(layer.weight.detach().mean())) < 0.003
                assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.2)
                assert layer.bias is None or not layer.bias.any()
            if isinstance(layer, nn.BatchNorm2d):
                assert float(layer.weight.detach().mean()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_normalisation_can_be_chosen(norm):
    kinds = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
    for network in (UNet(depth=3, width=2, norm=norm), PatchDiscriminator(width=2, norm=norm)):
        for name, kind in kinds.items():
            assert bool(count(network, kind)) == (name == norm)


def test_tanh_bounds_the_output_and_linear_does_not():
    slices = 50 * torch.randn(1, 1, 16, 16)
    for output, bounded in (("tanh", True), ("linear", False)):
        network = UNet(depth=2, width=4, norm="none", output=output)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(20)
            assert bool((network(slices).abs() <= 1).all()) == bounded


def test_a_residual_generator_without_weights_is_the_identity():
    network = UNet(depth=3, width=2, norm="none", output="linear", residual=True)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    slices = torch.rand(2, 1, 16, 24)
    assert torch.equal(network(slices), slices)


@pytest.mark.parametrize(
    ("shape", "depth"), [((256, 256), 8), ((128, 128), 7), ((96, 112), 4), ((512, 512), 8)]
)
def test_depth_follows_the_slices(shape, depth):
    assert depth_for(shape, None) == depth
    assert depth_for(shape, 3) == 3


@pytest.mark.parametrize(("shape", "wanted"), [((96, 112), 5), ((91, 109), None), ((90, 96), 2)])
def test_slices_that_cannot_be_halved_are_refused(shape, wanted):
    with pytest.raises(InputError, match=rf"{shape[0]} × {shape[1]} voxels can be halved"):
        depth_for(shape, wanted)


def test_every_method_builds_both_networks():
    settings = {
        "depth": None,
        "width": 2,
        "discriminator_width": 2,
        "norm": "batch",
        "dropout": 0.5,
        "output": "tanh",
        "residual": False,
    }
    for method in METHODS.values():
        assert parameter_count(method.generator(settings, (16, 16))) > 0
        assert parameter_count(method.discriminator(settings)) > 0


def test_network_range_is_the_published_one():
    cbf = torch.tensor([0.0, 0.5, 1.0, 1.2])
    assert to_network(cbf).tolist() == pytest.approx([-1, 0, 1, 1.4])
    assert from_network(to_network(cbf)).tolist() == pytest.approx(cbf.tolist())
    assert from_network(torch.tensor([-1.5])).item() == 0


def test_inference_is_the_same_every_time_and_for_every_neighbour():
    network = UNet(depth=6, width=2)
    with torch.no_grad():
        network(torch.randn(8, 1, 64, 64))  # moves the running statistics
    slices = torch.rand(5, 64, 64)
    made = generate(network, slices)
    assert made.shape == slices.shape
    assert torch.equal(made, generate(network, slices))
    torch.testing.assert_close(made[:1], generate(network, slices[:1]))
    assert (made >= 0).all()
