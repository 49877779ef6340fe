"""What a bad disk and a killed command leave behind is mended by the plain command."""

import os
import shutil

import pytest

from conftest import SMALL, Study

FINAL = "results/figures/p2p/similarity.svg"
BETWEEN = "results/evaluation/p2p/uncertainty.json"


@pytest.fixture
def study(small_study, tmp_path) -> Study:
    """A copy of the finished study, with the dates of its files."""
    shutil.copytree(small_study.folder, tmp_path / "study", symlinks=True)
    return Study.at(tmp_path / "study", SMALL)


def test_damaged_files_and_a_stale_lock_are_mended(small_study, study):
    before = {name: study.file(name).read_bytes() for name in (FINAL, BETWEEN)}
    os.truncate(study.file(FINAL), 10)
    os.truncate(study.file(BETWEEN), 0)
    locks = study.file(".snakemake", "locks")
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text(f"{FINAL}\n")

    told = study.run("--dry-run").stderr
    assert f"{FINAL}: is damaged (10 bytes, where" in told
    assert study.file(FINAL).stat().st_size == 10

    # Without a sign that its command was killed, a lock is a lock.
    refused = study.snakemake()
    assert refused.returncode
    assert "Directory cannot be locked" in refused.stdout + refused.stderr

    killed = study.file(".snakemake", "spect2pet", "somewhere-1.running")
    killed.touch()
    done = study.run()
    assert "The last command here was killed; its lock is removed." in done.stderr
    assert not killed.exists()
    for name in (FINAL, BETWEEN):
        assert study.file(name).read_bytes() == before[name]
    here, there = (
        {str(p.relative_to(s.folder)) for p in s.file("results").rglob("*") if p.is_file()}
        for s in (study, small_study)
    )
    assert here == there
    assert study.plan() == {}
