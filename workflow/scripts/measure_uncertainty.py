"""Measure how far a subject's uncertainty tells where its P2P is wrong."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet.core import images, provenance, tables
    from spect2pet.evaluate import evaluation, evaluation_columns, uncertainty

    inputs = snakemake.input
    paths = dict(zip(uncertainty.IMAGES, (inputs.p2p, inputs.uncertainty, inputs.pet), strict=True))
    subject, relative = evaluation.read_images(paths)
    mask, _ = images.read_image(inputs.mask)
    tables.write_table(
        snakemake.output.uncertainty,
        uncertainty.measure_subject(snakemake.wildcards.subject, subject, relative, mask),
        evaluation_columns.SUBJECT_UNCERTAINTY,
        provenance.stamp({}, code=snakemake.params.code, packages=["numpy", "pandas", "scipy"]),
    )
