"""Draw the losses and the validation over the epochs of a training."""

from spect2pet import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet import plots, style, tables

    figure = plots.draw_training(tables.read_table(snakemake.input.history[0]))
    style.save(figure, snakemake.output.png, snakemake.output.svg)
