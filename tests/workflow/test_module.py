"""The workflow as a module of another one: its files under a prefix, the user's where they are."""

import re
import shutil

import pytest
import yaml

from conftest import Study

SNAKEFILE = """
configfile: "lab.yaml"


module spect2pet:
    snakefile: "spect2pet/Snakefile"
    config: config["perfusion"]
    prefix: "perfusion"


use rule * from spect2pet as spect2pet_*


rule lab:
    default_target: True
    input: rules.spect2pet_all.input
"""


class Lab(Study):
    """A workflow of a laboratory, in whose folder a clone of this one lies."""

    def __init__(self, folder, config):
        (folder / "spect2pet").mkdir()
        super().__init__(folder / "spect2pet")
        self.folder = folder
        self.file("Snakefile").write_text(SNAKEFILE)
        self.file("lab.yaml").write_text(yaml.safe_dump({"perfusion": config}))


@pytest.fixture
def scans(small_study, tmp_path):
    """A table of raw scans in the laboratory's own folder, by paths relative to it."""
    (tmp_path / "scans").mkdir()
    rows = ["subject\tspect\tpet"]
    for folder in sorted(small_study.file("results", "cohort").glob("sub-*")):
        names = []
        for modality in ("spect", "pet"):
            image = folder / modality / f"{folder.name}_{modality}.nii.gz"
            (tmp_path / "scans" / image.name).symlink_to(image)
            names.append(image.name)
        rows.append("\t".join([folder.name, *names]))
    (tmp_path / "scans" / "subjects.tsv").write_text("\n".join(rows) + "\n")
    return "scans/subjects.tsv"


def test_a_module_plans_the_whole_study_under_its_prefix(tmp_path):
    lab = Lab(tmp_path, {"cohort": {"subjects": 4}})
    output = lab.run("--dry-run").stdout
    assert output.count("rule spect2pet_simulate_subject:") == 4
    made = re.findall(r"^    (?:output|log|benchmark): (.*)", output, re.M)
    paths = {path for line in made for path in line.split(", ")}
    assert len(paths) > 100
    assert {path.partition("/")[0] for path in paths} == {"perfusion"}
    # What comes with the workflow is read from where it lies.
    shipped = set(re.findall(r"[\w/]*workflow/(?:resources|report)/[\w/.]+", output))
    assert len(shipped) > 10
    for path in shipped:
        assert lab.file(path).is_file(), path


def test_a_module_prepares_scans_that_lie_outside_its_prefix(small_study, scans, tmp_path):
    lab = Lab(tmp_path, {"subjects": scans, "exclude": ["008"]})
    plan = lab.plan()
    assert plan["spect2pet_prepare_subject"] == 7
    assert "spect2pet_simulate_subject" not in plan
    wanted = ["sub-001/sub-001_spect.nii.gz", "sub-001/sub-001_pet.nii.gz"]
    lab.run(*(f"perfusion/results/prepared/{name}" for name in wanted))
    for name in wanted:
        ours = lab.file("perfusion", "results", "prepared", name)
        assert ours.read_bytes() == small_study.file("results", "prepared", name).read_bytes()
    assert not lab.file("results").exists()
    assert list(lab.file("perfusion", "logs", "prepare_subject").glob("*.log"))


def test_a_table_of_the_user_is_proposed_outside_the_prefix(tmp_path):
    lab = Lab(tmp_path, {"scan": "scans"})
    assert "output: dataset/subjects.tsv" in lab.run("--dry-run", "spect2pet_subjects_table").stdout
    lab.file("dataset").mkdir()
    lab.file("dataset", "subjects.tsv").write_text("subject\tspect\tpet\n")
    assert lab.plan("spect2pet_subjects_table") == {}


def test_a_module_builds_the_report_and_the_crate_under_its_prefix(small_study, tmp_path):
    config = yaml.safe_load(small_study.file(*small_study.configfiles).read_text())
    lab = Lab(tmp_path, config)
    for name in ("results", "logs"):
        shutil.copytree(small_study.file(name), lab.file("perfusion", name))
    made = (lab.file("perfusion", "results", name) for name in ("report", "provenance"))
    for folder in made:
        shutil.rmtree(folder)
    lab.file("perfusion", "results", "report.html").unlink()
    assert set(lab.plan()) == {"spect2pet_build_report", "spect2pet_describe_study", "lab"}
    lab.run()
    lab.folder = lab.file("perfusion")
    # Page and crate show the configuration too, which here has another form.
    ours, theirs = (
        {
            name: made
            for name, made in study.digests().items()
            if name != "report.html" and not name.startswith("provenance")
        }
        for study in (lab, small_study)
    )
    assert any(name.startswith("report/") for name in ours)
    assert ours == theirs
    images = [
        {line.split()[0] for line in sums.read_text().splitlines() if line.endswith(".nii.gz")}
        for sums in (
            study.file("results", "provenance", "checksums.sha256") for study in (lab, small_study)
        )
    ]
    assert images[0] == images[1]
    assert len(images[0]) > 50
