"""Measure a subject's SPECT and P2P against its PET: similarity, region means, uncertainty."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.cohort import truth
    from spect2pet.core import images, provenance, tables
    from spect2pet.evaluate import evaluation, evaluation_columns, similarity, uncertainty
    from spect2pet.register import regions

    name, settings = snakemake.wildcards.subject, snakemake.params.settings
    inputs, outputs = snakemake.input, snakemake.output
    subject, relative = evaluation.read_subject(inputs.spect, inputs.p2p, inputs.pet)
    mask, _ = images.read_image(inputs.mask)
    labels, _ = images.read_image(inputs.dseg)

    measures, slices = similarity.compare_subject(
        name, subject, relative, mask, labels, similarity.Settings(**settings)
    )
    made_by = provenance.stamp(
        settings, code=snakemake.params.code, packages=["numpy", "pandas", "scikit-image", "scipy"]
    )
    tables.write_table(outputs.similarity, measures, evaluation_columns.SUBJECT_SIMILARITY, made_by)
    tables.write_table(outputs.slices, slices, evaluation_columns.SUBJECT_SLICES, made_by)

    true_flow = truth.true_flow(*inputs.truth, inputs.pet) if inputs.truth else None
    means = evaluation.region_means(
        name, subject, relative, mask, labels, regions.load_groups(inputs.groups), true_flow
    )
    tables.write_table(outputs.regions, means, evaluation_columns.SUBJECT_REGIONS, made_by)

    if outputs.get("uncertainty"):
        deviation, _ = images.read_image(inputs.uncertainty)
        tables.write_table(
            outputs.uncertainty,
            uncertainty.measure_subject(name, subject, deviation, relative, mask),
            evaluation_columns.SUBJECT_UNCERTAINTY,
            made_by,
        )
