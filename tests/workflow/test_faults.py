"""What a bad disk and a killed command leave behind is mended by the plain command."""

import os
import re

from snakemake.cli import get_argument_parser

from conftest import ROOT

FINAL = "results/figures/p2p/similarity.svg"
BETWEEN = "results/evaluation/p2p/uncertainty.json"


def test_commands_that_only_look_are_known_to_snakemake():
    """A name that Snakemake does not know would mend in a command that is to touch nothing."""
    text = (ROOT / "workflow" / "rules" / "mend.smk").read_text()
    names = re.findall(r'"(\w+)"', text.partition("LOOKING_ONLY = (")[2].partition("\n)")[0])
    known = vars(get_argument_parser().parse_args([]))
    assert len(names) > 20
    assert set(names) <= set(known)


def test_damaged_files_and_a_stale_lock_are_mended(small_study, copied_study):
    study = copied_study
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
    assert study.digests().keys() == small_study.digests().keys()
    assert study.plan() == {}
