"""Write the finished study as a BIDS derivative dataset."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.export import bids_export

    bids_export.export_dataset(
        snakemake.output.dataset,
        bids_export.Study(
            spect=snakemake.input.spect,
            pet=snakemake.input.pet,
            masks=snakemake.input.masks,
            regions=snakemake.input.regions,
            p2p=snakemake.input.p2p,
            uncertainty=snakemake.input.uncertainty,
            tables=snakemake.input.tables,
            split=snakemake.input.split[0] if snakemake.input.split else None,
            atlas=snakemake.input.atlas,
        ),
        groups=snakemake.params.groups,
        code=snakemake.params.code,
    )
