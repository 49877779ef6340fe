"""The registry of methods: every way of making PET-like images that ``method`` can name.

All of them go through one training loop, one inference and one evaluation.  A method is what
builds its generator and, where it has one, the generator's opponent; what the settings of a model
are by default stands in `presets`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from spect2pet.train.deconvolution import Identity, RichardsonLucy
from spect2pet.train.frames import Frame
from spect2pet.train.networks import Generator, PatchDiscriminator, Settings, UNet, depth_for


@dataclass(frozen=True)
class Method:
    """One way of making PET-like images.

    Attributes:
        generator: builds what makes P2P, a module with ``make`` from volume to volume, from the
            model's settings and the frame of its slices.
        discriminator: builds its opponent from the settings; None where nothing is learnt by
            gradient descent, and an epoch is one call of the generator's ``advance``.
    """

    generator: Callable[[Settings, Frame], Generator]
    discriminator: Callable[[Settings], PatchDiscriminator] | None


def _unet(settings: Settings, frame: Frame) -> UNet:
    """The U-Net that the settings of a model ask for."""
    return UNet(
        in_channels=settings["context"],
        depth=depth_for(frame.shape, settings["depth"]),
        width=settings["width"],
        norm=settings["norm"],
        dropout=settings["dropout"],
        output=settings["output"],
        residual=settings["residual"],
        mirror_average=settings["mirror_average"],
        gain=frame.gain if settings["scaling"] == "subject" else None,
    )


def _patch_discriminator(settings: Settings) -> PatchDiscriminator:
    """The PatchGAN that the settings of a model ask for; it sees all that the generator saw."""
    return PatchDiscriminator(
        in_channels=settings["context"] + 1,
        width=settings["discriminator_width"],
        norm=settings["norm"],
        spectral=settings["spectral_norm"],
    )


def _richardson_lucy(settings: Settings, frame: Frame) -> RichardsonLucy:
    """Deconvolution with the point spread that the settings of a model name."""
    return RichardsonLucy(settings["point_spread_mm"] / frame.voxel_mm)


_TRAINED = Method(_unet, _patch_discriminator)

METHODS = {
    "spect": Method(lambda settings, frame: Identity(), None),
    "richardson_lucy": Method(_richardson_lucy, None),
    "unet": _TRAINED,
    "pix2pix": _TRAINED,
    "p2p": _TRAINED,
}
