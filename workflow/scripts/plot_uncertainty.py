"""Draw where the networks of a model disagree, and where their mean is wrong."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import images, tables
    from spect2pet.evaluate import evaluation
    from spect2pet.figures import examples, style, uncertainty_figure

    inputs = snakemake.input
    # One whose gain is the median: neither the best nor a choice.
    (subject,) = examples.pick_examples(tables.read_table(inputs.similarity), 1)
    k = snakemake.params.subjects.index(subject)
    trio, _ = evaluation.read_images(
        {"P2P": inputs.p2p[k], "uncertainty": inputs.sd[k], "PET": inputs.pet[k]}
    )
    mask, _ = images.read_image(inputs.mask[k])
    figure = uncertainty_figure.draw_uncertainty(
        tables.read_table(inputs.uncertainty),
        tables.read_table(inputs.summary),
        uncertainty_figure.example_of(subject, trio, mask),
    )
    style.save(figure, snakemake.output.png, snakemake.output.svg)
