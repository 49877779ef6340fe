"""Inference: the P2P volume of one subject, by the networks of a model, and where they disagree."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spect2pet.core.errors import InputError
from spect2pet.core.images import CBF_UNIT, read_image, sidecar_path, write_image
from spect2pet.infer import appearance, cards
from spect2pet.train.networks import generate
from spect2pet.train.weights import file_fingerprint, load_generators

log = logging.getLogger(__name__)

#: Largest relative difference of voxel sizes that counts as rounding.
VOXEL_TOLERANCE = 0.01


def infer_subject(
    spect: str | Path,
    generators: Sequence[str | Path],
    p2p: str | Path,
    made_by: Mapping[str, Any],
    uncertainty: str | Path | None = None,
    card: Mapping[str, Any] | None = None,
    prepared: str | Path | None = None,
) -> None:
    """Make the P2P volume of one subject and write it with a JSON sidecar.

    It is made on the CPU, whose convolutions always add in the same order, so that the same SPECT
    gives the same bytes on every run.  Torch's switch for deterministic algorithms would change
    nothing here and takes seconds to import.

    Args:
        spect: SPECT on the study grid, with its sidecar.
        generators: the networks of the model (.safetensors); P2P is the mean of what they make.
        p2p: image to write, on the same grid.
        made_by: what `provenance.stamp` gave.
        uncertainty: image to write of the standard deviation (n − 1) over the networks, mL/100
            g/min; None for none.
        card: card of a model that was trained elsewhere; the sidecar then tells what of the SPECT
            lies outside what that model saw.
        prepared: the prepared SPECT, for which a card is asked.

    Raises:
        InputError: the SPECT or a model file is damaged, or the two do not fit together.
    """
    volume, affine = read_image(spect)
    slices = torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, 2, 0)))
    made, scales = [], []
    for path in generators:
        for generator, record in load_generators(path):
            _check_fit(spect, volume, affine, path, record)
            made.append(generate(generator, slices / record["scale"]) * record["scale"])
            scales.append(record["scale"])
    flows = torch.stack(made)
    about = json.loads(sidecar_path(spect).read_text(encoding="utf-8"))
    described = {
        "Units": CBF_UNIT,
        "Relative": about["Relative"],
        "Sources": [Path(spect).name],
        "ModelFingerprints": [file_fingerprint(path) for path in generators],
        "IntensityScale": scales[0],
        **({} if card is None else _compare(card, prepared or spect, spect)),
        "GeneratedBy": made_by,
    }
    what = "P2P: the PET-like image that the model makes from SPECT"
    mean = flows.mean(dim=0)
    write_image(p2p, np.moveaxis(mean.numpy(), 0, 2), affine, {"Description": what, **described})
    if uncertainty is not None:
        what = f"Standard deviation of P2P over {len(made)} networks of other seeds"
        spread = flows.std(dim=0)
        write_image(
            uncertainty,
            np.moveaxis(spread.numpy(), 0, 2),
            affine,
            {"Description": what, **described},
        )
    log.info("%s: %d slices made by %d networks", p2p, volume.shape[2], len(made))


def _compare(card: Mapping[str, Any], prepared: str | Path, spect: str | Path) -> dict[str, Any]:
    """What a SPECT looks like beside what a model was trained on, for the sidecar and the log."""
    looks = appearance.describe(prepared, spect)
    sentences = cards.outside(card["seen"], looks)
    for sentence in sentences:
        log.warning("%s: the model has not seen its like: %s", spect, sentence)
    return {"Model": card["model"], "Appearance": looks, "OutsideTraining": sentences}


def _check_fit(
    spect: str | Path,
    volume: np.ndarray,
    affine: np.ndarray,
    model: str | Path,
    record: Mapping[str, Any],
) -> None:
    """Make sure that a SPECT has the slices that a model was trained on.

    Raises:
        InputError: their number of voxels or the size of a voxel differs.
    """
    if list(volume.shape[:2]) != record["shape"]:
        raise InputError(
            f"{spect}: its slices have {volume.shape[0]} × {volume.shape[1]} voxels, but the model "
            f"{model} was trained on {' × '.join(map(str, record['shape']))}; delete the model "
            "and run the workflow again"
        )
    voxel_mm = float(np.linalg.norm(affine[:3, 0]))
    if abs(voxel_mm / record["voxel_mm"] - 1) > VOXEL_TOLERANCE:
        raise InputError(
            f"{spect}: its voxels are {voxel_mm:.3g} mm wide, but the model {model} was trained on "
            f"{record['voxel_mm']:.3g} mm; delete the model and run the workflow again"
        )
