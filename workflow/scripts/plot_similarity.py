"""Draw the SSIM of every subject's SPECT and P2P, set by set."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import plots, style

    figure = plots.draw_similarity(
        tables.read_table(snakemake.input.similarity), tables.read_table(snakemake.input.tests)
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
