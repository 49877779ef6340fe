"""Find the affine and deformable transform between a subject's PET and MNI space."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.register import registration

    registration.normalise_pet(
        pet=snakemake.input.pet,
        affine=snakemake.output.affine,
        warp=snakemake.output.warp,
        inverse_warp=snakemake.output.inverse_warp,
        subject=snakemake.wildcards.subject,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
    )
