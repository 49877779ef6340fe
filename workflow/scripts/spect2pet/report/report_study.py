"""The files of a finished study, read and put in order for the report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core import tables
from spect2pet.core.errors import InputError
from spect2pet.evaluate.evaluation import HEADLINE_MEASURE, HEADLINE_SET, REFERENCE, SETS
from spect2pet.report.report_images import Files

#: Lists of files that a study is read from; see `read_study`.
SOURCES = (
    "tables", "figures", "trainings", "spect", "pet", "mask", "checks", "overlays", "prepared",
    "p2p", "uncertainty", "split",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table and what its sidecar says of its columns and of where it comes from."""

    rows: pd.DataFrame
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A model of the study and all that was measured of it.

    Attributes:
        name: as the config has it.
        settings: its section of the config.
        tables: its tables by name, without ending.
        records: its JSON files that belong to no table, by name.
        figures: its figures by name.
        trainings: what the training of each network wrote (training.json).
    """

    name: str
    settings: Mapping[str, Any]
    tables: dict[str, Table] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: dict[str, Path] = field(default_factory=dict)
    trainings: list[dict[str, Any]] = field(default_factory=list)

    def one(self, name: str, **where: Any) -> dict[str, Any]:
        """The row of a table with the given values; empty where there is none."""
        return one(self.tables.get(name), **where)

    @property
    def headline(self) -> dict[str, Any]:
        """P2P against SPECT in test subjects, by the measure that was published."""
        return self.one("similarity_tests", set=HEADLINE_SET, measure=HEADLINE_MEASURE)

    def line(self, name: str, image: str, atlas: str, scale: str) -> dict[str, Any]:
        """Regional CBF of an image on PET in test subjects, from one of the tables of regions."""
        return self.one(name, set=HEADLINE_SET, atlas=atlas, scale=scale, y=image, x=REFERENCE)


@dataclass(frozen=True)
class Subject:
    """A subject: set, images, and what earlier stages had to say.

    Attributes:
        label: without the prefix ``sub-``.
        set: train, validation or test; None without PET.
        files: images on the study grid.
        sidecars: what was written beside the prepared images, by modality.
        check: numbers of the registration; None without PET.
        overlay: picture of the registration; None without PET.
    """

    label: str
    set: str | None
    files: Files
    sidecars: Mapping[str, Mapping[str, Any]]
    check: Mapping[str, Any] | None
    overlay: Path | None


@dataclass(frozen=True)
class Study:
    """All that the report tells.

    Attributes:
        models: in the order of the report, the headline's first.
        subjects: test subjects first, then in the order of the study.
        methods: tables of all models together, by name, without ending.
        figures: figures of all models together, by name.
        config: the configuration.
        subgroups: by column of the subjects table, the value of every subject.
        card: card of the model that was given, None where models were trained.
    """

    models: Sequence[Model]
    subjects: Sequence[Subject]
    methods: Mapping[str, Table]
    figures: Mapping[str, Path]
    config: Mapping[str, Any]
    subgroups: Mapping[str, Mapping[str, str | None]]
    card: Mapping[str, Any] | None

    @property
    def simulated(self) -> bool:
        """Whether the subjects are those of the built-in cohort."""
        return self.config["subjects"] is None

    @property
    def compared(self) -> bool:
        """Whether there is a PET to compare with."""
        return bool(self.methods)

    @property
    def relative(self) -> int:
        """How many subjects have an image that is known only relative."""
        return sum(any(s["Relative"] for s in one.sidecars.values()) for one in self.subjects)

    def of_set(self, name: str) -> list[Subject]:
        """The subjects of one set."""
        return [subject for subject in self.subjects if subject.set == name]

    def method(self, model: str, name: str = HEADLINE_SET) -> dict[str, Any]:
        """The row of a model, of SPECT or of the ceiling in the table of methods."""
        return one(self.methods.get("methods"), set=name, model=model)


def one(table: Table | None, **where: Any) -> dict[str, Any]:
    """The first row of a table with the given values; empty where there is none."""
    if table is None:
        return {}
    chosen = table.rows
    for name, value in where.items():
        chosen = chosen[chosen[name] == value]
    records = chosen.head(1).to_dict("records")
    return {str(name): value for record in records for name, value in record.items()}


def read_study(
    sources: Mapping[str, Sequence[str]],
    *,
    models: Mapping[str, Mapping[str, Any]],
    first: str,
    subjects: Sequence[str],
    config: Mapping[str, Any],
    subgroups: Mapping[str, Mapping[str, str | None]],
    card: Mapping[str, Any] | None,
) -> Study:
    """Read what the report needs of a finished study.

    Args:
        sources: lists of files by the names of `SOURCES`.  ``tables`` and ``figures``: of models
            in folders of their names, and of all together.  ``trainings``: training.json of every
            network.  Of subjects, each in a folder ``sub-<label>``: ``spect``, ``pet``, ``mask``,
            ``checks``, ``overlays`` and ``prepared`` (sidecars); below a folder of the model
            ``p2p`` and ``uncertainty``.  ``split``: one file or none.
        models: settings by name.
        first: the model that the report begins with.
        subjects: labels, in the order of the study.
        config: the configuration.
        subgroups: by column of the subjects table, the value of every subject.
        card: card of the model that was given.

    Raises:
        InputError: a file is damaged.
    """
    told = {name: Model(name, settings) for name, settings in models.items()}
    methods: dict[str, Table] = {}
    figures: dict[str, Path] = {}
    for path in map(Path, dict.fromkeys(sources["tables"])):
        owner = told.get(path.parent.name)
        if path.suffix == ".json" and owner:
            owner.records[path.stem] = read_json(path)
        elif path.suffix == ".tsv" and (owner or path.parent.name == "evaluation"):
            table = Table(tables.read_table(path), read_json(path.with_suffix(".json")))
            (owner.tables if owner else methods)[path.stem] = table
    for path in map(Path, dict.fromkeys(sources["figures"])):
        owner = told.get(path.parent.name)
        (owner.figures if owner else figures)[path.stem] = path
    for path in map(Path, dict.fromkeys(sources["trainings"])):
        told[path.parents[2].name].trainings.append(read_json(path))
    ordered = sorted(told.values(), key=lambda model: model.name != first)
    return Study(ordered, _subjects(sources, subjects), methods, figures, config, subgroups, card)


def _subjects(sources: Mapping[str, Sequence[str]], labels: Sequence[str]) -> list[Subject]:
    """The subjects, by set as in `SETS`."""
    by_label = {
        name: {_label(path): Path(path) for path in sources[name]}
        for name in ("spect", "pet", "mask", "checks", "overlays")
    }
    by_model = {
        name: {(Path(path).parents[1].name, _label(path)): Path(path) for path in sources[name]}
        for name in ("p2p", "uncertainty")
    }
    sidecars: dict[str, dict[str, Any]] = {label: {} for label in labels}
    for path in map(Path, sources["prepared"]):
        sidecars[_label(path)][path.stem.rpartition("_")[2]] = read_json(path)
    sets = {}
    for table in sources["split"]:
        split = tables.read_table(table)
        sets = dict(zip(split["subject"], split["set"], strict=True))

    def subject(label: str) -> Subject:
        check = by_label["checks"].get(label)
        generated = {
            name: {model: path for (model, of), path in paths.items() if of == label}
            for name, paths in by_model.items()
        }
        return Subject(
            label,
            sets.get(label),
            Files(
                by_label["spect"][label],
                by_label["pet"].get(label),
                by_label["mask"].get(label),
                generated["p2p"],
                generated["uncertainty"],
            ),
            sidecars[label],
            read_json(check) if check else None,
            by_label["overlays"].get(label),
        )

    order = [*SETS, None]
    return sorted(map(subject, labels), key=lambda one: order.index(one.set))


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON file of the workflow's own.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); delete it and run the workflow again"
        ) from error


def _label(path: str | Path) -> str:
    """The label of the subject whose folder a file lies in."""
    return Path(path).parent.name.removeprefix("sub-")


# --- What is worth a warning ------------------------------------------------------


def warnings_of(subject: Subject, outside: Iterable[str] = ()) -> list[tuple[str, str]]:
    """What earlier stages warned of in a subject: the stage and the sentence.

    Args:
        subject: the subject.
        outside: what lies outside what a given model has seen.
    """
    found = [
        (f"prepared {modality.upper()}", sentence)
        for modality, about in subject.sidecars.items()
        for sentence in about["Warnings"]
    ]
    for modality, about in subject.sidecars.items():
        if about["Relative"]:
            found.append((f"prepared {modality.upper()}", "known only relative: it came as counts"))
    if subject.check is not None:
        found += [("registration", sentence) for sentence in subject.check["warnings"]]
    return found + [("outside training", sentence) for sentence in outside]


def outside_training(study: Study) -> dict[str, list[str]]:
    """What of each subject's SPECT lies outside what a given model has seen, by label."""
    found: dict[str, list[str]] = {}
    for model in study.models:
        table = model.tables.get("inference")
        for row in table.rows.to_dict("records") if table else []:
            if isinstance(row["warning"], str):
                found.setdefault(str(row["subject"]), []).extend(row["warning"].split("; "))
    return found
