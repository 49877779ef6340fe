"""The subjects table: reading it, and finding what is wrong with single subjects."""

from pathlib import Path

import pytest

from cohort_settings import default_settings
from spect2pet import subjects
from spect2pet.errors import InputError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def load(table: Path, exclude=()) -> subjects.pd.DataFrame:
    return subjects.load({"subjects": str(table), "exclude": list(exclude)})


def test_paths_are_found_beside_the_table_and_further_columns_are_kept(tmp_path):
    touch(tmp_path, "a.nii", "b.nii", "c d.nii", "ü.nii")
    table = write(
        tmp_path / "subjects.tsv",
        "\ufeffparticipant_id\tspect\tpet\tage\tsplit\tspect_unit\tunit\n"
        "sub-01\ta.nii\tb.nii\t61\ttest\t\tmL/min/g\n\n"
        "02\tc d.nii\tü.nii\tn/a\t\tcounts\tmL/min/g\n",
    )
    loaded = load(table)
    assert list(loaded.index) == ["01", "02"]
    assert loaded.at["02", "spect"] == str(tmp_path / "c d.nii")
    assert loaded["split"].tolist() == ["test", None]
    assert loaded["age"].tolist() == ["61", None]
    assert loaded["spect_unit"].tolist() == ["mL/min/g", "counts"]
    assert loaded["pet_unit"].tolist() == ["mL/min/g", "mL/min/g"]
    assert loaded[["spect_problem", "pet_problem"]].isna().all(axis=None)


def test_only_simulated_subjects_have_truth_and_ceiling(tmp_path):
    touch(tmp_path, *"abcd")
    (tmp_path / "known").mkdir()
    touch(tmp_path / "known", "truth.json", "ceiling.nii.gz")
    rows = "subject\tspect\tpet\ttruth\tceiling\n1\ta\tb\tknown/truth.json\tknown/ceiling.nii.gz\n"
    loaded = load(write(tmp_path / "s.tsv", rows + "2\tc\td\tn/a\t\n"))
    assert loaded.at["1", "truth"] == str(tmp_path / "known" / "truth.json")
    assert loaded.at["1", "ceiling"] == str(tmp_path / "known" / "ceiling.nii.gz")
    assert loaded.at["2", "truth"] is None
    assert loaded.at["2", "ceiling"] is None
    plain = load(write(tmp_path / "p.tsv", "subject\tspect\tpet\n1\ta\tb\n"))
    assert plain[["truth", "ceiling"]].isna().all(axis=None)
    simulated = {"subjects": None, "exclude": [], "cohort": {**default_settings(), "subjects": 2}}
    assert subjects.load(simulated).at["002", "ceiling"].endswith("sub-002_desc-ceiling_map.nii.gz")


def test_what_is_wrong_with_one_subject_stands_with_that_subject(tmp_path):
    touch(tmp_path, *"abcdefghij")
    table = write(
        tmp_path / "subjects.csv",
        "subject,spect,pet\n01,a,b\n02,c,missing\n03,d,e\n04,d,f\n05,g,h\n05,i,j\n06,j,j\n07,a.nii,\n",
    )
    loaded = load(table)
    assert list(loaded.index) == ["01", "02", "03", "04", "05", "06", "07"]
    assert loaded.at["01", "spect_problem"] is None
    assert loaded.at["02", "spect_problem"] is None
    assert "missing: no such file" in loaded.at["02", "pet_problem"]
    assert "subject 04" in loaded.at["03", "spect_problem"]
    assert "subject 03" in loaded.at["04", "spect_problem"]
    assert loaded.at["04", "pet_problem"] is None
    assert "lines 6, 7" in loaded.at["05", "spect_problem"]
    assert loaded.at["05", "spect_problem"] == loaded.at["05", "pet_problem"]
    assert "subject 05" in loaded.at["06", "spect_problem"]
    assert "names no pet file" in loaded.at["07", "pet_problem"]


def test_one_file_as_spect_and_as_pet_is_a_problem_however_it_is_spelled(tmp_path):
    touch(tmp_path, "a")
    (tmp_path / "link").symlink_to("a")
    loaded = load(write(tmp_path / "s.tsv", "subject\tspect\tpet\n1\ta\tlink\n"))
    assert "as SPECT and as PET" in loaded.at["1", "spect_problem"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("subject\tspect\n1\ta\n", "column pet is missing"),
        ("subject\tspect\tpet\n", "has no subjects"),
        ("", "cannot be read as a table"),
        ("subject\tspect\tpet\na/b\tx\ty\n", "line 2: subject 'a/b' cannot name files"),
        ("subject\tspect\tpet\n1\tx\ty\n\n\tx\ty\n", "line 4: subject None"),
        ("subject\tspect\tpet\tsplit\n1\tx\ty\tdev\n", "split 'dev' is unknown"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        load(write(tmp_path / "s.tsv", text))


def test_excluded_subjects_take_no_part(tmp_path):
    touch(tmp_path, "a", "b")
    table = write(tmp_path / "s.tsv", "subject\tspect\tpet\n1\ta\tb\n2\tbad\tworse\n")
    assert list(load(table, ["sub-2"]).index) == ["1"]
    with pytest.raises(InputError, match="names subject 9"):
        load(table, ["9"])
    with pytest.raises(InputError, match="leaves no subject"):
        load(table, ["1", "2"])


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such subjects table"):
        load(tmp_path / "none.tsv")
    with pytest.raises(InputError, match=r"must end in \.tsv or \.csv"):
        load(tmp_path / "none.docx")
