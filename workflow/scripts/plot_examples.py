"""Draw SPECT, P2P and PET of a few test subjects, with their differences."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import images, tables
    from spect2pet.evaluate import evaluation
    from spect2pet.figures import examples, style

    settings = snakemake.params.settings
    similarity = tables.read_table(snakemake.input.similarity)
    chosen = examples.pick_examples(similarity, settings["examples"])
    subjects = {}
    for subject in chosen:
        k = snakemake.params.subjects.index(subject)
        subjects[subject] = (
            *evaluation.read_subject(
                snakemake.input.spect[k], snakemake.input.p2p[k], snakemake.input.pet[k]
            ),
            images.read_image(snakemake.input.mask[k])[0],
        )
    relative = any(any(flags.values()) for _, flags, _ in subjects.values())
    rows = [
        examples.example_of(subject, trio, mask, similarity, relative)
        for subject, (trio, _, mask) in subjects.items()
    ]
    figure = examples.draw_examples(rows, settings["difference_limit"], relative)
    style.save(figure, snakemake.output.png, snakemake.output.svg)
