"""Draw SPECT, every model and the ceiling side by side."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import method_figure, style

    similarity = map(tables.read_table, snakemake.input.similarity)
    figure = method_figure.draw_methods(
        tables.read_table(snakemake.input.methods),
        dict(zip(snakemake.params.compared, similarity, strict=True)),
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
