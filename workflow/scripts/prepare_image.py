"""Check one raw image and bring it to canonical NIfTI in mL/100 g/min."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance
    from spect2pet.core.errors import InputError
    from spect2pet.prepare import preparation

    if snakemake.params.problem:
        raise InputError(snakemake.params.problem)
    preparation.prepare_image(
        snakemake.input.raw,
        snakemake.output.image,
        subject=snakemake.wildcards.subject,
        modality=snakemake.wildcards.modality,
        unit=snakemake.params.unit,
        series=snakemake.params.series,
        settings=snakemake.params.settings,
        made_by=provenance.stamp(
            snakemake.params.settings,
            code=snakemake.params.code,
            packages=["nibabel", "numpy", "pydicom", "scipy"],
        ),
    )
