"""The report's subjects: the table of all, and what the view of one says below its images."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET, MEASURES
from spect2pet.report import report_html as h
from spect2pet.report.report_study import Model, Study, Subject, outside_training, warnings_of


def ssim_by_subject(model: Model) -> dict[str, tuple[float, float, str]]:
    """SSIM with PET of SPECT and of P2P, and the set, by subject; empty without measures."""
    table = model.tables.get("similarity")
    if table is None:
        return {}
    wide = table.rows.pivot_table(
        index=["subject", "set"], columns="image", values=HEADLINE_MEASURE
    ).reset_index()
    return {
        str(row["subject"]): (row["SPECT"], row["P2P"], str(row["set"]))
        for row in wide.to_dict("records")
    }


def table_of_subjects(study: Study) -> str:
    """The table of all subjects, from which each can be opened, as HTML."""
    ssim = {model.name: ssim_by_subject(model) for model in study.models}
    outside = outside_training(study)
    compared = study.compared
    columns = [("Subject", ""), ("Set", "")]
    if compared:
        columns += [("SSIM, SPECT", "n"), ("SSIM, P2P", "n"), ("Gain", "n")]
        columns += [("Overlap", "n"), ("Correlation", "n")]
    columns += [("Relative", ""), ("Warnings", "n")]
    if study.card is not None:
        columns.append(("Outside training", "n"))
    head = "".join(
        f'<th scope="col"><button type="button">{name}</button></th>' for name, _ in columns
    )
    body = "".join(
        _subject_row(study, subject, ssim, len(outside.get(subject.label, ())))
        for subject in study.subjects
    )
    return (
        f'<div class="table"><div class="scroll"><table id="subject-table"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div></div>"
    )


def _subject_row(
    study: Study,
    subject: Subject,
    ssim: Mapping[str, Mapping[str, tuple[float, float, str]]],
    outside: int,
) -> str:
    """One subject; what depends on the model stands once for each."""
    label = h.text(subject.label)
    cells = [
        f'<td><a href="#subject={label}">{label}</a></td>',
        f"<td>{subject.set or h.NOTHING}</td>",
    ]
    if study.compared:
        for k in range(3):
            kinds = []
            for model in study.models:
                spect, p2p, _ = ssim[model.name].get(subject.label, (None, None, ""))
                gain = p2p - spect if p2p is not None and spect is not None else None
                value = (spect, p2p, gain)[k]
                key = f' data-v="{value:.6g}"' if h.known(value) else ""
                kinds.append(
                    f'<span data-model="{h.text(model.name)}"{key}>{h.number(value, 3)}</span>'
                )
            cells.append(f'<td class="n">{"".join(kinds)}</td>')
        after = subject.check["coregistration"]["after"] if subject.check else {}
        cells += [
            f'<td class="n">{h.number(after.get(name), 3)}</td>'
            for name in ("overlap", "correlation")
        ]
    relative = any(about["Relative"] for about in subject.sidecars.values())
    cells.append(f"<td>{'yes' if relative else 'no'}</td>")
    cells.append(f'<td class="n">{len(warnings_of(subject)) or h.NOTHING}</td>')
    if study.card is not None:
        cells.append(f'<td class="n">{outside or h.NOTHING}</td>')
    kind = "" if subject.set in (None, HEADLINE_SET) else ' class="other"'
    return f"<tr{kind}>{''.join(cells)}</tr>"


def subject_details(study: Study, subject: Subject) -> str:
    """What the view of a subject says below the images, as HTML."""
    parts = []
    if subject.check is not None:
        parts.append(f"<section><h3>Registration</h3>{_registration(subject.check)}</section>")
    warned = warnings_of(subject, outside_training(study).get(subject.label, ()))
    said = "".join(f"<li><b>{h.text(a)}</b> {h.text(b)}</li>" for a, b in warned)
    parts.append(
        f"<section><h3>Warnings</h3>{f'<ul>{said}</ul>' if said else '<p>None.</p>'}</section>"
    )
    return "".join(parts)


def _registration(check: Mapping[str, Any]) -> str:
    """The numbers of a registration."""
    moved, before, after = (check["coregistration"][k] for k in ("rotation_deg", "before", "after"))
    error = check["target_registration_error_mm"]
    rows = [
        ("SPECT was moved", f"{check['coregistration']['shift_mm']:.1f} mm, {moved:.1f}°"),
        ("Overlap of brains", f"{before['overlap']:.3f} → {after['overlap']:.3f}"),
        ("Correlation", f"{before['correlation']:.3f} → {after['correlation']:.3f}"),
        ("True error, mean", f"{error['mean']:.2f} mm" if error else ""),
        ("PET to template: overlap", f"{check['normalisation']['overlap']:.3f}"),
        ("Brain volume", f"{check['normalisation']['brain_volume_ml']:.0f} mL"),
        ("Empty regions", f"{len(check['empty_regions'])}"),
    ]
    return h.pairs(rows)


def model_details(model: Model, subject: Subject) -> str:
    """What the view of a subject says of one model, HTML: similarity and the brain's mean flow."""
    table = model.tables.get("similarity")
    if table is None:
        return ""
    rows = table.rows[table.rows["subject"] == subject.label].set_index("image")
    if rows.empty:  # there is no PET of this subject
        return ""
    names = [name for name in MEASURES if name in rows]
    shown = pd.DataFrame(
        {
            "measure": [h.MEASURE_NAMES.get(name, name) for name in names],
            **{image: [rows.at[image, name] for name in names] for image in ("SPECT", "P2P")},
        }
    )
    regions = model.one("regions", subject=subject.label, atlas="brain")
    flow = ""
    if regions:
        means = (f"{n} {h.number(regions[n.lower()], 1)}" for n in ("SPECT", "P2P", "PET"))
        flow = f"<p>Mean CBF of the brain: {', '.join(means)} mL/100 g/min.</p>"
    title = f"<h3>Similarity to PET, model {h.text(model.name)}</h3>"
    return f"<section>{title}{h.table(shown)}{flow}</section>"
