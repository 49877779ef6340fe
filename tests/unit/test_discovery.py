"""A subjects table proposed from a folder of scans: pairs, doubts, and nobody's name."""

import json
import stat
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dicom_files import write_nm, write_pt
from spect2pet.core.errors import InputError
from spect2pet.subjects import discovery, subjects

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
DATA = np.random.default_rng(1).uniform(1, 60, (8, 9, 12))
RAW = {"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}


def nm(path: Path, who: str, day: str, **options) -> Path:
    """One reconstructed SPECT of somebody."""
    # Another value in one voxel: no two scans are copies of one another.
    data = DATA.copy()
    data[0, 0, 0] = len(str(path)) + sum(map(ord, str(path)))
    return write_nm(
        path, data, AFFINE, **{"patient_id": who, "study_date": day, "seed": str(path), **options}
    )


def pt(folder: Path, who: str, day: str, slices: int = 12, **options) -> Path:
    """One PET series of somebody."""
    data = DATA[:, :, :slices] + sum(map(ord, str(folder))) % 97
    return write_pt(
        folder,
        data,
        AFFINE,
        **{"patient_id": who, "study_date": day, "seed": str(folder), **options},
    )


def read(path: Path, **options) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, **options)


class Dataset:
    """What a proposal wrote."""

    def __init__(self, folder: Path, summary: str):
        self.folder, self.summary = folder, summary
        self.table = read(folder / "subjects.tsv").set_index("subject", drop=False)
        self.map = read(folder / "map.tsv", comment="#").set_index("subject")
        self.doubtful = read(folder / "doubtful.tsv")

    def reasons(self, label: str) -> list[str]:
        return self.doubtful.loc[self.doubtful["subject"] == label, "reason"].tolist()

    def sources(self, link: str) -> set[Path]:
        return {path.resolve() for path in (self.folder / link).iterdir()}


