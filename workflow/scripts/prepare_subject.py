"""Check the raw images of a subject and bring them to canonical NIfTI in mL/100 g/min."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.core import provenance
    from spect2pet.prepare import preparation

    preparation.prepare_subject(
        {
            modality: (snakemake.input[modality], snakemake.output[modality], told)
            for modality, told in snakemake.params.images.items()
        },
        subject=snakemake.wildcards.subject,
        settings=snakemake.params.settings,
        made_by=provenance.stamp(
            snakemake.params.settings,
            code=snakemake.params.code,
            packages=["nibabel", "numpy", "pydicom", "scipy"],
        ),
    )
