"""Draw up to which detail SPECT and P2P agree with PET."""

from spect2pet.core import runtime

with runtime.job(snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output):
    from spect2pet.core import images
    from spect2pet.evaluate import evaluation
    from spect2pet.figures import resolution_figure, style

    inputs, voxel_mm = snakemake.input, snakemake.params.voxel_mm
    paths = {"SPECT": inputs.spect, "P2P": inputs.p2p, resolution_figure.CEILING: inputs.ceiling}
    details = {name: [] for name in paths if paths[name]}
    for k, pet in enumerate(inputs.pet):
        of_subject = {name: paths[name][k] for name in details}
        voxels, _ = evaluation.read_images({**of_subject, evaluation.REFERENCE: pet})
        mask, _ = images.read_image(inputs.mask[k])
        for name, own in details.items():
            own.append(
                resolution_figure.detail_of(
                    voxels[name], voxels[evaluation.REFERENCE], mask, voxel_mm
                )
            )
    figure = resolution_figure.draw_resolution(details, voxel_mm)
    style.save(figure, snakemake.output.png, snakemake.output.svg)
