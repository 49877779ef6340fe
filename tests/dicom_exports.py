"""A subject with a SPECT in DICOM and a P2P image of it, to export."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from dicom_files import write_nm
from spect2pet.core import itk
from spect2pet.core.images import write_image
from spect2pet.export import dicom_export

LABEL = "042"
MODEL = "p2p"
FINGERPRINTS = ["0123456789abcdef", "fedcba9876543210"]
#: What must not be found in an export by label.
SPECT_OPTIONS = {
    "patient_id": "HOSPITAL-7731",
    "patient_name": "Doe^Jane",
    "patient_birth_date": "19480229",
    "study_date": "20190817",
    "series_description": "IMP CBF QUANT",
    "manufacturer": "Camera Makers",
    "model": "Triple Head 9300",
}
SPECT_AFFINE = np.array([[5.0, 0, 0, -52], [0, 5, 0, -58], [0, 0, 6, -35], [0, 0, 0, 1]])
STUDY_AFFINE = np.array([[4.0, 0, 0, -44], [0, 4, 0, -50], [0, 0, 4, -30], [0, 0, 0, 1]])
#: From PET to SPECT millimetres.
TO_SPECT = np.eye(4)
TO_SPECT[:3, :3] = Rotation.from_euler("xyz", [9, -6, 14], degrees=True).as_matrix()
TO_SPECT[:3, 3] = [3, -4, 5]


@dataclass(frozen=True)
class Subject:
    """The files of one subject, and what P2P holds."""

    folder: Path
    raw: Path
    p2p: np.ndarray
    label: str = LABEL

    def file(self, name: str) -> Path:
        return self.folder / f"sub-{self.label}_{name}"


def make_subject(folder: Path, **options) -> Subject:
    """Write a subject's files: a smooth, asymmetric P2P and a SPECT of another shape.

    Args:
        folder: where to.
        options: of `dicom_files.write_nm`, beside ``SPECT_OPTIONS``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spect = blob((22, 24, 14), SPECT_AFFINE, TO_SPECT[:3, 3])
    p2p = blob((24, 26, 18), STUDY_AFFINE, np.zeros(3))
    raw = write_nm(folder / "raw.dcm", np.rint(spect), SPECT_AFFINE, **SPECT_OPTIONS | options)
    subject = Subject(folder, raw, p2p)
    about = {"Units": "mL/100 g/min", "Relative": False, "ModelFingerprints": FINGERPRINTS}
    write_image(subject.file("spect.nii.gz"), spect, SPECT_AFFINE)
    write_image(subject.file("desc-p2p.nii.gz"), p2p, STUDY_AFFINE, about)
    write_image(subject.file("desc-uncertainty.nii.gz"), p2p / 20, STUDY_AFFINE, about)
    itk.write_linear(subject.file("xfm.mat"), TO_SPECT)
    return subject


def blob(shape, affine, centre) -> np.ndarray:
    """Flow that no flip or turn leaves as it is: Gaussians of several widths and places."""
    i, j, k = np.indices(shape)
    x, y, z = np.tensordot(affine[:3, :3], [i, j, k], 1) + affine[:3, 3, None, None, None]
    flow = np.zeros(shape)
    for height, width, place in (
        (60, 22, (0, 0, 0)), (40, 9, (-18, 8, 4)), (25, 8, (6, 24, -6)), (20, 7, (5, -9, 14)),
    ):  # fmt: skip
        away = sum((a - b - c) ** 2 for a, b, c in zip((x, y, z), place, centre, strict=True))
        flow += height * np.exp(-away / (2 * width**2))
    return flow.astype(np.float32)


def export(subject: Subject, name: str = "", **changes) -> Path:
    """Export an image of a subject.

    Args:
        subject: the subject.
        name: of the file beside what the changes say; equal changes give one name.
        changes: arguments of `dicom_export.export_image` to differ from the usual.
    """
    kind = changes.get("kind", "p2p")
    words = [str(value) for value in changes.values() if isinstance(value, str)]
    output = subject.folder / f"{'_'.join(['export', kind, *words, name])}.dcm"
    arguments = {
        "image": subject.file(f"desc-{kind}.nii.gz"),
        "kind": kind,
        "output": output,
        "spect": subject.file("spect.nii.gz"),
        "transform": subject.file("xfm.mat"),
        "raw": subject.raw,
        "series": None,
        "subject": subject.label,
        "model": MODEL,
        "grid": "native",
        "identity": "source",
    }
    dicom_export.export_image(**arguments | changes)
    return output
