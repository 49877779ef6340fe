"""The subjects table: reading it, and finding what is wrong with single subjects."""

import os
import warnings
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cohort_settings import default_settings
from spect2pet.core.errors import InputError
from spect2pet.subjects import subjects


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def load(table: Path, exclude=(), model=None) -> subjects.pd.DataFrame:
    return subjects.load({"subjects": str(table), "exclude": list(exclude), "model": model})


def write_sheet(path: Path, rows: list[list], formats: dict[str, str] | None = None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, number_format in (formats or {}).items():
        book.active[cell].number_format = number_format
    book.save(path)
    return path


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
        ("", "the table is empty"),
        ("subject\tspect\tpet\na/b\tx\ty\n", "line 2: subject 'a/b' cannot name files"),
        ("subject\tspect\tpet\n1\tx\ty\n\n\tx\ty\n", "line 4: the subject's label is missing"),
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
    with pytest.raises(InputError, match=r"must end in \.tsv, \.csv or \.xlsx"):
        load(tmp_path / "none.docx")


# --- Formats -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoding", "text"),
    [
        ("s.tsv", "utf-8", "subject\tspect\tpet\tage\nb1\tä b.nii\tc.nii\t6,5\n"),
        ("S.TSV", "utf-16", "subject\tspect\tpet\tage\r\nb1\tä b.nii\tc.nii\t6,5\r\n"),
        ("s.csv", "utf-8", 'subject,spect,pet,age\nb1,ä b.nii,c.nii,"6,5"\n'),
        ("s.csv", "utf-8-sig", 'subject,spect,pet,age\r\nb1,ä b.nii,c.nii,"6,5"\r\n'),
        ("s.csv", "utf-8-sig", "subject;spect;pet;age\r\nb1;ä b.nii;c.nii;6,5\r\n"),
        ("s.csv", "utf-16", "\n\nsubject;spect;pet;age\n b1 ; ä b.nii;c.nii;6,5;;\n;;;\n"),
        ("s.csv", "utf-8", "subject;spect;pet;age\rb1;ä b.nii;c.nii;6,5\r"),
    ],
)
def test_one_table_however_it_is_saved(tmp_path, name, encoding, text):
    touch(tmp_path, "ä b.nii", "c.nii")
    (tmp_path / name).write_bytes(text.encode(encoding))
    loaded = load(tmp_path / name)
    row = loaded.loc["b1"]
    assert list(loaded.index) == ["b1"]
    assert [row["spect"], row["pet"]] == [str(tmp_path / n) for n in ("ä b.nii", "c.nii")]
    assert row["age"] == "6,5"
    assert row[["spect_problem", "pet_problem"]].isna().all()


def test_labels_of_an_excel_sheet_are_what_it_shows(tmp_path):
    rows = [["subject", "spect", "pet"], ["007", "a", "b"], [8, "c", "d"], [9.0, "e", "f"]]
    table = write_sheet(tmp_path / "s.xlsx", [*rows, [10, "g", "h"], [None, None]], {"A5": "0000"})
    assert list(load(table).index) == ["007", "8", "9", "0010"]


def test_blank_rows_of_an_excel_sheet_do_not_shift_the_lines_of_messages(tmp_path):
    rows = [[], ["subject", "spect", "pet"], [1, "a", "b"], [], ["x/y", "a", "b"]]
    with pytest.raises(InputError, match="line 5: subject 'x/y'"):
        load(write_sheet(tmp_path / "s.xlsx", rows))


@pytest.mark.parametrize("label", [7.5, True, "7.0"])
def test_a_cell_that_is_no_label_is_not_made_one(tmp_path, label):
    table = write_sheet(tmp_path / "s.xlsx", [["subject", "spect", "pet"], [label, "a", "b"]])
    if label is True:
        assert list(load(table).index) == ["True"]
    else:
        with pytest.raises(InputError, match="line 2: subject"):
            load(table)


