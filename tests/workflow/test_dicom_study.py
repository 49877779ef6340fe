"""From a tree of DICOM to a finished study by two commands, with nobody's identity in it."""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset

from conftest import SMALL, Study
from dicom_files import write_nm, write_nm_series, write_pt

#: Planted in every text of every header; also in folder names.
SECRET = "PLANTED"
BIRTH_DATE = "19330707"
#: Texts that say what numbers mean; without them the images would be others.
STRUCTURE = {"CodeValue", "CodingSchemeDesignator"}
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
#: Patients in the tree, and which subject of the small cohort each is; the last has no PET.
PATIENTS = ["001", "002", "003", "004", "005", "006"]
ALONE = "006"


def plant(dataset: Dataset) -> None:
    """Put the secret into every text of a header, and add the texts that identify."""
    for element in list(dataset.iterall()):
        if element.VR in TEXTS and element.keyword not in STRUCTURE:
            texts = [element.value] if element.VM <= 1 else list(element.value)
            if element.keyword not in ("PatientID", "PatientName"):
                element.value = [f"{text} {SECRET}"[:60].strip() for text in texts]
    dataset.PatientBirthDate = BIRTH_DATE
    for keyword in (
        "AccessionNumber", "AdditionalPatientHistory", "DeviceSerialNumber", "ImageComments",
        "InstitutionAddress", "InstitutionName", "InstitutionalDepartmentName", "OperatorsName",
        "OtherPatientNames", "PatientAddress", "PatientComments", "PerformingPhysicianName",
        "ProtocolName", "ReferringPhysicianName", "RequestingPhysician", "StationName",
        "StudyDescription", "StudyID", "SoftwareVersions",
    ):  # fmt: skip
        setattr(dataset, keyword, f"{SECRET} {keyword}"[:16])
    block = dataset.private_block(0x0011, f"{SECRET} PRIVATE", create=True)
    block.add_new(1, "LO", f"{SECRET} private")


def scaled(path):
    """Voxels and affine of a NIfTI image, and the value of a step of 16 bits."""
    image = nib.load(path)
    data = np.asarray(image.dataobj)
    return data, image.affine, float(data.max()) / 32000


@pytest.fixture(scope="module")
def tree(small_study, tmp_path_factory):
    """A tree as a hospital exports it: two cameras, NM and PT, six patients in named folders."""
    folder = tmp_path_factory.mktemp("export")
    uids, made = set(), {}
    for number, label in enumerate(PATIENTS):
        who = {
            "patient_id": f"{SECRET}ID{number}",
            "patient_name": f"{SECRET}^Name{number}",
            "model": ["Symbia", "NM-670"][number % 2],
        }
        home = folder / f"{SECRET}^Name{number}"
        images = {
            m: small_study.file("results", "cohort", f"sub-{label}", m, f"sub-{label}_{m}.nii.gz")
            for m in ("spect", "pet")
        }
        data, affine, step = scaled(images["spect"])
        spect = {"series_description": "CBF IMP", "series_number": 3, "study_date": "20240310"}
        if number % 2:
            (home / "NM").mkdir(parents=True)
            mapping = (step, 0.0, "mL/(100.g.min)")
            write_nm(home / "NM" / "tomo.dcm", data, affine, mapping=mapping, **spect, **who)
        else:
            mapping = (step, 0.0, "mL/(100.g.min)")
            write_nm_series(home / "NM", data, affine, mapping=mapping, **spect, **who)
        if label != ALONE:
            pet, pet_affine, _ = scaled(images["pet"])
            about = {"series_description": "CBF H2O", "units": "MLMING", "study_date": "20240312"}
            write_pt(home / "PT", pet / 100, pet_affine, slope=None, **about, **who)
        if number == 0:  # a second study: SPECT again, two years later
            again = spect | {"study_date": "20260401"}
            write_nm(home / "later.dcm", data * 0.9, affine, mapping=mapping, **again, **who)
        made[label] = images
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            dataset = pydicom.dcmread(path)
            plant(dataset)
            uids |= {
                element.value
                for element in dataset.iterall()
                if element.keyword.endswith("InstanceUID")
            }
            dataset.save_as(path)
    return folder, made, uids


@pytest.fixture(scope="module")
def dicom_study(tree, tmp_path_factory):
    """The two commands of the documentation, given on the tree."""
    study = Study(tmp_path_factory.mktemp("dicom"), SMALL, "one.yaml")
    study.file("one.yaml").write_text("models: {richardson_lucy: null}\n")
    study.run("subjects_table", "--config", f"scan={tree[0]}")
    study.run("--config", "subjects=dataset/subjects.tsv")
    return study


def labels_of(study):
    """The label that each patient of the tree got, by the map that the user keeps."""
    table = pd.read_csv(study.file("dataset", "map.tsv"), sep="\t", dtype=str, comment="#")
    by_patient = table.set_index("patient_id")["subject"]
    return {label: by_patient.get(f"{SECRET}ID{n}") for n, label in enumerate(PATIENTS)}


def test_the_study_is_finished_with_every_patient_that_has_both(dicom_study):
    table = pd.read_csv(dicom_study.file("dataset", "subjects.tsv"), sep="\t", dtype=str)
    assert len(table) == len(PATIENTS) - 1
    assert table["scanner"].nunique() == 2
    assert dicom_study.plan("--config", "subjects=dataset/subjects.tsv") == {}
    methods = dicom_study.file("results", "evaluation", "methods.tsv").read_text()
    assert "test\tp2p" in methods


def test_what_is_doubtful_is_listed(dicom_study):
    labels = labels_of(dicom_study)
    table = pd.read_csv(dicom_study.file("dataset", "doubtful.tsv"), sep="\t", dtype=str)
    reasons = table.set_index("subject")["reason"]
    assert "no PET" in reasons[labels[ALONE]]
    assert "another visit is nearer" in reasons[labels["001"]]
    assert table["series_number"].dropna().tolist() == ["3"]