def propose(scans: Path, **options) -> Dataset:
    folder = scans.parent / "dataset"
    folder.mkdir()
    return Dataset(folder, discovery.propose(str(scans), folder, **options))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> Dataset:
    """Six patients, two scanners; their names are in folders, files and headers."""
    scans = tmp_path_factory.mktemp("clinic") / "scans"
    for i, name in enumerate(["Adams", "Brown", "Clark", "Davis", "Evans", "Frank"], 1):
        who, home = f"HOSP-{i}77", scans / f"{name}^Test_HOSP-{i}77"
        options = {"patient_name": f"{name}^Test", "model": f"Camera {1 + i % 2}"}
        nm(home / "mixed" / f"{name}.dcm", who, "20210310", **options)
        nm(home / "mixed" / "raw.dcm", who, "20210310", attributes=RAW, **options)
        if name != "Frank":
            # In the same folder as the SPECT, and a CT beside it.
            pt(home / "mixed", who, f"202103{10 + i}", prefix=name, **options)
            pt(home / "ct", who, "20210310", attributes={"Modality": "CT"}, **options)
        if name == "Brown":
            nm(home / "later" / "b.dcm", who, "20220110", **options)
            pt(home / "later" / "pet", who, "20220125", **options)
    (scans / "notes.txt").write_text("Adams came late")
    (scans / "Evans.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    return propose(scans)


def test_every_patient_with_spect_and_pet_is_proposed(clinic):
    assert clinic.table["subject"].tolist() == ["001", "002", "003", "004", "005"]
    assert clinic.table["spect"].tolist() == [f"sub-00{i}/spect" for i in range(1, 6)]
    assert clinic.table["pet"].tolist() == [f"sub-00{i}/pet" for i in range(1, 6)]
    # Odd patients were scanned by camera 2, even ones by camera 1.
    assert clinic.table["scanner"].tolist() == ["B", "A", "B", "A", "B"]
    # Brown's second SPECT and PET, Frank without PET, and the damaged file.
    assert clinic.summary == "6 patients, 5 pairs, 4 doubtful"


def test_links_lead_to_exactly_the_files_of_the_chosen_series(clinic):
    home = clinic.folder.parent / "scans" / "Clark^Test_HOSP-377" / "mixed"
    assert clinic.sources("sub-003/spect") == {home / "Clark.dcm"}
    assert clinic.sources("sub-003/pet") == set(home.glob("Clark0*.dcm"))
    names = sorted(path.name for path in (clinic.folder / "sub-003" / "pet").iterdir())
    assert names == [f"{k:04d}.dcm" for k in range(1, 13)]


def test_the_workflow_reads_the_proposed_table_without_problems(clinic):
    loaded = subjects.load({"subjects": str(clinic.folder / "subjects.tsv"), "exclude": []})
    assert loaded[["spect_problem", "pet_problem"]].isna().all(axis=None)


def test_nobody_is_named_in_table_or_links(clinic):
    seen = (clinic.folder / "subjects.tsv").read_text() + " ".join(
        str(path.relative_to(clinic.folder)) for path in clinic.folder.rglob("*")
    )
    for word in ("Adams", "Brown", "Clark", "Davis", "Evans", "Frank", "HOSP", "2021", "Camera"):
        assert word not in seen


def test_the_map_links_labels_to_people_for_its_owner_alone(clinic):
    assert clinic.map.at["004", "patient_name"] == "Davis^Test"
    assert clinic.map.at["004", "patient_id"] == "HOSP-477"
    assert clinic.map.at["004", "study_dates"] == "2021-03-10; 2021-03-14"
    assert clinic.map.at["004", "scanner_model"] == "Example Makers Camera 1"
    assert "Davis^Test_HOSP-477" in clinic.map.at["004", "folders"]
    assert len(clinic.map) == 6
    assert "keep it to yourself" in (clinic.folder / "map.tsv").read_text().splitlines()[0]
    for name in ("map.tsv", "doubtful.tsv"):
        assert stat.S_IMODE((clinic.folder / name).stat().st_mode) == 0o600


def test_of_two_pairs_the_nearer_is_taken_and_the_other_listed(clinic):
    home = clinic.folder.parent / "scans" / "Brown^Test_HOSP-277"
    assert clinic.sources("sub-002/spect") == {home / "mixed" / "Brown.dcm"}
    rows = clinic.doubtful[clinic.doubtful["subject"] == "002"]
    assert rows["date"].tolist() == ["2022-01-10", "2022-01-25"]
    assert rows["link"].tolist() == ["sub-002/spect-1", "sub-002/pet-1"]
    assert rows["reason"].str.contains("another visit is nearer").all()
    assert clinic.sources("sub-002/spect-1") == {home / "later" / "b.dcm"}


def test_a_patient_without_pet_is_left_out_and_a_damaged_file_listed(clinic):
    assert clinic.reasons("006") == ["no PET was found"]
    damaged = clinic.doubtful[clinic.doubtful["subject"] == ""]
    assert damaged["link"].tolist() == [str(clinic.folder.parent / "scans" / "Evans.dcm")]


def test_the_same_folder_gives_the_same_proposal(tmp_path, clinic):
    again = tmp_path / "again"
    discovery.propose(str(clinic.folder.parent / "scans"), again)
    for name in ("subjects.tsv", "map.tsv", "doubtful.tsv"):
        assert (again / name).read_bytes() == (clinic.folder / name).read_bytes()


# --- What is doubtful ----------------------------------------------------------


def test_without_pet_somebody_is_proposed_where_a_model_needs_none(tmp_path):
    nm(tmp_path / "scans" / "a.dcm", "1", "20210101")
    found = propose(tmp_path / "scans", needs_pet=False)
    assert found.table.loc["001", ["spect", "pet"]].tolist() == ["sub-001/spect", ""]
    assert found.reasons("001") == ["no PET was found"]
    table = str(found.folder / "subjects.tsv")
    loaded = subjects.load({"subjects": table, "exclude": [], "model": "m.safetensors"})
    assert loaded.at["001", "pet"] is None
    assert loaded[["spect_problem", "pet_problem"]].isna().all(axis=None)


def test_a_pet_alone_is_of_no_use(tmp_path):
    pt(tmp_path / "scans", "1", "20210101")
    found = propose(tmp_path / "scans", needs_pet=False)
    assert found.table.empty
    assert found.reasons("001") == ["no SPECT was found"]


def test_several_spect_series_of_one_visit_are_left_to_the_user(tmp_path):
    for number, text in enumerate(["Brain AC", "Brain NAC"], 3):
        path = tmp_path / "scans" / f"{number}.dcm"
        nm(path, "1", "20210101", series_number=number, series_description=text)
    pt(tmp_path / "scans", "1", "20210102")
    found = propose(tmp_path / "scans")
    assert found.table.empty
    rows = found.doubtful
    assert rows["reason"].tolist() == ["one of 2 SPECT series"] * 2
    assert rows["series_number"].tolist() == ["3", "4"]
    assert rows["series_description"].tolist() == ["Brain AC", "Brain NAC"]
    assert rows["shape"].tolist() == ["8 × 9 × 12"] * 2
    # The user does what the table says, with nothing but words of the table.
    assert "put sub-001/spect-2 into the column spect" in rows.at[1, "what_to_do"]
    chosen = "subject\tspect\tpet\n001\tsub-001/spect-2\tsub-001/pet\n"
    (found.folder / "subjects.tsv").write_text(chosen)
    loaded = subjects.load({"subjects": str(found.folder / "subjects.tsv"), "exclude": []})
    assert loaded[["spect_problem", "pet_problem"]].isna().all(axis=None)
    assert found.sources("sub-001/spect-2") == {tmp_path / "scans" / "4.dcm"}


@pytest.mark.parametrize(
    ("series", "chosen"),
    [
        ([("a", "BQML"), ("b", "MLMING")], "b"),
        ([("a", "BQML"), ("CBF map", "CNTS"), ("c", "BQML")], "CBF map"),
        ([("CMRO2", "MLMING"), ("CBF", "MLMING")], "CBF"),
        ([("a", "BQML"), ("b", "BQML")], None),
        ([("a", "MLMING"), ("b", "MLMING")], None),
        ([("CBF raw", "BQML"), ("b", "MLMING")], None),
    ],
)
def test_the_one_pet_that_is_a_cbf_map_goes_before_others(tmp_path, series, chosen):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210101")
    for number, (text, units) in enumerate(series):
        folder = tmp_path / "scans" / f"p{number}"
        pt(folder, "1", "20210101", units=units, series_description=text, series_number=number)
    found = propose(tmp_path / "scans")
    listed = found.doubtful["series_description"].tolist()
    if chosen is None:
        assert found.table.empty
        assert sorted(listed) == sorted(text for text, _ in series)
        return
    number = [text for text, _ in series].index(chosen)
    assert found.sources("sub-001/pet") == set((tmp_path / "scans" / f"p{number}").iterdir())
    assert listed == [text for text, _ in series if text != chosen]
    assert found.doubtful["reason"].str.contains("not chosen").all()


def test_a_real_world_value_in_a_unit_of_flow_makes_a_cbf_map(tmp_path):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210101")
    pt(tmp_path / "scans" / "a", "1", "20210101", units="BQML", series_description="a")
    mapping = (0.01, 0.0, "mL/(100.g.min)")
    pt(
        tmp_path / "scans" / "b",
        "1",
        "20210101",
        units=None,
        series_description="b",
        mapping=mapping,
    )
    found = propose(tmp_path / "scans")
    assert found.sources("sub-001/pet") == set((tmp_path / "scans" / "b").iterdir())


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
@pytest.mark.parametrize(
    ("spect_day", "pet_day", "taken", "reason"),
    [
        ("20210101", "20210401", True, None),  # 90 days
        ("20210101", "20210402", False, "SPECT and PET are 91 days apart"),
        ("20210402", "20210101", False, "SPECT and PET are 91 days apart"),
        ("", "20210101", True, "the date of SPECT or PET is missing"),
        ("20211341", "20210101", True, "the date of SPECT or PET is missing"),
    ],
)
def test_gaps_and_missing_dates_are_listed(tmp_path, spect_day, pet_day, taken, reason):
    nm(tmp_path / "scans" / "s.dcm", "1", spect_day)
    pt(tmp_path / "scans" / "p", "1", pet_day)
    found = propose(tmp_path / "scans")
    assert len(found.table) == taken
    reasons = found.reasons("001")
    assert len(reasons) == (reason is not None)
    assert reason is None or reason in reasons[0]
    assert (found.folder / "sub-001" / "spect" / "0001.dcm").exists()


def test_equally_near_pairs_are_left_to_the_user(tmp_path):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210105")
    pt(tmp_path / "scans" / "p1", "1", "20210101")
    pt(tmp_path / "scans" / "p2", "1", "20210109")
    found = propose(tmp_path / "scans")
    assert found.table.empty
    assert len(found.doubtful) == 3
    assert found.doubtful["reason"].str.contains("one of 2 pairings").all()


def test_a_pair_of_unknown_date_may_be_the_nearer_one(tmp_path):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210105")
    pt(tmp_path / "scans" / "p1", "1", "20210107")
    pt(tmp_path / "scans" / "p2", "1", "")
    assert propose(tmp_path / "scans").table.empty


def test_studies_without_a_patient_id_are_never_matched_with_each_other(tmp_path):
    for name in ("ab", "cd"):
        nm(
            tmp_path / "scans" / f"{name}.dcm",
            "",
            f"2021010{len(name)}",
            study_uid=f"1.2.{ord(name[0])}",
        )
        pt(tmp_path / "scans" / name, "", "20210101", study_uid=f"1.2.{ord(name[0])}")
    nm(tmp_path / "scans" / "alone.dcm", "", "20210101", study_uid="1.2.3")
    found = propose(tmp_path / "scans")
    assert len(found.table) == 2
    assert len(found.map) == 3
    for label in found.map.index:
        assert any("no Patient ID" in reason for reason in found.reasons(label))


def test_different_names_of_one_id_are_listed(tmp_path):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210101", patient_name="SMITH^JOHN")
    pt(tmp_path / "scans" / "p", "1", "20210101", patient_name="Smith^John=山田")
    nm(tmp_path / "scans" / "s2.dcm", "2", "20210101", patient_name="Smith^John")
    pt(tmp_path / "scans" / "p2", "2", "20210101", patient_name="Smith^Jane")
    found = propose(tmp_path / "scans")
    assert found.reasons("001") == []
    assert found.reasons("002") == ["one Patient ID, but different names"]


def test_raw_projections_and_dynamic_series_are_listed_where_nothing_else_is(tmp_path):
    scans = tmp_path / "scans"
    nm(scans / "raw.dcm", "1", "20210101", attributes=RAW)
    pt(scans / "dynamic", "1", "20210101", attributes={"SeriesType": ["DYNAMIC", "IMAGE"]})
    nm(scans / "s.dcm", "2", "20210101")
    nm(scans / "raw2.dcm", "2", "20210101", attributes=RAW)
    pt(scans / "p", "2", "20210101")
    pt(scans / "scout", "2", "20210101", slices=3, series_description="CBF scout")
    static = {"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]}
    nm(scans / "static.dcm", "2", "20210101", attributes=static)
    found = propose(scans)
    assert found.table["subject"].tolist() == ["002"]
    reasons = " ".join(found.reasons("001"))
    assert "raw projections" in reasons
    assert "dynamic series" in reasons
    assert found.reasons("002") == []


def test_headers_that_are_no_images_are_listed_not_raised(tmp_path):
    nifti(tmp_path / "scans" / "sub-1" / "spect" / "sub-1_spect.nii")
    good = (tmp_path / "scans" / "sub-1" / "spect" / "sub-1_spect.nii").read_bytes()
    for i in range(0, 348, 4):
        broken = tmp_path / "scans" / f"sub-b{i}" / "pet" / "p_pet.nii"
        broken.parent.mkdir(parents=True)
        broken.write_bytes(good[:i] + b"\xff\x7f\xff\xff" + good[i + 4 :])
    assert "1" in propose(tmp_path / "scans", needs_pet=False).table.index


def test_a_series_that_was_exported_twice_is_one(tmp_path):
    scans = tmp_path / "scans"
    for copy in ("first", "second"):
        nm(scans / copy / "s.dcm", "1", "20210101", seed="same")
        pt(scans / copy / "p", "1", "20210101", seed="same", mapping=(0.01, 0.0, "ml/min/g"))
    for path in (scans / "first").rglob("*.dcm"):
        (scans / "second" / path.relative_to(scans / "first")).write_bytes(path.read_bytes())
    found = propose(scans)
    assert len(found.table) == 1
    assert found.doubtful.empty
    assert len(found.sources("sub-001/pet")) == 12


# --- BIDS ------------------------------------------------------------------------


def nifti(path: Path, shape=(12, 12, 12), **sidecar) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones(shape, np.float32), AFFINE), path)
    if sidecar:
        name = path.name.removesuffix(".gz").removesuffix(".nii") + ".json"
        path.with_name(name).write_text(json.dumps(sidecar))


