"""Draw the SSIM of every subject's SPECT and P2P, set by set."""

from spect2pet import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet import plots, style, tables

    figure = plots.draw_similarity(
        tables.read_table(snakemake.input.similarity), tables.read_table(snakemake.input.tests)
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
