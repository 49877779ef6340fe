"""The networks are pix2pix's: counts, receptive field, dropout, initial weights."""

import pytest
import torch
from torch import nn

from model_settings import model_settings
from spect2pet.core.errors import InputError
from spect2pet.core.images import brain_level
from spect2pet.train.frames import Frame
from spect2pet.train.methods import METHODS
from spect2pet.train.networks import (
    INFERENCE_BATCH,
    LEVEL,
    Generator,
    PatchDiscriminator,
    UNet,
    depth_for,
    from_network,
    generate,
    parameter_count,
    to_network,
    with_neighbours,
)
from spect2pet.train.presets import UNTRAINED

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


class Skip(nn.Module):
    """A block of the published U-Net, which stands beside what it makes."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, image):
        return torch.cat([image, self.layers(image)], 1)


def authors_network(depth, width):
    """The published U-Net nested in itself, written from Isola et al., appendix 6.1.1.

    C64-C128-C256-C512-C512-C512-C512-C512 down, CD512-CD512-CD512-C512-C256-C128-C64 up.
    """

    def down(outside, inside):
        return nn.LeakyReLU(0.2), nn.Conv2d(outside, inside, 4, 2, 1, bias=False)

    def up(inside, outside):
        convolution = nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=False)
        return nn.ReLU(), convolution, nn.BatchNorm2d(outside)

    widths = [width, 2 * width, 4 * width] + [8 * width] * (depth - 3)
    block = Skip(*down(widths[-2], widths[-1]), *up(widths[-1], widths[-2]))
    for level in range(depth - 2, 0, -1):
        outside, inside = widths[level - 1], widths[level]
        dropped = [nn.Dropout(0.5)] if level > 3 else []
        block = Skip(
            *down(outside, inside),
            nn.BatchNorm2d(inside),
            block,
            *up(2 * inside, outside),
            *dropped,
        )
    last = nn.ConvTranspose2d(2 * width, 1, 4, 2, 1)
    return nn.Sequential(nn.Conv2d(1, width, 4, 2, 1), block, nn.ReLU(), last, nn.Tanh())


@pytest.mark.parametrize(("depth", "training"), [(8, False), (8, True), (7, True)])
def test_the_generator_makes_what_the_published_nesting_makes(depth, training):
    network, reference = UNet(depth=depth, width=2), authors_network(depth, 2)
    # Both name their layers from the outside in on the way down, and back on the way up.
    tensors = list(network.state_dict().values())
    names = list(reference.state_dict())
    assert len(tensors) == len(names)
    reference.load_state_dict(dict(zip(names, tensors, strict=True)))
    images = torch.rand(2, 1, 256, 256)
    made = []
    for each in (network, reference):
        torch.manual_seed(3)
        with torch.no_grad():
            made.append(each.train(training)(images))
    torch.testing.assert_close(made[0], made[1])
    assert made[0].std() > 0


def test_the_discriminator_is_the_published_one_layer_by_layer():
    layers = PatchDiscriminator(6).layers
    assert [type(layer).__name__ for layer in layers] == [
        *("Conv2d", "LeakyReLU"),
        *("Conv2d", "BatchNorm2d", "LeakyReLU") * 3,
        "Conv2d",
    ]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 2, 1, 1]
    assert all(layer.kernel_size == (4, 4) and layer.padding == (1, 1) for layer in convolutions)
    assert [layer.bias is not None for layer in convolutions] == [True, False, False, False, True]
    assert all(layer.negative_slope == 0.2 for layer in layers if isinstance(layer, nn.LeakyReLU))


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


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_builds_what_makes_a_volume(method):
    settings = model_settings(method=method, width=2, discriminator_width=2)
    generator = METHODS[method].generator(settings, Frame((16, 16), 4.0))
    made = generate(generator, torch.rand(3, 16, 16))
    assert made.shape == (3, 16, 16)
    assert made.isfinite().all()
    if method in UNTRAINED:
        assert parameter_count(generator) == 0
        assert METHODS[method].discriminator is None
    else:
        assert parameter_count(generator) > 0
        assert parameter_count(METHODS[method].discriminator(settings)) > 0


@pytest.mark.parametrize(
    "setting", ["context", "mirror_average", "residual", "norm", "output", "scaling"]
)
def test_the_registry_hands_on_the_settings_of_the_generator(setting):
    other = {
        "context": 3,
        "mirror_average": True,
        "residual": True,
        "norm": "none",
        "output": "linear",
        "scaling": "subject",
    }
    volumes = []
    for changes in ({}, {setting: other[setting]}):
        torch.manual_seed(0)
        settings = model_settings(width=2, depth=3, **changes)
        generator = METHODS["pix2pix"].generator(settings, Frame((16, 16), 2.0))
        volumes.append(generate(generator, 3 * torch.rand(4, 16, 16)))
    assert not torch.equal(*volumes)


def test_the_discriminator_sees_all_that_the_generator_saw():
    settings = model_settings(context=5, discriminator_width=2)
    first = METHODS["pix2pix"].discriminator(settings).layers[0]
    assert first.in_channels == 6


def test_a_generator_that_does_not_say_how_it_makes_p2p_is_an_error():
    with pytest.raises(TypeError, match="Generator does not say how"):
        generate(Generator(), torch.zeros(2, 4, 4))


def test_network_range_is_the_published_one():
    cbf = torch.tensor([0.0, 0.5, 1.0, 1.2])
    assert to_network(cbf).tolist() == pytest.approx([-1, 0, 1, 1.4])
    assert from_network(to_network(cbf)).tolist() == pytest.approx(cbf.tolist())
    assert from_network(torch.tensor([-1.5])).item() == 0


def test_inference_is_the_same_every_time_and_for_every_neighbour():
    network = UNet(depth=6, width=2)
    with torch.no_grad():
        network(torch.randn(8, 1, 64, 64))  # moves the running statistics
    volume = torch.rand(INFERENCE_BATCH + 3, 64, 64)
    made = generate(network, volume)
    assert made.shape == volume.shape
    assert torch.equal(made, generate(network, volume))
    torch.testing.assert_close(made[-1:], generate(network, volume[-1:]))
    assert (made >= 0).all()
    assert not network.training


# --- Neighbours, residual and mirror image ------------------------------------


def test_neighbours_stand_in_order_and_end_slices_are_repeated():
    volume = torch.arange(6.0).view(6, 1, 1).expand(6, 2, 3)
    near = with_neighbours(volume, 5)
    assert near.shape == (6, 5, 2, 3)
    assert near[:, :, 0, 0].int().tolist() == [
        [0, 0, 0, 1, 2],
        [0, 0, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 5, 5],
        [3, 4, 5, 5, 5],
    ]
    assert torch.equal(near[:, :, 1, 2], near[:, :, 0, 0])


def test_a_volume_thinner_than_the_context_is_no_trouble():
    near = with_neighbours(torch.tensor([7.0, 8.0]).view(2, 1, 1), 7)
    assert near[:, :, 0, 0].int().tolist() == [[7, 7, 7, 7, 8, 8, 8], [7, 7, 7, 8, 8, 8, 8]]


def test_without_context_a_slice_stands_alone():
    volume = torch.rand(4, 3, 5)
    assert torch.equal(with_neighbours(volume, 1), volume.unsqueeze(1))


def silent(**arguments):
    """A residual generator whose own part is zero."""
    network = UNet(depth=2, width=2, norm="none", output="linear", residual=True, **arguments)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    return network


@pytest.mark.parametrize("context", [3, 7])
def test_the_residual_is_added_to_the_middle_slice(context):
    slices = torch.rand(2, context, 8, 12)
    made = silent(in_channels=context)(slices)
    assert torch.equal(made, slices[:, context // 2 : context // 2 + 1])


def test_a_volume_comes_back_slice_by_slice_whatever_the_context():
    volume = torch.rand(5, 8, 12)
    torch.testing.assert_close(generate(silent(in_channels=5), volume), volume)


def test_a_slice_depends_on_as_many_neighbours_as_the_context_says():
    network = UNet(3, depth=2, width=4, norm="none", output="linear")
    volume = torch.rand(7, 8, 8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(20)
    other = volume.clone()
    other[3] += 1
    changed = (generate(network, other) != generate(network, volume)).flatten(1).any(1)
    assert changed.tolist() == [False, False, True, True, True, False, False]


def loud(**arguments):
    """A generator whose own part is large."""
    torch.manual_seed(1)
    network = UNet(depth=2, width=4, norm="none", output="linear", **arguments)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(20)
        network.up[-1][1].bias.fill_(1)
    return network


def test_the_mirror_average_treats_left_and_right_alike():
    volume = torch.rand(3, 8, 12)
    volume[:, :4] += 0.5  # more flow on the left, which is where H begins
    averaged = loud(mirror_average=True)
    torch.testing.assert_close(
        generate(averaged, volume.flip(1)), generate(averaged, volume).flip(1)
    )
    plain = loud(mirror_average=False)
    assert not torch.allclose(generate(plain, volume.flip(1)), generate(plain, volume).flip(1))
    by_hand = (generate(plain, volume) + generate(plain, volume.flip(1)).flip(1)) / 2
    torch.testing.assert_close(generate(averaged, volume), by_hand)


# --- Subjects scaled one by one ---------------------------------------------------


def head(level):
    """A volume with a bright inside of some flow, brighter on one side, and nothing around it."""
    torch.manual_seed(2)
    volume = torch.zeros(6, 16, 24)
    volume[1:5, 4:12, 5:19] = level * (1 + 0.2 * torch.rand(4, 8, 14))
    volume[1:5, 4:7, 5:9] *= 1.2
    return volume


def test_a_network_without_weights_gives_spect_its_level_back_times_the_gain():
    volume = head(0.8)
    torch.testing.assert_close(generate(silent(gain=1.3), volume), 1.3 * volume)


def test_what_a_network_sees_is_brought_to_one_level():
    network, seen = silent(gain=1.3), []
    network.register_forward_hook(lambda _, inputs, __: seen.append(from_network(inputs[0])))
    for level in (0.1, 0.8):
        generate(network, head(level))
    for slices in seen:
        assert brain_level(slices.squeeze(1).numpy()) == pytest.approx(LEVEL, rel=1e-5)
    torch.testing.assert_close(*seen)


def test_p2p_of_twice_the_spect_is_twice_the_p2p_where_subjects_are_scaled():
    for gain, doubled in ((1.3, True), (None, False)):
        network = loud(mirror_average=False, gain=gain)
        once, twice = generate(network, head(0.4)), generate(network, head(0.8))
        assert torch.allclose(twice, 2 * once, rtol=1e-4) == doubled


# --- The discriminator's other uses ---------------------------------------------


@pytest.mark.parametrize("spectral", [False, True])
def test_judging_gives_the_logits_of_a_forward_pass_and_every_activation(spectral):
    network = PatchDiscriminator(4, width=2, spectral=spectral).eval()
    condition, image = torch.rand(2, 3, 64, 48), torch.rand(2, 1, 64, 48)
    logits, features = network.judge(condition, image)
    assert torch.equal(logits, network(condition, image))
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (2, 32, 24),
        (4, 16, 12),
        (8, 8, 6),
        (16, 7, 5),
    ]


def test_activations_are_those_behind_the_leaky_units():
    network = PatchDiscriminator(2, width=2, norm="none")
    condition, image = torch.randn(1, 1, 32, 32), torch.randn(1, 1, 32, 32)
    _, features = network.judge(condition, image)
    convolved = network.layers[0](torch.cat([condition, image], 1))
    expected = torch.where(convolved > 0, convolved, 0.2 * convolved)
    torch.testing.assert_close(features[0], expected)


@pytest.mark.parametrize("factor", [0.2, 50])
def test_spectral_normalisation_brings_the_largest_singular_value_to_one(factor):
    network = PatchDiscriminator(2, width=4, norm="none", spectral=True).train()
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 5
    with torch.no_grad():
        for layer in convolutions:
            layer.parametrizations.weight.original.mul_(factor)
        for _ in range(100):  # each pass comes closer to the singular vectors
            network(torch.randn(1, 1, 32, 32), torch.randn(1, 1, 32, 32))

    def largest(weight):
        return float(torch.linalg.svdvals(weight.detach().flatten(1))[0])

    for layer in convolutions:
        assert largest(layer.weight) == pytest.approx(1, abs=0.01)
        raw = layer.parametrizations.weight.original
        torch.testing.assert_close(layer.weight, raw / largest(raw), rtol=0.01, atol=0)


def test_without_spectral_normalisation_weights_are_as_they_are():
    network = PatchDiscriminator(2, width=4, norm="none")
    assert all("original" not in name for name, _ in network.named_parameters())