def test_a_bids_dataset_keeps_its_labels_units_and_groups(tmp_path):
    bids = tmp_path / "bids"
    for label, model in (("07", "Second"), ("x1", "First")):
        home = bids / f"sub-{label}"
        nifti(
            home / "spect" / f"sub-{label}_spect.nii.gz",
            ManufacturersModelName=model,
            Units="counts",
        )
        nifti(home / "pet" / f"sub-{label}_pet.nii.gz", Units="mL/min/g")
        nifti(home / "pet" / f"sub-{label}_mask.nii.gz")
        nifti(home / "anat" / f"sub-{label}_T1w.nii.gz")
        nifti(home / "perf" / f"sub-{label}_asl.nii.gz")
        nifti(bids / "derivatives" / "x" / f"sub-{label}" / "pet" / f"sub-{label}_pet.nii.gz")
    pt(bids / "sourcedata" / "Adams", "1", "20210101")
    (bids / "dataset_description.json").write_text("{}")
    (bids / "participants.tsv").write_text(
        "participant_id\tage\tgroup\nsub-07\t60\tcontrol\nsub-x1\t70\tn/a\nsub-99\t1\tcontrol\n"
    )
    found = propose(bids)
    assert found.table["subject"].tolist() == ["07", "x1"]
    assert found.table["spect"].tolist() == ["sub-07/spect.nii.gz", "sub-x1/spect.nii.gz"]
    assert found.table["scanner"].tolist() == ["B", "A"]
    assert found.table["group"].tolist() == ["control", ""]
    assert "age" not in found.table
    sidecar = json.loads((found.folder / "sub-07" / "spect.json").read_text())
    assert sidecar["Units"] == "counts"
    assert found.reasons("99") == ["is in participants.tsv, but has neither SPECT nor PET"]
    assert found.summary == "2 patients, 2 pairs, 1 doubtful"


