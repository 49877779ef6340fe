"""Pack axial slices of the training and validation subjects into two arrays."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance
    from spect2pet.train import slices

    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    files = zip(params.subjects, inputs.spect, inputs.pet, inputs.mask, strict=True)
    slices.pack(
        subjects={
            subject: {"spect": spect, "pet": pet, "mask": mask}
            for subject, spect, pet, mask in files
        },
        sets={"train": params.train, "validation": params.validation},
        settings=params.settings,
        train=outputs.train,
        validation=outputs.validation,
        brain=outputs.brain,
        table=outputs.table,
        scale=outputs.scale,
        made_by=provenance.stamp(
            params.settings, code=params.code, packages=["nibabel", "numpy", "pandas"]
        ),
    )
