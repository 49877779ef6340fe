"""Inference: the P2P volume of one subject, by a trained generator."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spect2pet.errors import InputError
from spect2pet.images import CBF_UNIT, read_image, sidecar_path, write_image
from spect2pet.networks import generate
from spect2pet.weights import file_fingerprint, load_generator

log = logging.getLogger(__name__)


def infer_subject(
    spect: str | Path, generator: str | Path, p2p: str | Path, made_by: Mapping[str, Any]
) -> None:
    """Make the P2P volume of one subject and write it with a JSON sidecar.

    Every axial slice goes through the generator by itself, on the CPU, so that the same SPECT
    gives the same bytes on every run.

    Args:
        spect: SPECT on the study grid, with its sidecar.
        generator: the trained generator (.safetensors).
        p2p: image to write, on the same grid.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: the SPECT or the model file is damaged, or the two do not fit together.
    """
    volume, affine = read_image(spect)
    network, record = load_generator(generator)
    if list(volume.shape[:2]) != record["shape"]:
        raise InputError(
            f"{spect}: its slices have {volume.shape[0]} × {volume.shape[1]} voxels, but the model "
            f"{generator} was trained on {' × '.join(map(str, record['shape']))}; delete the model "
            "and run the workflow again"
        )
    torch.use_deterministic_algorithms(True)
    slices = torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, 2, 0)))
    made = generate(network, slices / record["scale"]) * record["scale"]
    about = json.loads(sidecar_path(spect).read_text(encoding="utf-8"))
    write_image(
        p2p,
        np.moveaxis(made.numpy(), 0, 2),
        affine,
        {
            "Description": "P2P: the PET-like image that the generator makes from SPECT",
            "Units": CBF_UNIT,
            "Relative": about["Relative"],
            "Sources": [Path(spect).name],
            "ModelFingerprint": file_fingerprint(generator),
            "IntensityScale": record["scale"],
            "GeneratedBy": made_by,
        },
    )
    log.info("%s: %d slices made", p2p, volume.shape[2])
