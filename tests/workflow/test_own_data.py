"""A table that points at NIfTI files: a study without truth, and three broken subjects."""

import gzip
import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from conftest import SMALL, Study

#: One model is enough here.
OWN = "subjects: my scans/subjects.tsv\nmodels: {richardson_lucy: null}\n"


@pytest.fixture
def own_study(small_study, tmp_path):
    """Raw scans of six of the small cohort as somebody's own files, in other units and
    orientations."""
    study = Study(tmp_path, SMALL, "own.yaml")
    scans = tmp_path / "my scans"
    scans.mkdir()
    rows = ["subject\tspect\tpet\tspect_unit\tage"]
    source = small_study.file("results", "cohort")
    for i, folder in enumerate(sorted(source.glob("sub-*"))[:6]):
        label = folder.name.removeprefix("sub-")
        spect = nib.load(folder / "spect" / f"sub-{label}_spect.nii.gz")
        # Not slicer[::-1], which leaves the origin at the voxel that is now the last.
        flipped = spect.as_reoriented([[0, -1], [1, 1], [2, 1]])
        unit = ("mL/100g/min", "mL/min/g")[i % 2]
        factor = {"mL/100g/min": 1, "mL/min/g": 0.01}[unit]
        data = np.asarray(flipped.dataobj) * factor
        nib.save(nib.Nifti1Image(data.astype(np.float32), flipped.affine), scans / f"{label} s.nii")
        shutil.copy(folder / "pet" / f"sub-{label}_pet.nii.gz", scans / f"{label}_pet.nii.gz")
        rows.append(f"{label}\t{label} s.nii\t{label}_pet.nii.gz\t{unit}\t{60 + i}")
    (scans / "subjects.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "own.yaml").write_text(OWN)
    return study


def test_a_study_from_nifti_files_alone(own_study, small_study):
    own_study.run()
    results = own_study.file("results")
    assert not (results / "cohort").exists()
    summary = json.loads((results / "evaluation" / "p2p" / "summary.json").read_text())
    assert summary
    for check in results.glob("registered/*/*_desc-check_registration.json"):
        assert json.loads(check.read_text())["target_registration_error_mm"] is None
    # The same scans, however stored, give the same prepared images.
    for ours in results.glob("prepared/*/*_spect.nii.gz"):
        theirs = small_study.file("results", *ours.parts[-3:])
        first, second = nib.load(ours), nib.load(theirs)
        np.testing.assert_allclose(first.affine, second.affine, atol=1e-4)
        np.testing.assert_allclose(first.get_fdata(), second.get_fdata(), rtol=1e-5, atol=1e-4)


def test_three_broken_subjects_are_named_and_the_others_finished(own_study):
    scans = own_study.file("my scans")
    table = pd.read_csv(scans / "subjects.tsv", sep="\t", dtype=str)
    table["split"] = None
    broken = table["subject"].tolist()[:3]
    # The sets are given, so that they do not move when the broken are left out.
    table["split"] = ["train", "validation", "test"] * 2
    table.to_csv(scans / "subjects.tsv", sep="\t", index=False)
    # One file missing, one cut short, one with NaN.
    (scans / f"{broken[0]}_pet.nii.gz").unlink()
    whole = gzip.compress((scans / f"{broken[1]} s.nii").read_bytes())
    (scans / f"{broken[1]} s.nii").unlink()
    (scans / f"{broken[1]} s.nii.gz").write_bytes(whole[: len(whole) // 2])
    text = (scans / "subjects.tsv").read_text()
    text = text.replace(f"{broken[1]} s.nii\t", f"{broken[1]} s.nii.gz\t")
    (scans / "subjects.tsv").write_text(text)
    image = nib.load(scans / f"{broken[2]} s.nii")
    data = np.asarray(image.dataobj).copy()
    data[5, 5, 5] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), scans / f"{broken[2]} s.nii")

    done = own_study.snakemake("--keep-going", "registration")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    for label, reason in zip(
        broken, ["no such file", "cannot be read as NIfTI", "NaN or infinite"], strict=True
    ):
        sentences = {line for line in output.splitlines() if f"ERROR: subject {label}" in line}
        assert len(sentences) == 1, output[-3000:]
        assert reason in sentences.pop()
    registered = own_study.file("results", "registered")
    finished = {path.name for path in registered.glob("sub-*") if list(path.glob("*_dseg.nii.gz"))}
    assert finished == {f"sub-{label}" for label in table["subject"][3:]}
    for label in broken:
        assert not list(own_study.file("results", "prepared").glob(f"sub-{label}/*"))

    # Left out by name, the study goes on with the others, from where they are.
    own_study.file("own.yaml").write_text(f"{OWN}exclude: {json.dumps(broken)}\n")
    plan = own_study.plan()
    assert "register_subject" not in plan
    assert plan["train_gan"] == 2
