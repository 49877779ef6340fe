"""Draw what each image shows of the deficits of simulated subjects."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import lesion_figure, style

    figure = lesion_figure.draw_lesions(
        *map(
            tables.read_table,
            (snakemake.input.lesions, snakemake.input.scores, snakemake.input.detection),
        )
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