def test_the_first_sheet_of_several_counts(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["subject", "spect", "pet"])
    book.active.append(["1", "a", "b"])
    book.create_sheet("notes").append(["subject", "spect"])
    book.save(tmp_path / "s.xlsx")
    assert list(load(tmp_path / "s.xlsx").index) == ["1"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" * 200, "cut"])
def test_a_damaged_excel_file_is_one_sentence(tmp_path, damage):
    whole = write_sheet(tmp_path / "s.xlsx", [["subject", "spect", "pet"], [1, "a", "b"]])
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2] if damage == "cut" else damage)
    with pytest.raises(InputError, match="cannot be read as an Excel sheet"):
        load(whole)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.sampled_from([".tsv", ".csv", ".xlsx"]), st.booleans())
def test_any_bytes_are_a_table_or_one_sentence(tmp_path, content, suffix, headed):
    path = tmp_path / f"t{suffix}"
    header = b"subject\tspect\tpet\n" if suffix == ".tsv" else b"subject,spect,pet\n"
    path.write_bytes(header * headed + content)
    with warnings.catch_warnings(action="error"):
        try:
            assert len(load(path)) > 0
        except InputError as error:
            assert str(path) in str(error)


# --- Tables that are no tables -----------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("subject,spect,pet,pet\n1,a,b,c\n", "column pet is there more than once"),
        ("subject,participant_id,spect,pet\n1,1,a,b\n", "column subject is there more than once"),
        ("subject,spect,,pet\n1,a,x,b\n", "column 3 has no name"),
        ("subject,spect,pet\n1,a,b,c\n", "line 2: has more cells than the 3 columns"),
        ('subject,spect,pet\n"1\n",a,b\n2,a,b,c\n', "line 4: has more cells"),
        ('subject,spect,pet\n1,a,b\n2,"a,b\n3,a,b\n', "line 3: cannot be read as a table"),
        ("subject,spect,pet\n1,a\0,b\n", "holds NUL bytes"),
        ("\n\n", "the table is empty"),
        ("subject,spect,pet\n,,\n\n", "has no subjects"),
        ("subject;spect;pet\n1,a,b\n", "line 2: subject '1,a,b' cannot name files"),
        ("subject,spect,pet\nA1,a,b\n2,a,b\na1,a,b\n", "lines 2 and 4: subjects 'A1' and 'a1'"),
    ],
)
def test_a_misshapen_table_says_where(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        load(write(tmp_path / "s.csv", text))


@pytest.mark.parametrize(
    "label",
    ["../1", ".1", "1 2", "é1", "٣", "1_2", "sub-", "sub-sub-1", "1\u200b", "x" * 65],
)
def test_a_label_that_cannot_name_files_is_refused(tmp_path, label):
    with pytest.raises(InputError, match=r"line 2: subject .* cannot name files"):
        load(write(tmp_path / "s.tsv", f"subject\tspect\tpet\n{label}\ta\tb\n"))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "s.csv").write_bytes("subject,spect,pet\n1,ä,b\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        load(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes("subject,spect,pet\n1,a,b\n".encode("utf-16-le"))
    with pytest.raises(InputError, match="NUL bytes"):
        load(tmp_path / "s.csv")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is a folder, not a subjects table"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["s.tsv", "s.xlsx"])
def test_a_table_that_may_not_be_opened_says_so(tmp_path, name, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"cannot be opened \(Permission denied\)"):
        load(tmp_path / name)


def test_a_row_without_its_last_cells_is_filled_with_nothing(tmp_path):
    touch(tmp_path, "a", "b")
    loaded = load(write(tmp_path / "s.tsv", "subject\tspect\tpet\tsplit\tage\n1\ta\tb\n"))
    assert loaded.loc["1", ["split", "age"]].isna().all()


# --- Paths -------------------------------------------------------------------


def test_paths_may_be_absolute_in_the_home_with_blanks_or_folders(tmp_path, monkeypatch):
    home, scans = tmp_path / "home", tmp_path / "my scans é"
    home.mkdir()
    scans.mkdir()
    monkeypatch.setenv("HOME", str(home))
    touch(home, "h.nii")
    touch(scans, "1.dcm")
    text = f"subject\tspect\tpet\n1\t{scans}/\t~/h.nii\n2\tmy scans é/1.dcm\t~nobody?/x\n"
    loaded = load(write(tmp_path / "s.tsv", text))
    assert loaded.at["1", "spect"] == str(scans)
    assert loaded.at["1", "pet"] == str(home / "h.nii")
    assert loaded.loc["1", ["spect_problem", "pet_problem"]].isna().all()
    assert loaded.at["2", "spect"] == str(scans / "1.dcm")
    assert "~nobody?/x: no such file" in loaded.at["2", "pet_problem"]


def test_links_that_lead_nowhere_and_empty_folders_are_problems_of_their_subjects(tmp_path):
    touch(tmp_path, "good")
    (tmp_path / "broken").symlink_to("gone")
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    long = "x" * 5000
    rows = [("1", "broken"), ("2", "loop"), ("3", "empty"), ("4", "pipe"), ("5", long)]
    rows += [("6", "good"), ("7", "loop/inside"), ("8", "good/inside")]
    text = "subject\tspect\tpet\n" + "".join(f"{s}\t{p}\tpet{s}\n" for s, p in rows)
    problems = load(write(tmp_path / "s.tsv", text))["spect_problem"]
    for label, part in {
        "1": "is a link to a file that is not there",
        "2": "is a link to a file that is not there",
        "3": "the folder is empty",
        "4": "is neither a file nor a folder",
        "5": "no such file",
        "7": "no such file",
        "8": "no such file",
    }.items():
        assert part in problems[label]
        assert problems[label].startswith(f"subject {label}, spect ")
    assert problems["6"] is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read_is_a_problem_of_its_subject(tmp_path):
    touch(tmp_path, "a", "b")
    (tmp_path / "a").chmod(0)
    loaded = load(write(tmp_path / "s.tsv", "subject\tspect\tpet\n1\ta\tb\n"))
    assert "may not be read" in loaded.at["1", "spect_problem"]


def test_a_folder_of_several_series_may_be_given_again_in_other_words(tmp_path):
    (tmp_path / "d").mkdir()
    touch(tmp_path / "d", "1.dcm")
    (tmp_path / "link").symlink_to("d")
    header = "subject\tspect\tpet\tspect_series\tpet_series\n"
    fine = load(write(tmp_path / "a.tsv", f"{header}1\td\td\trest\n2\td\td\tstress\tother\n"))
    assert fine[["spect_problem", "pet_problem"]].isna().all(axis=None)
    same = load(write(tmp_path / "b.tsv", f"{header}1\td\td\tRest\tx\n2\tlink\td\trest\ty\n"))
    assert "the same file is given for subject 2" in same.at["1", "spect_problem"]
    assert "the same file is given for subject 1" in same.at["2", "spect_problem"]
    assert same["pet_problem"].isna().all()


# --- A given model needs no PET ------------------------------------------------


@pytest.mark.parametrize("text", ["subject\tspect\n1\ta\n", "subject\tspect\tpet\n1\ta\t\n"])
def test_pet_may_be_missing_where_a_model_is_given(tmp_path, text):
    touch(tmp_path, "a")
    loaded = load(write(tmp_path / "s.tsv", text), model="p2p.safetensors")
    assert loaded.at["1", "pet"] is None
    assert loaded.at["1", "pet_problem"] is None
    assert loaded.at["1", "spect_problem"] is None
    if "pet" in text:
        assert "names no pet file" in load(tmp_path / "s.tsv").at["1", "pet_problem"]
    else:
        with pytest.raises(InputError, match="column pet is missing"):
            load(tmp_path / "s.tsv")


def test_a_pet_that_is_named_must_be_there_even_where_a_model_is_given(tmp_path):
    touch(tmp_path, "a", "b")
    text = "subject\tspect\tpet\n1\ta\tgone\n2\t\tb\n"
    loaded = load(write(tmp_path / "s.tsv", text), model="p2p.safetensors")
    assert "gone: no such file" in loaded.at["1", "pet_problem"]
    assert "names no spect file" in loaded.at["2", "spect_problem"]