@pytest.mark.parametrize("modality", ["spect", "pet"])
def test_prepared_images_equal_those_that_the_dicom_was_made_from(dicom_study, tree, modality):
    labels = labels_of(dicom_study)
    for patient, images in tree[1].items():
        if patient == ALONE:
            continue
        label = labels[patient]
        path = dicom_study.file(
            "results", "prepared", f"sub-{label}", f"sub-{label}_{modality}.nii.gz"
        )
        ours = nib.load(path)
        theirs = nib.as_closest_canonical(nib.load(images[modality]))
        data = theirs.get_fdata()
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
        # Half a step of 16 bits, and what 32-bit arithmetic adds.
        np.testing.assert_allclose(
            ours.get_fdata(), data, atol=np.abs(data).max() / 32000 * 0.51 + 1e-4
        )


def files_of(study):
    """Every file that a study has made, but for the user's own dataset and the export."""
    for part in ("results", "logs", ".snakemake"):
        for path in study.file(part).rglob("*"):
            if path.is_file() and path.name != "README.md":
                yield path


def test_no_text_of_a_header_reaches_results_logs_or_names(dicom_study, tree):
    uids = {uid.encode() for uid in tree[2]}
    # Thousands of identifiers begin alike: a file without that beginning holds none of them.
    beginnings = {uid[:20] for uid in uids}
    assert len(beginnings) < 20
    words = [word.lower().encode() for word in (SECRET, BIRTH_DATE)]
    seen = 0
    for path in files_of(dicom_study):
        name = str(path.relative_to(dicom_study.folder))
        assert SECRET not in name
        content = path.read_bytes()
        # The scan folder that the user named stands in Snakemake's own record of that command.
        if name.startswith(".snakemake"):
            content = content.replace(str(tree[0]).encode(), b"")
        content = content.lower()
        found = words + [uid for start in beginnings if start in content for uid in uids]
        assert not any(word in content for word in found), name
        seen += 1
    assert seen > 100


def test_the_images_of_p2p_go_back_to_dicom_under_their_patients(dicom_study, tree):
    own = ("--config", "subjects=dataset/subjects.tsv")
    label = labels_of(dicom_study)["002"]
    target = f"export/dicom/p2p/sub-{label}/sub-{label}_desc-p2p.dcm"
    dicom_study.run(target, *own)
    made = pydicom.dcmread(dicom_study.file(*target.split("/")))
    source = pydicom.dcmread(next(tree[0].glob("*Name1/NM/*.dcm")), stop_before_pixels=True)
    assert made.PatientID == source.PatientID
    assert made.StudyInstanceUID == source.StudyInstanceUID
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID


def test_a_model_trained_elsewhere_makes_p2p_of_spect_alone(small_study, tmp_path):
    """One command from SPECT to P2P: no PET, no training."""
    study = Study(tmp_path, SMALL)
    shutil.copy(
        small_study.file("results", "models", "p2p", "fold-0", "p2p.safetensors"),
        tmp_path / "theirs.safetensors",
    )
    rows = ["subject\tspect"]
    for label in ("001", "002"):
        data, affine, _ = scaled(
            small_study.file(
                "results", "cohort", f"sub-{label}", "spect", f"sub-{label}_spect.nii.gz"
            )
        )
        # The second is three times as bright: another camera's unit, perhaps.
        factor = {"001": 1, "002": 2.2}[label]
        nib.save(nib.Nifti1Image(data * np.float32(factor), affine), tmp_path / f"{label}.nii.gz")
        rows.append(f"{label}\t{label}.nii.gz")
    (tmp_path / "spect.tsv").write_text("\n".join(rows) + "\n")
    own = ("--config", "subjects=spect.tsv", "model=theirs.safetensors")
    plan = study.plan(*own)
    assert set(plan) == {
        "prepare_spect",
        "place_spect",
        "infer_ensemble",
        "tabulate_inference",
        "build_report",
        "describe_study",
        "all",
    }
    study.run(*own)
    table = pd.read_csv(
        study.file("results", "synthetic", "theirs", "inference.tsv"),
        sep="\t",
        dtype={"subject": str},
    ).set_index("subject")
    assert table.at["001", "outside"] == 0
    assert "mean flow" in table.at["002", "warning"]
    # The same SPECT through the same networks, on a grid around another brain outline: as bright.
    ours = nib.load(
        study.file(
            "results", "synthetic", "theirs", "sub-001", "sub-001_space-study_desc-p2p_spect.nii.gz"
        )
    )
    theirs = nib.load(
        small_study.file(
            "results", "synthetic", "p2p", "sub-001", "sub-001_space-study_desc-p2p_spect.nii.gz"
        )
    )
    first, second = ours.get_fdata(), theirs.get_fdata()
    assert first[first > 20].mean() == pytest.approx(second[second > 20].mean(), rel=0.05)


def test_a_given_model_is_tested_on_everyone_who_has_a_pet(small_study, study):
    model = small_study.file("results", "models", "p2p", "fold-0", "p2p.safetensors")
    shutil.copy(model, study.folder / "theirs.safetensors")
    study.configfiles = [SMALL]
    plan = study.plan("--config", "model=theirs.safetensors")
    assert "train_gan" not in plan
    assert "pack_slices" not in plan
    assert plan["infer_ensemble"] == plan["register_subject"] == 8
    assert plan["summarise_study"] == 1
    study.run("results/split/split.tsv", "--config", "model=theirs.safetensors")
    rows = study.file("results", "split", "split.tsv").read_text().splitlines()[1:]
    assert all("\ttest\t" in row for row in rows)
