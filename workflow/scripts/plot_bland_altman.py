"""Draw the differences of regional CBF between images against their mean."""

from spect2pet import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet import agreement_figure, style, tables

    figure = agreement_figure.draw_bland_altman(
        tables.read_table(snakemake.input.regions),
        tables.read_table(snakemake.input.agreement),
        snakemake.params.atlas,
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
