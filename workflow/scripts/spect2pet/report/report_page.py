"""The report's page: its sections, made of the study, in one file that fetches nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core import files, pages
from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.report import report_html as h
from spect2pet.report.report_checklists import TO_FILL, Item, claim, relaince
from spect2pet.report.report_evidence import evidence, methods
from spect2pet.report.report_methods import methods_text, number_citations
from spect2pet.report.report_origin import how_made
from spect2pet.report.report_result import result, without_pet
from spect2pet.report.report_study import Model, Study, outside_training, warnings_of
from spect2pet.report.report_subjects import table_of_subjects

#: What stands above the table of subjects where networks were trained.
SEEN = (
    "Networks have seen training subjects, and settings may have been chosen on validation "
    "subjects; only test subjects count."
)


def write_page(
    path: Path,
    study: Study,
    *,
    captions: Mapping[str, str],
    sources: Mapping[str, Path],
    viewer: Mapping[str, str],
    colours: Mapping[str, Any],
    made_by: Mapping[str, Any],
) -> None:
    """Write the page whole or not at all.

    Args:
        path: file to write; its pictures and subjects lie in a folder beside it, of its name.
        study: what it tells.
        captions: captions of tables and figures (reStructuredText), by name.
        sources: the files ``page``, ``style``, ``viewer``, ``script``.
        viewer: what `niivue.texts` gave.
        colours: what `report_images.colour_tables` gave.
        made_by: what `provenance.stamp` gave.
    """
    folder, atlas = path.stem, study.config["evaluate"]["atlas"]
    sections = {
        "title": "Study report" if study.compared else "Report of inference",
        "cohort": h.text(_cohort_line(study)),
        "models": _model_switch(study.models),
        "result": "".join(result(study, model, atlas) for model in study.models)
        if study.compared
        else without_pet(study),
        "methods": methods(study, captions, atlas) if study.compared else "",
        "evidence": "".join(evidence(model, captions, atlas) for model in study.models),
        "subjects": table_of_subjects(study),
        "seen": SEEN if study.compared and study.card is None else "",
        "warnings": _left_out(study, captions),
        "made": how_made(study, made_by),
        "text": _methods_text(study, atlas),
        "claim": _checklist(claim(study)),
        "relaince": _checklist(relaince(study)),
        "notice": h.text(RESEARCH_ONLY),
    }
    data = {
        "folder": folder,
        "models": [model.name for model in study.models],
        "subjects": [
            {"label": subject.label, "set": subject.set, "overlay": subject.overlay is not None}
            for subject in study.subjects
        ],
        "colours": colours,
        "differenceLimit": study.config["figures"]["difference_limit"],
    }
    page = pages.fill(sources, viewer)
    # "<" would let a text end the script that holds it.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = page.replace("/*{data}*/", text)
    for name, content in sections.items():
        page = page.replace(f"<!--{{{name}}}-->", content)
    with files.whole(path) as partial:
        partial.write_text(page, encoding="utf-8")


# --- Who it is about ----------------------------------------------------------------


def _cohort_line(study: Study) -> str:
    """Who it is about, in one line."""
    kind = "simulated subjects" if study.simulated else "subjects"
    sizes = [
        f"{len(study.of_set(name))} {name}"
        for name in ("train", "validation", "test")
        if study.of_set(name)
    ]
    alone = sum(subject.files.pet is None for subject in study.subjects)
    if alone:
        sizes.append(f"{alone} without PET")
    return f"{len(study.subjects)} {kind}: {', '.join(sizes)}"


def _model_switch(models: Sequence[Model]) -> str:
    """Buttons that choose the model that the page speaks of; none where there is one."""
    if len(models) == 1:
        return ""
    buttons = "".join(
        f'<button type="button" data-choose="{h.text(m.name)}">{h.text(m.name)}</button>'
        for m in models
    )
    return f'<div class="switch" role="group" aria-label="Model">{buttons}</div>'


def _left_out(study: Study, captions: Mapping[str, str]) -> str:
    """Who was left out, and every warning of those who were not."""
    excluded = study.config["exclude"]
    flow = ""
    if "cohort_flow" in study.figures:
        words = h.caption(captions["cohort_flow"])
        flow = h.figure(study.figures["cohort_flow"], "Subjects of the study", words)
    said = (
        f"Left out by the configuration (<code>exclude</code>): {', '.join(map(h.text, excluded))}."
        if excluded
        else "Nobody was left out by the configuration (<code>exclude</code>)."
    )
    outside = outside_training(study)
    rows = [
        {"subject": one.label, "set": one.set or h.NOTHING, "stage": stage, "warning": sentence}
        for one in study.subjects
        for stage, sentence in warnings_of(one, outside.get(one.label, ()))
    ]
    if not rows:
        return f"<p>{said}</p><p>No stage had a warning.</p>{flow}"
    return f"<p>{said}</p>{flow}" + h.table(pd.DataFrame(rows), fold_sets=False)


# --- Text and checklists ------------------------------------------------------------


def _methods_text(study: Study, atlas: str) -> str:
    """The methods for a paper, with references."""
    sections, references = number_citations(methods_text(study, atlas))
    words = "".join(
        f"<p><b>{h.text(title)}.</b> {_marked(content)}</p>" for title, content in sections
    )
    listed = "".join(f"<li>{h.text(reference)}</li>" for reference in references)
    return f'<div id="methods-text" class="paper">{words}<ol>{listed}</ol></div>'


def _marked(words: str) -> str:
    """Text in which what is left to the authors stands out."""
    marked = h.text(words)
    return marked.replace("[To be filled", "<mark>[To be filled").replace(
        "quantification.]", "quantification.]</mark>"
    )


def _checklist(items: Sequence[Item]) -> str:
    """A checklist as a table by section."""
    rows: list[str] = []
    section = ""
    for item in items:
        if item.section != section:
            section = item.section
            rows.append(f'<tr class="section"><th colspan="2">{h.text(section)}</th></tr>')
        answer = h.text(item.answer)
        if not item.complete and TO_FILL.lower() not in item.answer.lower():
            answer += f" <mark>The rest: {TO_FILL.lower()}</mark>"
        elif not item.complete:
            answer = f"<mark>{answer}</mark>" if item.answer == TO_FILL else answer
        rows.append(f"<tr><td>{h.text(item.name)}</td><td>{answer}</td></tr>")
    known = sum(item.complete for item in items)
    return (
        f"<p>{known} of {len(items)} items are known to the workflow in full.</p>"
        f'<div class="scroll"><table class="checklist">{"".join(rows)}</table></div>'
    )
