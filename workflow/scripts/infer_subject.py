"""Make the P2P volume of one subject."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    runtime.limit_torch(snakemake.params.threads)
    from spect2pet.core import provenance
    from spect2pet.infer import inference

    inference.infer_subject(
        spect=snakemake.input.spect,
        generators=snakemake.input.generators,
        p2p=snakemake.output.p2p,
        uncertainty=snakemake.output.get("uncertainty"),
        card=snakemake.params.card,
        prepared=snakemake.input.prepared,
        made_by=provenance.stamp(
            {"model": snakemake.wildcards.model},
            code=snakemake.params.code,
            packages=["nibabel", "numpy", "safetensors", "torch"],
        ),
    )
