"""Align a subject's SPECT with the PET and bring both to the study grid."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance
    from spect2pet.register import registration

    registration.coregister_spect(
        spect=snakemake.input.spect,
        pet=snakemake.input.pet,
        transform=snakemake.output.transform,
        study_spect=snakemake.output.spect,
        study_pet=snakemake.output.pet,
        subject=snakemake.wildcards.subject,
        study_grid=snakemake.params.study_grid,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        made_by=provenance.stamp(
            {
                "study_grid": snakemake.params.study_grid,
                "register": {"coregister": snakemake.params.settings},
            },
            snakemake.params.seed,
            snakemake.params.code,
            ["antspyx", "nibabel", "numpy", "scipy"],
        ),
    )
