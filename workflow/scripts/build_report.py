"""Make the report of the study: the page and the folder beside it."""

from itertools import chain

from spect2pet.core import runtime

source, params = snakemake.input, snakemake.params
inputs = [*source, *chain.from_iterable(params.implied.values())]
with runtime.job(snakemake.log[0], params.threads, inputs, snakemake.output):
    from pathlib import Path

    from spect2pet.core import niivue, provenance
    from spect2pet.report import report, report_study

    files = {**source, **params.implied}
    study = report_study.read_study(
        {name: list(files[name]) for name in report_study.SOURCES},
        models=params.models,
        first=params.first,
        subjects=params.subjects,
        config=params.config,
        subgroups=params.subgroups,
        card=params.card,
    )
    report.build(
        snakemake.output.page,
        snakemake.output.folder,
        study,
        captions={Path(path).stem: Path(path).read_text("utf-8") for path in source.captions},
        sources={name: Path(source[name]) for name in ("page", "style", "viewer", "script")},
        viewer=niivue.texts(),
        made_by=provenance.stamp(
            {"first": params.first},
            code=params.code,
            packages=["ipyniivue", "matplotlib", "nibabel", "numpy", "pandas"],
        ),
    )
