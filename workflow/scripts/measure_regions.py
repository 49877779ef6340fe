"""Measure the mean CBF of a subject's three images in every region."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads):
    from spect2pet.cohort import truth
    from spect2pet.core import images, provenance, tables
    from spect2pet.evaluate import evaluation, evaluation_columns
    from spect2pet.register import regions

    subject, relative = evaluation.read_subject(
        snakemake.input.spect, snakemake.input.p2p, snakemake.input.pet
    )
    mask, _ = images.read_image(snakemake.input.mask)
    dseg, _ = images.read_image(snakemake.input.dseg)
    columns = {name.lower(): image for name, image in subject.items()}
    if snakemake.input.truth:
        columns[evaluation.TRUTH] = truth.true_flow(*snakemake.input.truth, snakemake.input.pet)
    means = regions.region_table(columns, dseg, mask, regions.load_groups(snakemake.input.groups))
    means = evaluation.with_brain(means, columns, mask)
    means.insert(0, "subject", snakemake.wildcards.subject)
    means["relative"] = any(relative.values())
    if not snakemake.input.truth:
        means[evaluation.TRUTH] = float("nan")
    tables.write_table(
        snakemake.output.regions,
        means,
        evaluation_columns.SUBJECT_REGIONS,
        provenance.stamp({}, code=snakemake.params.code, packages=["numpy", "pandas", "scipy"]),
    )
