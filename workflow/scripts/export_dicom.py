"""Write the P2P image of one subject, and its uncertainty where there is one, as DICOM."""

from spect2pet.core import runtime

with runtime.job(
    snakemake.log[0], snakemake.params.threads, snakemake.input, snakemake.output, repeated=True
):
    from spect2pet.export import dicom_export

    for kind, output in snakemake.output.items():
        dicom_export.export_image(
            image=snakemake.input[kind],
            kind=kind,
            output=output,
            spect=snakemake.input.spect,
            transform=snakemake.input.transform or None,
            raw=snakemake.input.raw,
            series=snakemake.params.images["spect"]["series"],
            subject=snakemake.wildcards.subject,
            model=snakemake.wildcards.model,
            grid=snakemake.params.settings["grid"],
            identity=snakemake.params.settings["identity"],
        )
