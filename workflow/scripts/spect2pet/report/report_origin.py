"""The report's origin: configuration, seeds, versions and fingerprints of what it shows."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from spect2pet.core import privacy
from spect2pet.report import report_html as h
from spect2pet.report.report_study import Study


def how_made(study: Study, made_by: Mapping[str, Any]) -> str:
    """Configuration, seeds, versions and fingerprints, as HTML, beside `provenance.stamp`'s."""
    config = study.config
    drawn = "Registration and training" if study.card is None else "Registration"
    seeds = [(drawn, str(config["seed"]))]
    if study.card is None:
        seeds.append(("Split", str(config["split"]["seed"])))
    if study.simulated:
        seeds.append(("Simulated people", str(config["cohort"]["seed"])))
    seeds += [
        (f"Networks of {model.name}", ", ".join(str(one["seed"]) for one in model.trainings))
        for model in study.models
        if model.trainings
    ]
    stamps = _stamps(study, made_by)
    versions: dict[str, set[str]] = {}
    for _, stamp in stamps:
        for name, version in stamp["Libraries"].items():
            versions.setdefault(name, set()).add(version)
    code = pd.DataFrame(
        [
            {
                "result": name,
                "code": stamp["CodeFingerprint"],
                "settings": stamp["SettingsFingerprint"],
                "seed": str(stamp["Seed"]) if stamp["Seed"] is not None else h.NOTHING,
            }
            for name, stamp in stamps
        ]
    )
    libraries = [(name, ", ".join(sorted(found))) for name, found in sorted(versions.items())]
    settings = pd.DataFrame(config_rows(config), columns=["key", "value"])
    return (
        f'<div class="halves"><div><h3>Seeds</h3>{h.pairs(seeds)}'
        f"<h3>spect2pet</h3>{h.pairs([('version', made_by['Version'])])}</div>"
        f"<div><h3>Versions</h3>{h.pairs(libraries)}</div></div>"
        + h.folded("Fingerprints of code and settings, by result", h.table(code))
        + h.folded(
            "Configuration, every key (paths and words of headers are not shown)",
            h.table(settings),
        )
    )


def _stamps(study: Study, made_by: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Where the results come from: the record of each, once for all subjects that share it."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}

    def add(name: str, about: Mapping[str, Any] | None) -> None:
        if about and "GeneratedBy" in about:
            stamp = about["GeneratedBy"]
            found.setdefault((name, stamp["CodeFingerprint"]), stamp)

    for subject in study.subjects:
        for modality, about in subject.sidecars.items():
            add(f"prepared {modality.upper()}", about)
        add("registration check", subject.check)
    for model in study.models:
        for training in model.trainings:
            add(f"{model.name}: networks", training)
        for name, table in model.tables.items():
            add(f"{model.name}: {name}.tsv", table.about)
        for name, record in model.records.items():
            add(f"{model.name}: {name}.json", record)
    for name, table in study.methods.items():
        add(f"{name}.tsv", table.about)
    found["this report", made_by["CodeFingerprint"]] = made_by
    return [(name, stamp) for (name, _), stamp in found.items()]


def config_rows(config: Mapping[str, Any], where: str = "") -> list[tuple[str, str]]:
    """Every key of the configuration with its value, without what may name somebody."""
    rows = []
    for key, value in config.items():
        if key == "cohort" and not where and config["subjects"] is not None:
            continue
        if isinstance(value, Mapping):
            rows += config_rows(value, f"{where}{key}: ")
        elif privacy.names_somebody(key, value) and not where.startswith("models:"):
            rows.append((f"{where}{key}", "given"))
        else:
            rows.append((f"{where}{key}", json.dumps(value, ensure_ascii=False)))
    return rows
