"""Draw how many subjects took part, and what became of them."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import tables
    from spect2pet.figures import cohort_flow, style

    figure = cohort_flow.draw_cohort_flow(
        cohort_flow.Cohort(**snakemake.params.cohort),
        tables.read_table(snakemake.input.split),
        tables.read_table(snakemake.input.similarity[0]),
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
