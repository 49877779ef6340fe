"""Draw the differences of regional CBF between images against their mean."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import agreement_figure, style

    figure = agreement_figure.draw_bland_altman(
        tables.read_table(snakemake.input.regions),
        tables.read_table(snakemake.input.agreement),
        snakemake.params.atlas,
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
