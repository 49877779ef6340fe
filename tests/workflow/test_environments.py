"""Every environment of envs/: solved, laid out, activated, and sufficient for its rules.

No channel of conda can be reached here, so the packages come from `conda_channel` and the command
from `conda_stand_in`; files, solver, installer and Snakemake's part are the real ones.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from copy import copy
from pathlib import Path

import pytest
from test_structure import RULES, section

from conftest import ROOT, SMALL, Study

pytest.importorskip("rattler", reason="py-rattler, which solves for conda, is missing")

import conda_channel
from reading_sessions import answers_of

TESTS = ROOT / "tests"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


#: The environment of every rule.
ENVIRONMENT_OF = {
    name: re.search(r"envs/(\w+)\.yaml", section(text, "conda")).group(1)
    for name, text in RULES.items()
}
#: Run by tests of their own, further below; the split because so much follows it.
ELSEWHERE = {
    "propose_table",
    "place_spect",
    "tabulate_inference",
    "score_readings",
    "split_subjects",
}
#: A rule that another one's text makes anew, under a name of its own.
ALSO = {
    "infer_subject": "infer_ensemble",
    "evaluate_subject": "evaluate_ensemble",
    "export_dicom": "export_dicom_ensemble",
}


class Conda:
    """A conda that has every package of the environments, and Snakemake in an environment too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channel = conda_channel.Channel(folder)
        for environment in ENVIRONMENTS:
            self.channel.add_environment(environment)
        self.channel.write()
        programs = folder / "root" / "bin"
        programs.mkdir(parents=True)
        (programs / "conda").write_text(
            f'#!/bin/sh\nexec {sys.executable} {TESTS / "conda_stand_in.py"} {folder} "$@"\n'
        )
        (programs / "conda").chmod(0o755)
        (programs / "activate").write_text('export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n')
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(Path.home()),
            "LC_ALL": "C.UTF-8",
        }
        create = f"conda env create --file envs/workflow.yaml --prefix {folder / 'workflow'}"
        subprocess.run(create.split(), cwd=ROOT, env=self.environment, check=True)

    def snakemake(self, study: Study, *arguments: str) -> str:
        """Run Snakemake as somebody does who has conda and nothing else; what it says."""
        command = [str(self.folder / "workflow/bin/python"), "-m", "snakemake", "--cores", "2"]
        command += [*arguments, "--sdm", "conda", "--conda-prefix", str(self.folder / "envs")]
        done = subprocess.run(
            [*command, "--configfile", *study.configfiles],
            cwd=study.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
        return done.stdout + done.stderr


def solved(channel: conda_channel.Channel, environment: str, driver: str = "") -> list[str]:
    """Addresses of the packages that make an environment, where a GPU's driver knows some CUDA.

    In a process of its own, whose end rattler can disturb.
    """
    command = [sys.executable, TESTS / "conda_stand_in.py", channel.folder.parent]
    command += ["env", "create", "--dry-run", "--json", "--file", ROOT / "envs" / environment]
    variables = os.environ | {"CONDA_OVERRIDE_CUDA": driver}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def conda(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conda")
    yield Conda(folder)
    # A hundred thousand links, which nobody wants to look at.
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def finished(small_study, tmp_path_factory):
    """A copy of the finished small study, to be remade."""
    study = Study(tmp_path_factory.mktemp("deployed"), SMALL)
    shutil.copytree(small_study.folder, study.folder, dirs_exist_ok=True)
    return study


def ran(output: str) -> set[str]:
    """The rules that a run of Snakemake ran."""
    return set(re.findall(r"^(?:local)?rule (\w+):", output, re.M))


@pytest.fixture(scope="module")
def outputs(finished):
    """One output of every rule, by name; of one subject and one model, so that little follows."""
    text = finished.run("--summary", "all", "bids", "dicom_export", "reading_session").stdout
    found = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        found.setdefault(row["rule"], []).append(row["output_file"])
    return {
        rule: min(paths, key=lambda path: ("/p2p/" not in path, path))
        for rule, paths in found.items()
    }


def test_what_an_environment_lacks_is_not_found_in_that_of_snakemake(conda, tmp_path):
    """The tests below would miss nothing otherwise."""
    (tmp_path / "bare.yaml").write_text("dependencies: [python]\n")
    create = ["conda", "env", "create", "--file", tmp_path / "bare.yaml"]
    subprocess.run([*create, "--prefix", tmp_path / "bare"], env=conda.environment, check=True)
    packages = conda.folder / "workflow" / conda_channel.SITE_PACKAGES
    script = (
        f"import sys; sys.path += [{str(packages)!r}, {str(ROOT / 'workflow' / 'scripts')!r}]\n"
        "import openpyxl, spect2pet.core; print('both')\nimport openpyxl"
    )
    command = [tmp_path / "bare" / "bin" / "python", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "both\n"
    assert "No module named 'openpyxl'" in done.stderr


@pytest.mark.parametrize("environment", sorted(set(ENVIRONMENT_OF.values())))
def test_the_rules_of_an_environment_need_nothing_else(
    environment, conda, finished, outputs, small_study
):
    rules = {name for name in RULES if ENVIRONMENT_OF[name] == environment} - ELSEWHERE
    rules |= {also for name, also in ALSO.items() if name in rules}
    targets = {name: outputs[name] for name in rules & set(outputs)}
    output = conda.snakemake(
        finished,
        *("--force", *targets.values()),
        *("--allowed-rules", *rules),
        *("--rerun-triggers", "params"),
    )
    assert f"envs/{environment}.yaml created" in output
    # Every model of the small study that is exported has several networks.
    assert ran(output) == rules - {"export_dicom"}
    # The same versions make the same bytes, whatever lies beside them.
    for target in targets.values():
        before = small_study.file(target)
        assert not before.is_file() or before.read_bytes() == finished.file(target).read_bytes()


def test_scans_are_looked_for_in_their_environment(conda, finished):
    output = conda.snakemake(finished, "subjects_table", "--config", "scan=results/cohort")
    assert ran(output) == {"propose_table", "subjects_table"}
    assert len(finished.file("dataset/subjects.tsv").read_text().splitlines()) > 1


def test_a_given_model_serves_a_subject_without_pet_in_the_environments(
    conda, small_study, tmp_path
):
    study = Study(tmp_path, "given.yaml")
    scan = next(small_study.file("results", "cohort").glob("sub-*/spect/*.nii.gz"))
    model = small_study.file("results", "models", "p2p", "fold-0", "p2p.safetensors")
    (tmp_path / "scans.tsv").write_text(f"subject\tspect\tpet\nA\t{scan}\t\n")
    (tmp_path / "given.yaml").write_text(f"subjects: scans.tsv\nmodel: {model}\n")
    output = conda.snakemake(study, "infer")
    assert {"prepare_spect", "place_spect", "tabulate_inference"} <= ran(output)


def test_readings_are_scored_in_their_environment(conda, finished):
    conda.snakemake(finished, "reading_session", "--rerun-triggers", "params")
    answers = answers_of(finished.file("results", "readers", "key.tsv"))
    answers.to_csv(finished.file("ab.csv"), index=False)
    scored = copy(finished)
    scored.configfiles = [SMALL, "readings.yaml"]
    scored.file("readings.yaml").write_text("readers: {scores: [ab.csv]}\n")
    output = conda.snakemake(scored, "readings", "--rerun-triggers", "params")
    assert "score_readings" in ran(output)


def test_packages_are_pinned_where_a_file_beside_an_environment_lists_them(conda, finished):
    pins = finished.file("envs", f"statistics.{conda_channel.SUBDIR}.pin.txt")
    pins.write_text("\n".join(["@EXPLICIT", *solved(conda.channel, "statistics.yaml")]) + "\n")
    output = conda.snakemake(
        finished, "-f", "results/split/split.tsv", "--rerun-triggers", "params"
    )
    pins.unlink()
    assert re.search(rf"Using pinnings from .*/envs/{pins.name}", output)
    assert "Failed to install" not in output
    assert ran(output) == {"split_subjects"}


def test_conda_takes_the_build_of_torch_that_the_machine_can_use(conda, tmp_path):
    """As conda-forge has them: the one for GPUs needs `__cuda` and has the higher number."""
    channel = conda_channel.Channel(tmp_path)
    torch = conda.channel.records["pytorch"]
    needs = [*torch["depends"], "__cuda"]
    channel.records = conda.channel.records | {
        "pytorch": {**torch, "build": "cpu"},
        "for GPUs": {**torch, "build": "cuda", "build_number": 200, "depends": needs},
    }
    channel.write()
    for driver, build in (("", "cpu"), ("12.8", "cuda")):
        packages = solved(channel, "torch.yaml", driver)
        assert [url.rpartition("-")[2] for url in packages if "/pytorch-" in url] == [
            f"{build}.conda"
        ]


# --- A container of all environments -------------------------------------------


def test_the_dockerfile_is_the_one_that_snakemake_writes_now(conda, study):
    command = [sys.executable, "-m", "snakemake", "--containerize"]
    done = subprocess.run(
        command, cwd=study.folder, env=conda.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == (ROOT / "Dockerfile").read_text()


def test_the_dockerfile_has_no_faults():
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which("hadolint", path=programs)
    if program is None:
        pytest.skip("hadolint, which checks Dockerfiles, is missing")
    # Snakemake writes the base image without a version.
    command = [program, "--ignore", "DL3007", ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
