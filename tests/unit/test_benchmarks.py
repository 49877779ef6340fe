"""Benchmarks that stand in for Snakemake give jobs what their scripts ask for."""

import re
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import clusters
import scale


@pytest.mark.parametrize("rule", scale.TABLE_RULES)
def test_a_job_of_the_benchmark_has_all_that_its_script_reads(rule):
    script = (scale.SCRIPTS / f"{rule}.py").read_text()
    read = set(re.findall(r"snakemake\.(input|output|params)\.(\w+)", script))
    assert read
    job = scale.job_of(rule, 3)
    assert read <= {(part, name) for part, names in job.items() for name in names}


@pytest.mark.parametrize("way", clusters.WAYS)
def test_the_ways_to_run_on_slurm_are_those_of_the_page(way):
    for command in clusters.commands_of(way):
        assert re.fullmatch(
            r"snakemake --workflow-profile profiles/slurm( \w+)?"
            r"|sbatch( --[\w=]+)* profiles/slurm-node/run.sbatch",
            command,
        )
