"""A subjects table proposed by the workflow, which then belongs to the user."""

import numpy as np

from dicom_files import write_nm, write_pt

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
DATA = np.random.default_rng(1).uniform(1, 60, (8, 9, 12))


def test_a_table_is_proposed_once_and_never_made_again(study):
    scans = study.file("Adams^Anna")
    who = {"patient_id": "HOSP-77", "patient_name": "Adams^Anna"}
    write_nm(scans / "Adams.dcm", DATA, AFFINE, **who)
    write_pt(scans, DATA, AFFINE, **who)
    study.run("subjects_table", "--config", f"scan={scans}")
    table = study.file("dataset", "subjects.tsv")
    row = "001\tsub-001/spect\tsub-001/pet\tA\n"
    assert table.read_text() == f"subject\tspect\tpet\tscanner\n{row}"
    log = study.file("logs", "propose_table", "dataset.log").read_text()
    assert "1 patients, 1 pairs, 0 doubtful" in log
    assert "Adams" not in log
    assert "HOSP" not in log

    table.write_text(table.read_text().replace("\tA", "\tmine"))
    # Another folder, changed code and force: what the user wrote stays.
    library = study.file("workflow", "scripts", "spect2pet", "subjects", "discovery.py")
    library.write_text(library.read_text() + "\n# changed\n")
    for argument in ("--forceall", "--delete-all-output"):
        done = study.run("subjects_table", argument, "--config", "scan=elsewhere")
        assert "propose_table" not in done.stdout + done.stderr
        assert "\tmine" in table.read_text()


def test_without_a_folder_the_command_ends_in_one_sentence(study):
    done = study.snakemake("subjects_table")
    assert done.returncode != 0
    assert "no folder of scans is named" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not study.file("dataset", "subjects.tsv").exists()
