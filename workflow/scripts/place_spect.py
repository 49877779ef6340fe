"""Bring the SPECT of a subject without PET to a study grid around its own brain."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.core import provenance
    from spect2pet.register import placement

    params = snakemake.params
    placement.place_spect(
        spect=snakemake.input.spect,
        study_spect=snakemake.output.spect,
        subject=snakemake.wildcards.subject,
        study_grid=params.study_grid,
        max_rotation_deg=params.max_rotation_deg,
        made_by=provenance.stamp(
            {"study_grid": params.study_grid, "max_rotation_deg": params.max_rotation_deg},
            code=params.code,
            packages=["nibabel", "numpy", "scipy"],
        ),
    )
