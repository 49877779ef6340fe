"""Measure how well a subject is registered, and draw it."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.core import provenance
    from spect2pet.register import registration_check

    registration_check.check_registration(
        spect=snakemake.input.spect,
        study_spect=snakemake.input.study_spect,
        study_pet=snakemake.input.study_pet,
        transform=snakemake.input.transform,
        affine=snakemake.input.affine,
        inverse_warp=snakemake.input.inverse_warp,
        mask=snakemake.input.mask,
        dseg=snakemake.input.dseg,
        groups=snakemake.input.groups,
        truth=snakemake.input.truth or None,
        check=snakemake.output.check,
        overlay=snakemake.output.overlay,
        subject=snakemake.wildcards.subject,
        made_by=provenance.stamp(
            {}, code=snakemake.params.code, packages=["matplotlib", "nibabel", "numpy", "scipy"]
        ),
    )
