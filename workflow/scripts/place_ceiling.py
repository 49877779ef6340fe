"""Bring the image that no method can pass to the study grid, in place of a P2P image."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.core import provenance
    from spect2pet.infer import ceiling

    ceiling.place_ceiling(
        ceiling=snakemake.input.ceiling[0],
        study_pet=snakemake.input.pet,
        p2p=snakemake.output.p2p,
        made_by=provenance.stamp(
            {}, code=snakemake.params.code, packages=["nibabel", "numpy", "scipy"]
        ),
    )
