"""Propose a subjects table from a folder of scans, under labels that identify nobody."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from pathlib import Path

    from spect2pet.subjects import discovery

    discovery.propose(
        snakemake.params.scan,
        Path(snakemake.output.table).parent,
        needs_pet=snakemake.params.needs_pet,
    )
