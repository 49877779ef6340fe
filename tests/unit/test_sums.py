"""Checksums of what jobs wrote: damage is noticed, said, moved away, and asked for again."""

import os
from pathlib import Path

import pytest

from spect2pet.core import sums
from spect2pet.core.errors import InputError

LOG = "logs/prepare_subject/001.log"
IMAGE = "results/prepared/sub-001/image.nii.gz"


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def made(*outputs, log=LOG, content=b"an image"):
    """Let a job write some files."""
    sums.begin(log, outputs)
    for output in outputs:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_bytes(content)
    sums.end(log, outputs)


def test_what_a_job_wrote_passes():
    made(IMAGE, "results/prepared/table.tsv")
    sums.check("logs/other/1.log", [IMAGE, "results/prepared/table.tsv"])
    assert sums.survey(".", mend=True) == sums.Survey({}, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"an im", "5 bytes, where 8 were written"), (b"an imagE", "content is not what was written")],
)
def test_a_damaged_input_is_said_moved_away_and_asked_for_again(content, said):
    made(IMAGE)
    Path(IMAGE).write_bytes(content)
    with pytest.raises(InputError, match=rf"^{IMAGE}: is damaged \(.*{said}\).*logs/damaged"):
        sums.check("logs/other/1.log", [IMAGE])
    assert not Path(IMAGE).exists()
    assert Path("logs/damaged", IMAGE).read_bytes() == content
    assert sums.survey(".", mend=True).wanted == {IMAGE: "prepare_subject"}
    made(IMAGE)
    sums.check("logs/other/1.log", [IMAGE])
    assert not sums.survey(".", mend=True).wanted


def test_an_unreadable_input_is_moved_away(monkeypatch):
    made(IMAGE)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        sums.check("logs/other/1.log", [IMAGE])
    assert Path("logs/damaged", IMAGE).exists()


def test_an_input_that_another_job_took_away_is_said():
    made(IMAGE)
    Path(IMAGE).unlink()
    with pytest.raises(InputError, match="is gone; another job has taken it away"):
        sums.check("logs/other/1.log", [IMAGE])


def test_what_cannot_be_moved_is_removed(monkeypatch):
    made(IMAGE)
    Path(IMAGE).write_bytes(b"")

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        assert sums._put_aside(sums.Place.of(LOG), Path(IMAGE)) == "it was removed"
    assert not Path(IMAGE).exists()


def test_a_users_file_is_never_judged(tmp_path):
    for path in ("scans/image.nii", "results/mine.txt", str(tmp_path / "results.txt")):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text("mine")
        sums.check(LOG, [path])
    made("dataset/subjects.tsv")
    assert not list(Path("logs").rglob("subjects*"))
    Path("dataset/subjects.tsv").write_text("edited")
    sums.check(LOG, ["dataset/subjects.tsv"])
    assert sums.survey(".", mend=True) == sums.Survey({}, [])


def test_a_job_that_did_not_end_has_its_missing_outputs_made_again():
    made(IMAGE)
    sums.begin(LOG, [IMAGE])
    Path(IMAGE).write_bytes(b"half")
    # Whether what lies there is whole, Snakemake's own marks say.
    assert not sums.survey(".", mend=True).wanted
    sums.check("logs/other/1.log", [IMAGE])
    Path(IMAGE).unlink()
    assert sums.survey(".", mend=True).wanted == {IMAGE: "prepare_subject"}


def test_the_survey_tells_without_touching_in_a_dry_run():
    made(IMAGE)
    Path(IMAGE).write_bytes(b"")
    (said,) = sums.survey(".", mend=False).said
    assert said.startswith(f"{IMAGE}: is damaged (0 bytes, where 8 were written); it is made again")
    assert Path(IMAGE).exists()
    found = sums.survey(".", mend=True)
    assert found.wanted == {IMAGE: "prepare_subject"}
    assert len(found.said) == 1


def test_what_a_user_removed_is_not_made_again():
    made(IMAGE)
    Path(IMAGE).unlink()
    assert sums.survey(".", mend=True) == sums.Survey({}, [])


def test_a_folder_is_checked_file_by_file_and_moved_as_one():
    log, folder = "logs/build_report/study.log", Path("results/report")
    (folder / "sub").mkdir(parents=True)
    for name in ("page.html", "sub/image.js"):
        (folder / name).write_text(name)
    sums.end(log, [str(folder), "results/report.html"])
    assert not sums.survey(".", mend=True).said
    (folder / "sub" / "image.js").write_text("sub")
    found = sums.survey(".", mend=True)
    assert found.wanted == {"results/report": "build_report"}
    assert "sub/image.js in it is damaged" in found.said[0]
    assert not folder.exists()
    assert Path("logs/damaged/results/report/page.html").exists()


def test_paths_under_a_prefix_have_records_there():
    image, log = f"lab/{IMAGE}", f"lab/{LOG}"
    made(image, log=log)
    assert list(Path("lab/logs/sums/results").rglob("*.json"))
    Path(image).write_bytes(b"")
    with pytest.raises(InputError, match=f"^{image}: is damaged"):
        sums.check("lab/logs/other/1.log", [image])
    assert sums.survey("lab", mend=True).wanted == {image: "prepare_subject"}


def test_two_jobs_of_a_folder_have_records_of_their_own():
    made(IMAGE)
    made("results/prepared/sub-001/other.json", log="logs/other/001.log")
    assert len(list(Path("logs/sums/results/prepared/sub-001").iterdir())) == 2


def test_of_a_large_file_both_ends_and_the_size_count(tmp_path, monkeypatch):
    monkeypatch.setattr(sums, "LARGEST_WHOLE", 100)
    monkeypatch.setattr(sums, "END", 10)
    large = tmp_path / "large"
    sums_of = []
    for changed in (None, 0, 5_000_000, 5_999_999):
        content = bytearray(6_000_000)
        if changed is not None:
            content[changed] = 1
        large.write_bytes(content)
        sums_of.append(sums.sum_of(large))
    first, start, middle, end = sums_of
    assert first == middle
    assert len({first, start, end}) == 3


def test_a_record_that_is_damaged_itself_is_as_none():
    made(IMAGE)
    (record,) = Path("logs/sums/results/prepared/sub-001").iterdir()
    record.write_text(record.read_text()[:20])
    Path(IMAGE).write_bytes(b"")
    sums.check("logs/other/1.log", [IMAGE])


def test_an_input_that_changes_while_it_is_read_is_noticed():
    made(IMAGE)
    stamps = sums.check("logs/other/1.log", [IMAGE, "scans/of-the-user.nii"])
    sums.check_again(stamps)
    os.truncate(IMAGE, 3)
    with pytest.raises(InputError, match=f"^{IMAGE}: has changed while a job read it"):
        sums.check_again(stamps)
