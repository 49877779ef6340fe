"""Measure how alike a subject's SPECT and P2P are to its PET."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet.core import images, provenance, tables
    from spect2pet.evaluate import evaluation, evaluation_columns, similarity

    settings = snakemake.params.settings
    subject, relative = evaluation.read_subject(
        snakemake.input.spect, snakemake.input.p2p, snakemake.input.pet
    )
    mask, _ = images.read_image(snakemake.input.mask)
    labels, _ = images.read_image(snakemake.input.dseg)
    measures, slices = similarity.compare_subject(
        snakemake.wildcards.subject,
        subject,
        relative,
        mask,
        labels,
        similarity.Settings(**settings),
    )
    made_by = provenance.stamp(
        settings, code=snakemake.params.code, packages=["numpy", "scikit-image", "scipy"]
    )
    tables.write_table(
        snakemake.output.similarity, measures, evaluation_columns.SUBJECT_SIMILARITY, made_by
    )
    tables.write_table(snakemake.output.slices, slices, evaluation_columns.SUBJECT_SLICES, made_by)
