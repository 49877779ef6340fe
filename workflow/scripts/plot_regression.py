"""Draw the regional means of SPECT, P2P and PET on one another."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import plots, style

    figure = plots.draw_regression(
        tables.read_table(snakemake.input.regions),
        tables.read_table(snakemake.input.regression),
        snakemake.params.atlas,
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
