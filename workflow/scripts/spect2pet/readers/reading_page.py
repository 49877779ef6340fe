"""The page of a reading session: one file with every image in it, which fetches nothing."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from spect2pet.core import files, pages
from spect2pet.core.errors import InputError
from spect2pet.core.images import read_image
from spect2pet.core.light_nibabel import nib
from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate.evaluation import read_subject, to_relative
from spect2pet.figures.pictures import CBF_COLOURS
from spect2pet.readers.readers import ITERATIONS, OPEN, Session, commitment, page_items, seal

#: Colour maps a reader can choose from, the first one at the start, by their names in the page.
COLOUR_MAPS = {
    "Inferno": CBF_COLOURS,
    "Grey": "gray",
    "Grey, inverted": "gray_r",
    "Rainbow": "turbo",
}
#: Voxels around the brain that are shown.
MARGIN = 5
#: Percentile of the brightest image of a subject that the last of the 256 values stands for.
TOP_PERCENTILE = 99.9
#: Largest page, bytes: what mail and slow machines still take.
LARGEST_PAGE = 30_000_000


@dataclass(frozen=True)
class Case:
    """The images of one subject around the brain.

    Attributes:
        images: CBF (x, y, z), mL/100 g/min, by the names of `evaluation.IMAGES`.
        affine: 4 × 4, voxel indices to millimetres in RAS+.
        relative: an image is known only relative; all were scaled to a whole-brain mean of 50.
    """

    images: dict[str, np.ndarray]
    affine: np.ndarray
    relative: bool


def read_case(
    spect: str | Path, p2p: str | Path, pet: str | Path, mask: str | Path, margin: int = MARGIN
) -> Case:
    """Read a subject's images on the study grid and cut out the brain with a margin.

    Args:
        spect: the registered SPECT.
        p2p: the generated image.
        pet: the PET.
        mask: the brain mask.
        margin: voxels around the brain that are kept.

    Raises:
        InputError: a file is damaged, the grids differ or the mask is empty.
    """
    images, flags = read_subject(spect, p2p, pet)
    brain, affine = read_image(mask)
    if not brain.any():
        raise InputError(f"{mask}: the brain mask is empty; look at the subject's registration")
    relative = any(flags.values())
    if relative:
        images = {name: to_relative(image, brain) for name, image in images.items()}
    places = np.argwhere(brain > 0)
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = np.minimum(places.max(axis=0) + 1 + margin, brain.shape)
    box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    corner = affine.copy()
    corner[:3, 3] = affine[:3, :3] @ low + affine[:3, 3]
    return Case({name: image[box] for name, image in images.items()}, corner, relative)


def pack_case(case: Case) -> dict[str, str]:
    """The images of a subject as the page holds them: gzipped NIfTI-1 of bytes, in base64.

    All of a subject share one scale, and negative noise, which a network never makes, becomes
    zero: neither tells what an image is.

    Returns:
        The files by name of image.
    """
    top = max(float(np.percentile(image, TOP_PERCENTILE)) for image in case.images.values())
    slope = np.float32(max(top, 1.0) / 255)
    packed = {}
    for name, image in case.images.items():
        values = np.clip(np.rint(image / slope), 0, 255).astype(np.uint8)
        file = nib.Nifti1Image(values, case.affine)
        file.header.set_xyzt_units("mm")
        file.header.set_slope_inter(slope, 0)
        packed[name] = base64.b64encode(gzip.compress(file.to_bytes(), mtime=0)).decode()
    return packed


def page_content(
    session: Session, key: str | Path, cases: Mapping[str, Case], scale: Sequence[str]
) -> dict[str, Any]:
    """What the page holds of a session.

    Args:
        session: the session.
        key: its key, already written.
        cases: the images by subject.
        scale: what each grade means, the worst first.

    Returns:
        A dictionary ready for JSON, images in the order of their random names.
    """
    plain, secret = page_items(session)
    packed = {subject: pack_case(case) for subject, case in cases.items()}
    images = {name: packed[subject][image] for (subject, image), name in session.images.items()}
    return {
        "id": session.name,
        "commitment": commitment(key),
        "notice": RESEARCH_ONLY,
        "scale": list(scale),
        "colours": {name: _colour_table(colours) for name, colours in COLOUR_MAPS.items()},
        "iterations": ITERATIONS,
        "items": plain,
        "open": int((session.key["part"] == OPEN).sum()),
        "sealed": seal(secret, session.code, session.name),
        "images": dict(sorted(images.items())),
    }


def write_page(
    path: str | Path,
    content: Mapping[str, Any],
    sources: Mapping[str, Path],
    viewer: Mapping[str, str],
) -> None:
    """Write the page whole or not at all.

    Args:
        path: file to write.
        content: what `page_content` gave.
        sources: the files that take the places ``style``, ``viewer`` and ``script`` in the file
            ``page``.
        viewer: what `niivue.texts` gave, for the places of these names.

    Raises:
        InputError: the page would be larger than `LARGEST_PAGE`.
    """
    page = pages.fill(sources, viewer)
    # "<" would let a text of the config end the script that holds it.
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    page = page.replace("/*{session}*/", text)
    if len(page) > LARGEST_PAGE:
        raise InputError(
            f"{path}: would have {len(page) / 1e6:.0f} MB, where a page can have "
            f"{LARGEST_PAGE / 1e6:.0f}; lower `readers: subjects`"
        )
    with files.whole(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _colour_table(name: str) -> str:
    """256 colours of a matplotlib colour map, three bytes each, in base64."""
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256), bytes=True)
    return base64.b64encode(colours[:, :3].tobytes()).decode()
