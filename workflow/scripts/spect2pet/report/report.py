"""The report of a study: one page and a folder beside it, to open from disk without a network.

The page holds all figures and tables.  In the folder lie for each subject a script with SPECT and
PET, one with P2P for each model, and a picture of the registration, which the page loads when the
subject is opened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spect2pet.core import folders
from spect2pet.report import report_images, report_page, report_subjects
from spect2pet.report.report_study import Study, Subject


def build(
    page: str | Path,
    folder: str | Path,
    study: Study,
    *,
    captions: Mapping[str, str],
    sources: Mapping[str, Path],
    viewer: Mapping[str, str],
    made_by: Mapping[str, Any],
) -> None:
    """Write the report; the page comes last, so that there is none without its folder.

    Args:
        page: the page to write.
        folder: folder to write, beside the page and of its name; what it held before goes.
        study: what the report tells.
        captions: captions of tables and figures (reStructuredText), by name.
        sources: the files that the page is made of, as `report_page.write_page` takes them.
        viewer: what `niivue.texts` gave.
        made_by: what `provenance.stamp` gave.

    Raises:
        InputError: an image or its sidecar is damaged, or the disk does not take the files.
    """
    page = Path(page)
    with folders.whole(folder) as partial:
        for model in study.models:
            (partial / model.name).mkdir()
        for subject in study.subjects:
            _write_subject(partial, study, subject)
    report_page.write_page(
        page,
        study,
        captions=captions,
        sources=sources,
        viewer=viewer,
        colours=report_images.colour_tables(),
        made_by=made_by,
    )


def _write_subject(folder: Path, study: Study, subject: Subject) -> None:
    """Write the scripts and the picture of one subject."""
    packed = report_images.pack_subject(subject.files)
    name = f"sub-{subject.label}"
    report_images.write_script(
        folder / f"{name}.js",
        "report.subject",
        {
            "label": subject.label,
            **packed.shared,
            "details": report_subjects.subject_details(study, subject),
        },
    )
    for model in study.models:
        report_images.write_script(
            folder / model.name / f"{name}.js",
            "report.model",
            {
                "label": subject.label,
                "model": model.name,
                **packed.models[model.name],
                "details": report_subjects.model_details(model, subject),
            },
        )
    if subject.overlay is not None:
        report_images.write_picture(subject.overlay, folder / f"{name}.webp")
