"""Wrong inputs: each ends in one documented sentence, and nothing is written."""

import os
import resource
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import broken_inputs
from spect2pet.core import images, provenance, tables
from spect2pet.core.errors import InputError
from spect2pet.prepare import preparation
from spect2pet.subjects import subjects

SETTINGS = {
    "unit": "mL/100g/min",
    "relative_mean": 50,
    "plausible_mean": [10, 120],
    "voxel_mm": [0.5, 10],
    "field_of_view_mm": [100, 1000],
    "negative_share": 0.05,
}
IMAGES = [case for case in broken_inputs.BROKEN if case.kind != "table"]
TABLES = [case for case in broken_inputs.BROKEN if case.kind == "table"]
LONGEST = 400
SLOWEST = 5.0  # seconds of computing, however busy the machine is


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[f"{c.kind}: {c.name}" for c in cases])


def folders(tmp_path):
    """One folder for what is given and one for what is made."""
    given, made = tmp_path / "in", tmp_path / "out"
    given.mkdir()
    made.mkdir()
    return given, made


def prepare(path, folder, case):
    preparation.prepare_image(
        path,
        folder / "out.nii.gz",
        subject="017",
        modality=case.modality,
        unit=getattr(case, "unit", None),
        settings=SETTINGS,
        made_by={},
    )


@named(IMAGES)
def test_a_broken_image_ends_in_one_sentence_and_leaves_nothing(tmp_path, case):
    given, made = folders(tmp_path)
    path = case.build(given)
    if "may not be read" in case.says and os.geteuid() == 0:
        pytest.skip("root may read every file")
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        prepare(path, made, case)
    assert time.process_time() - start < SLOWEST
    sentence = str(caught.value)
    assert case.says in sentence
    assert sentence.startswith(f"subject 017, {case.modality} {path}:")
    assert sentence.isprintable()
    assert len(sentence.replace(str(tmp_path), "")) <= LONGEST
    assert not list(made.iterdir())


@named(broken_inputs.SOUND)
def test_an_odd_but_sound_image_is_read_right(tmp_path, case):
    given, made = folders(tmp_path)
    prepare(case.build(given), made, case)
    output = nib.load(made / "out.nii.gz")
    np.testing.assert_allclose(output.affine, case.affine, atol=1e-3)
    np.testing.assert_allclose(output.get_fdata(), case.data, rtol=1e-4, atol=1e-3)


def complaints(path):
    """What is said of a table: of the whole, or of one image of one subject."""
    try:
        rows = subjects.load({"subjects": str(path), "exclude": [], "model": None})
    except InputError as error:
        return [str(error)]
    problems = [rows[f"{modality}_problem"] for modality in ("spect", "pet")]
    return [sentence for column in problems for sentence in column if sentence]


@named(TABLES)
def test_a_broken_table_ends_in_one_sentence(tmp_path, case):
    path = case.build(tmp_path)
    before = sorted(tmp_path.iterdir())
    start = time.process_time()
    sentences = complaints(path)
    assert time.process_time() - start < SLOWEST
    assert any(case.says in sentence for sentence in sentences), sentences
    for sentence in sentences:
        assert str(path) in sentence
        assert sentence.startswith((str(path), "subject "))
        assert sentence.isprintable()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", broken_inputs.SOUND_TABLES)
def test_an_odd_but_sound_table_is_read_right(tmp_path, name):
    path = broken_inputs.SOUND_TABLES[name](tmp_path)
    rows = subjects.load({"subjects": str(path), "exclude": [], "model": None})
    assert list(rows.index) == ["01"]
    for modality in ("spect", "pet"):
        assert rows.at["01", modality] == str(tmp_path / f"{modality}.nii")
        assert rows.at["01", f"{modality}_problem"] is None


def test_the_corpus_holds_enough_of_every_kind():
    kinds = [case.kind for case in broken_inputs.BROKEN]
    assert len(kinds) >= 80
    assert min(kinds.count(kind) for kind in ("nifti", "dicom", "table")) >= 25
    names = [(case.kind, case.name) for case in broken_inputs.BROKEN]
    assert len(set(names)) == len(names)


# --- Files that cannot be written ---------------------------------------------

WRITERS = {
    "out.nii.gz": lambda path: images.write_image(path, noise(), np.eye(4), {"Units": "x"}),
    "out.json": lambda path: provenance.write_json(path, {"text": "x" * 100_000}),
    "out.tsv": lambda path: tables.write_table(
        path, pd.DataFrame({"value": range(20_000)}), {"value": "a number"}, {}
    ),
}


def noise():
    """Voxels that do not become few bytes when they are compressed."""
    return np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32)


@pytest.fixture
def small_files():
    """No file may grow over 50 kB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_ends_in_one_sentence_and_leaves_nothing(tmp_path, name, small_files):
    with pytest.raises(InputError, match=f"{name}: cannot be written .*disk has room"):
        WRITERS[name](tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_a_failed_write_keeps_what_was_there_before(tmp_path, name, small_files):
    (tmp_path / name).write_bytes(b"of yesterday")
    with pytest.raises(InputError, match="cannot be written"):
        WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_takes_no_files_ends_in_one_sentence(tmp_path, name):
    (tmp_path / "file").write_bytes(b"in the folder's place")
    for folder in (tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(InputError, match=f"{name}: cannot be written"):
            WRITERS[name](folder / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name}: cannot be written"):
        WRITERS[name](tmp_path / name)
    assert not list(tmp_path.glob(".partial*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every folder")
@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_folder_ends_in_one_sentence(tmp_path, name):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=f"{name}: cannot be written"):
            WRITERS[name](tmp_path / name)
    finally:
        tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())
