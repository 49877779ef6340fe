"""Draw the losses and the validation over the epochs of all networks of a model."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import plots, style

    figure = plots.draw_training([tables.read_table(path) for path in snakemake.input.history])
    style.save(figure, snakemake.output.png, snakemake.output.svg)
