"""Draw what each image shows of the deficits of simulated subjects."""

from spect2pet import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet import lesion_figure, style, tables

    figure = lesion_figure.draw_lesions(
        *map(
            tables.read_table,
            (snakemake.input.lesions, snakemake.input.scores, snakemake.input.detection),
        )
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