def test_sessions_of_a_bids_dataset_are_paired_by_name_or_date(tmp_path):
    bids = tmp_path / "bids"
    for label in ("1", "2", "3"):
        home = bids / f"sub-{label}"
        nifti(home / "ses-a" / "nm" / f"sub-{label}_ses-a_nm.nii")
        nifti(home / "ses-b" / "pet" / f"sub-{label}_ses-b_pet.nii")
        nifti(home / "ses-c" / "pet" / f"sub-{label}_ses-c_pet.nii")
    # Subject 1 has both in one session; of subject 2 the days are known; of 3 nothing.
    nifti(bids / "sub-1" / "ses-a" / "pet" / "sub-1_ses-a_pet.nii")
    for session, name, day in (
        ("a", "nm/sub-2_ses-a_nm.nii", "2021-01-01T08:00:00"),
        ("b", "pet/sub-2_ses-b_pet.nii", "2020-06-01T08:00:00"),
        ("c", "pet/sub-2_ses-c_pet.nii", "2021-02-01"),
    ):
        folder = bids / "sub-2" / f"ses-{session}"
        (folder / f"sub-2_ses-{session}_scans.tsv").write_text(
            f"filename\tacq_time\n{name}\t{day}\n"
        )
    found = propose(bids)
    assert found.table["subject"].tolist() == ["1", "2"]
    targets = [(found.folder / pet).resolve().name for pet in found.table["pet"]]
    assert targets == ["sub-1_ses-a_pet.nii", "sub-2_ses-c_pet.nii"]
    assert len(found.reasons("3")) == 3


