"""The images of a subject as the report's page shows them: small, and exact to a step of colour.

Voxels become bytes that share one step of flow in all images of a subject, so that the page can
subtract them.  Bytes are written as differences along all three axes, of which smooth images leave
little, and compressed (gzip, RFC 1952).
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np

from spect2pet.core import files
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image, rough_brain_mask
from spect2pet.evaluate.evaluation import is_relative, relative_factor
from spect2pet.figures.pictures import CBF_COLOURS, DIFFERENCE_COLOURS

#: Colour maps of the viewer, by what they are for and by their names in the page.
FLOW_COLOURS = {"Inferno": CBF_COLOURS, "Grey": "gray", "Grey, inverted": "gray_r"}
OTHER_COLOURS = {"difference": DIFFERENCE_COLOURS, "uncertainty": "viridis"}
#: Voxels around the brain that are shown.
MARGIN = 4
#: Percentile of an image that the last of the 256 values stands for at least.
TOP_PERCENTILE = 99.95
#: The standard deviation over networks needs no more steps than the eye tells apart.
UNCERTAINTY_STEPS = 63
#: Quality of the pictures of registration (WebP), 0 to 100.
PICTURE_QUALITY = 75


@dataclass(frozen=True)
class Files:
    """The images of one subject on the study grid, sidecars beside them.

    Attributes:
        spect: the registered SPECT.
        pet: the PET, None where there is none.
        mask: the brain mask, None where there is no PET.
        p2p: the generated images, by model.
        uncertainty: the standard deviations over the networks of a model, by model.
    """

    spect: Path
    pet: Path | None
    mask: Path | None
    p2p: Mapping[str, Path]
    uncertainty: Mapping[str, Path]


@dataclass(frozen=True)
class Packed:
    """What the page needs to show a subject.

    Attributes:
        shared: ``size`` (voxels), ``affine`` (three rows; voxel indices to millimetres in RAS+),
            ``slope`` (CBF of a step, mL/100 g/min), ``relative``, and under ``images`` SPECT and
            PET, each gzip in base64.
        models: by model ``images`` (P2P, and ``uncertainty`` where there is one) and
            ``uncertaintySlope``.
    """

    shared: dict[str, Any]
    models: dict[str, dict[str, Any]]


def pack_subject(sources: Files, margin: int = MARGIN) -> Packed:
    """Read a subject's images, cut out the brain with a margin and pack them.

    Where an image is known only relative, all are scaled to one whole-brain mean.

    Args:
        sources: the images.
        margin: voxels around the brain that are kept.

    Raises:
        InputError: a file is damaged, or the brain mask is empty.
    """
    spect, affine = read_image(sources.spect)
    measured = {"SPECT": spect}
    if sources.pet is not None:
        measured["PET"] = read_image(sources.pet)[0]
    brain = rough_brain_mask(spect) if sources.mask is None else read_image(sources.mask)[0] > 0
    if not brain.any():
        raise InputError(
            f"{sources.mask}: the brain mask is empty; look at the subject's registration"
        )
    box, corner = _around(brain, affine, margin)
    brain = brain[box]
    generated = {name: read_image(path)[0][box] for name, path in sources.p2p.items()}
    measured = {name: image[box] for name, image in measured.items()}
    doubt = {name: read_image(path)[0][box] for name, path in sources.uncertainty.items()}
    relative = any(is_relative(path) for path in (sources.spect, sources.pet) if path is not None)
    if relative:
        factors = {name: relative_factor(image, brain) for name, image in generated.items()}
        generated = {name: image * factors[name] for name, image in generated.items()}
        doubt = {name: image * factors[name] for name, image in doubt.items()}
        measured = {n: image * relative_factor(image, brain) for n, image in measured.items()}
    every = [*measured.values(), *generated.values()]
    slope = max(1.0, *(float(np.percentile(image, TOP_PERCENTILE)) for image in every)) / 255
    return Packed(
        shared={
            "size": list(brain.shape),
            "affine": np.round(corner[:3], 3).tolist(),
            "slope": round(slope, 5),
            "relative": relative,
            "images": {name: pack(image, round(slope, 5)) for name, image in measured.items()},
        },
        models={
            name: _pack_model(image, round(slope, 5), doubt.get(name), brain)
            for name, image in generated.items()
        },
    )


def pack(image: np.ndarray, slope: float) -> str:
    """An image (x, y, z) in steps of ``slope``, 0 to 255, as differences, gzip, base64."""
    values = np.clip(np.rint(image / slope), 0, 255).astype(np.uint8)
    for axis in range(values.ndim):
        values = np.diff(values, axis=axis, prepend=np.uint8(0))
    # Run lengths and Huffman codes alone: differences repeat no strings.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31, 9, zlib.Z_RLE)
    packed = packer.compress(values.tobytes(order="F")) + packer.flush()
    return base64.b64encode(packed).decode()


def _pack_model(
    image: np.ndarray, slope: float, doubt: np.ndarray | None, brain: np.ndarray
) -> dict[str, Any]:
    """The images of one model; its uncertainty in the brain alone."""
    packed: dict[str, Any] = {"images": {"P2P": pack(image, slope)}}
    if doubt is not None:
        top = max(float(np.percentile(doubt[brain], TOP_PERCENTILE)), 0.01)
        own = round(top / UNCERTAINTY_STEPS, 6)
        packed["images"]["uncertainty"] = pack(np.where(brain, doubt, 0), own)
        packed["uncertaintySlope"] = own
    return packed


def _around(
    brain: np.ndarray, affine: np.ndarray, margin: int
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box around a brain, and the affine of what it cuts out."""
    places = np.argwhere(brain)
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = np.minimum(places.max(axis=0) + 1 + margin, brain.shape)
    corner = affine.copy()
    corner[:3, 3] = affine[:3, :3] @ low + affine[:3, 3]
    return tuple(slice(start, stop) for start, stop in zip(low, high, strict=True)), corner


def write_script(path: Path, function: str, content: Mapping[str, Any]) -> None:
    """Write data as a script that hands it to a function of the page.

    Pages opened from disk may load scripts and pictures, but no other data.
    """
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    with files.whole(path) as partial:
        partial.write_text(f"{function}({text});\n", encoding="utf-8")


def write_picture(source: Path, output: Path) -> None:
    """Write a picture anew in less room (WebP)."""
    try:
        picture = matplotlib.image.imread(source)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{source}: cannot be read ({error}); delete it and run the workflow again"
        ) from error
    with files.whole(output) as partial:
        matplotlib.image.imsave(
            partial,
            picture[..., :3],
            format="webp",
            pil_kwargs={"quality": PICTURE_QUALITY, "method": 2},
        )


def colour_tables() -> dict[str, dict[str, str]]:
    """256 colours of three bytes each, in base64: of ``flow`` by name, and of the ``other``."""
    return {
        "flow": {name: _colours(source) for name, source in FLOW_COLOURS.items()},
        "other": {name: _colours(source) for name, source in OTHER_COLOURS.items()},
    }


def _colours(name: str) -> str:
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256), bytes=True)
    return base64.b64encode(colours[:, :3].tobytes()).decode()
