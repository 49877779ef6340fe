"""Draw the losses and the validation over the epochs of all networks of a model."""

from spect2pet import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet import plots, style, tables

    figure = plots.draw_training([tables.read_table(path) for path in snakemake.input.history])
    style.save(figure, snakemake.output.png, snakemake.output.svg)