def test_images_of_several_volumes_without_label_or_damaged_are_listed(tmp_path):
    bids = tmp_path / "bids"
    nifti(bids / "sub-1" / "pet" / "sub-1_pet.nii", shape=(12, 12, 12, 5))
    nifti(bids / "sub-1" / "spect" / "sub-1_spect.nii")
    nifti(bids / "smith" / "spect.nii")
    (bids / "sub-2_spect.nii.gz").write_bytes(b"no image")
    found = propose(bids)
    assert found.table.empty
    assert "has 5 volumes" in found.reasons("1")[0]
    assert len(found.doubtful[found.doubtful["subject"] == ""]) == 2


def test_new_labels_avoid_those_of_bids(tmp_path):
    nifti(tmp_path / "scans" / "sub-001" / "spect" / "sub-001_spect.nii")
    nifti(tmp_path / "scans" / "sub-001" / "pet" / "sub-001_pet.nii")
    nm(tmp_path / "scans" / "d" / "s.dcm", "1", "20210101")
    pt(tmp_path / "scans" / "d", "1", "20210101")
    found = propose(tmp_path / "scans")
    assert found.table["spect"].tolist() == ["sub-001/spect.nii", "sub-002/spect"]


# --- What cannot be proposed -------------------------------------------------------


@pytest.mark.parametrize(
    ("scan", "sentence"),
    [
        (None, "no folder of scans is named"),
        ("", "no folder of scans is named"),
        ("gone", "there is no such folder"),
        ("x" * 5000, "there is no such folder"),
        ("~nobody?", "there is no such folder"),
        ("file", "there is no such folder"),
        ("empty", "holds no SPECT or PET"),
    ],
)
def test_a_folder_without_scans_is_one_sentence(tmp_path, monkeypatch, scan, sentence):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("empty").mkdir()
    Path("empty", "loop").symlink_to(".")
    with pytest.raises(InputError, match=sentence):
        discovery.propose(scan, "dataset")
    assert not Path("dataset").exists()


def test_a_proposal_that_is_there_is_never_overwritten(tmp_path):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210101")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "subjects.tsv").write_text("mine")
    with pytest.raises(InputError, match="holds a proposal already"):
        discovery.propose(str(tmp_path / "scans"), tmp_path / "dataset")
    assert (tmp_path / "dataset" / "subjects.tsv").read_text() == "mine"


def test_nothing_is_left_where_links_cannot_be_made(tmp_path, monkeypatch):
    nm(tmp_path / "scans" / "s.dcm", "1", "20210101")

    def refuse(self, target):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Operation not permitted\)"):
        discovery.propose(str(tmp_path / "scans"), tmp_path / "dataset")
    assert not list((tmp_path / "dataset").iterdir())


def test_a_log_counts_and_names_nobody(tmp_path, caplog):
    nm(tmp_path / "scans" / "Adams" / "s.dcm", "ID-77", "20210101", patient_name="Adams")
    with caplog.at_level("INFO"):
        discovery.propose(str(tmp_path / "scans"), tmp_path / "dataset")
    assert caplog.messages == ["1 patients, 0 pairs, 1 doubtful"]
