"""One simulated person from label to files."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spect2pet.cohort.cohort import Participant, draw_participant
from spect2pet.cohort.phantom import make_head
from spect2pet.cohort.scanner import Scan, scan_pet, scan_spect
from spect2pet.core.images import CBF_UNIT, write_image
from spect2pet.core.provenance import write_json

log = logging.getLogger(__name__)


def simulate_subject(
    subject: str,
    settings: Mapping[str, Any],
    *,
    spect: str | Path,
    pet: str | Path,
    cbf: str | Path,
    deficit: str | Path,
    ceiling: str | Path,
    truth: str | Path,
    made_by: Mapping[str, Any],
) -> None:
    """Simulate one person and write the images, their sidecars and the truth.

    Args:
        subject: label of the person.
        settings: ``cohort`` section of the configuration.
        spect: SPECT image to write.
        pet: PET image to write.
        cbf: map of true CBF to write, on the anatomy's grid.
        deficit: map of the fraction of flow lost to write, on the same grid.
        ceiling: image to write, on the PET's grid: what no method can pass.  The PET without
            its noise and its error of scale, which SPECT does not know, but with that of SPECT,
            which nothing in SPECT tells.
        truth: JSON file to write with everything that a scanner cannot know.
        made_by: what `provenance.stamp` gave.
    """
    person = draw_participant(settings["seed"], subject, settings)
    log.info("%s: %s, %d deficits", subject, person.group, len(person.deficits))
    head = make_head(person, settings)
    log.info("%s: anatomy and true flow are made", subject)
    spect_scan = scan_spect(head, person, settings["spect"])
    log.info("%s: SPECT is reconstructed from %d counts", subject, spect_scan.counts)
    pet_scan = scan_pet(head, person, settings["pet"])
    log.info("%s: PET is reconstructed from %d counts", subject, pet_scan.counts)

    write_image(spect, spect_scan.image, spect_scan.affine, _sidecar(spect_scan, made_by))
    write_image(pet, pet_scan.image, pet_scan.affine, _sidecar(pet_scan, made_by))
    write_image(cbf, head.cbf, head.affine, _truth_sidecar(CBF_UNIT, "true CBF", made_by))
    lost = _truth_sidecar("1", "fraction of flow lost to deficits and diaschisis", made_by)
    write_image(deficit, head.deficit, head.affine, lost)
    what = "PET without noise, with the error of scale of SPECT: no method can pass it"
    best = pet_scan.noise_free * person.spect_scale
    write_image(ceiling, best, pet_scan.affine, _truth_sidecar(CBF_UNIT, what, made_by))
    write_json(truth, {**_truth(person, spect_scan, pet_scan), "GeneratedBy": made_by})


def _sidecar(scan: Scan, made_by: Mapping[str, Any]) -> dict[str, Any]:
    """BIDS-like description of a scan."""
    return {
        "Units": CBF_UNIT,
        "Relative": False,
        **scan.description,
        "TotalCounts": scan.counts,
        "Simulated": True,
        "GeneratedBy": made_by,
    }


def _truth_sidecar(units: str, what: str, made_by: Mapping[str, Any]) -> dict[str, Any]:
    """Description of a map that no scanner sees."""
    return {
        "Units": units,
        "Relative": False,
        "Description": f"Simulated truth: {what}",
        "GeneratedBy": made_by,
    }


def _truth(person: Participant, spect: Scan, pet: Scan) -> dict[str, Any]:
    """Everything that is known about a simulated person and not to a scanner."""
    return {
        **person.facts(),
        "spect_pose": spect.pose.tolist(),
        "pet_pose": pet.pose.tolist(),
    }
