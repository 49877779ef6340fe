"""A finished study as a dataset in the Brain Imaging Data Structure (BIDS).

Names and metadata are those of BIDS 1.11.1 for derivatives (its schema, version 1.2.7):

- PET and P2P lie in ``pet/``.  Only PET as it was scanned has no entity ``desc``; that of a P2P is
  the model's name, and its sidecar says that it is no measurement.
- BIDS has masks and segmentations for ``anat``, ``func`` and ``dwi`` alone, so brain mask and
  regions lie in ``anat/``.
- SPECT is no datatype of BIDS.  It is named by the rules for unspecified data (BIDS, Common
  principles), in ``spect/``, which ``.bidsignore`` names.  In ``pet/`` it would pass for PET, and
  ``sourcedata/`` is for what has not been processed.
- The study grid is nobody's standard space, so every sidecar names its reference image
  (``SpatialReference``): the subject's PET, or SPECT where there is no PET.

What goes into the dataset is chosen key by key and column by column, so that nothing of the raw
headers or of the subjects table reaches it but labels.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core import folders, tables
from spect2pet.core.errors import InputError
from spect2pet.core.images import CBF_UNIT, sidecar_path
from spect2pet.core.provenance import RESEARCH_ONLY, VERSION, write_json

BIDS_VERSION = "1.11.1"
SPACE = "space-study"

#: What the validator shall pass over.  With a slash at its end, or ``**``, it would still report
#: the folder itself.
IGNORED = "/sub-*/spect\n/evaluation\n"

#: Values of the column ``group`` that the simulated cohort has.
GROUPS = {"patient": "With perfusion deficits, but for a few", "control": "Healthy"}

PARTICIPANTS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "Label of the subject"},
    "set": {
        "Description": "What the subject was used for; only P2P of test subjects say how good a "
        "model is. n/a: there is no PET to compare with",
        "Levels": {
            "train": "The models have learnt from the subject's SPECT and PET",
            "validation": "The models were chosen by the subject's SPECT and PET",
            "test": "The model that made P2P has never met the subject",
        },
    },
    "fold": {"Description": "Fold, from 0, whose networks made P2P. n/a: there is no PET"},
    "group": {"Description": "Simulated group", "Levels": GROUPS},
}

README = """\
# Cerebral blood flow from SPECT, PET and P2P

Results of spect2pet {version} on {subjects} subjects{simulated}: SPECT, the PET-like images (P2P)
that models make from it, and PET where there is one. {notice}

- All flow is in mL/100 g/min. `Relative` in a sidecar: known only up to a factor.
- All images of a subject lie on one grid, the study grid (`space-study`), in the space of the
  subject's PET, or of the SPECT where there is no PET. Left and right are those of the NIfTI
  affine (RAS+).
- `sub-*/pet/*_space-study_pet.nii.gz` is PET as it was scanned. An image with a `desc` is **not a
  measurement**: a model computed it from SPECT. `descriptions.tsv` lists the models.
- `sub-*/spect/` holds SPECT, which is no datatype of BIDS; `.bidsignore` names it.
- `sub-*/anat/` holds brain mask and regions of subjects with PET, to which both were registered;
  `desc-aal_dseg.tsv` names the regions.
- `participants.tsv` says which subjects the models have learnt from. Only test subjects say how
  good a model is.
- `evaluation/` holds, for each model, similarity to PET and regional flow of all subjects.

Before it is given to others, the dataset needs `Authors` and `License` in
`dataset_description.json`.
"""


@dataclass(frozen=True)
class Study:
    """The files of a study that go into the dataset.

    Attributes:
        spect: SPECT on the study grid, one a subject.
        pet: PET on the study grid, of the subjects who have one.
        masks: their brain masks.
        regions: their atlas regions.
        p2p: P2P images, ``<model>/sub-<subject>/sub-<subject>_….nii.gz``.
        uncertainty: standard deviations over the networks of a model, in the same folders.
        tables: tables of the whole study, ``<model>/<name>.tsv``.
        split: split.tsv, None where nobody has a PET.
        atlas: aal_groups.tsv, the names of the regions, with its sidecar.
    """

    spect: Sequence[str]
    pet: Sequence[str]
    masks: Sequence[str]
    regions: Sequence[str]
    p2p: Sequence[str]
    uncertainty: Sequence[str]
    tables: Sequence[str]
    split: str | None
    atlas: str


@dataclass(frozen=True)
class _Image:
    """An image of the study, its path in the dataset, and its sidecar there."""

    source: str
    place: str
    about: Mapping[str, Any]


def export_dataset(
    output: str | Path, study: Study, *, groups: Mapping[str, str] | None = None, code: str = ""
) -> None:
    """Write the dataset whole or not at all; what was there before stays until it is.

    Images are copied, so that a change to the dataset cannot reach the study.

    Args:
        output: folder to write.
        study: what to write.
        groups: group of every subject of the simulated cohort; None for real subjects.
        code: `provenance.code_fingerprint` of the script.

    Raises:
        InputError: names of two models become one, a sidecar is damaged, or the disk does not
            take the files.
    """
    with folders.whole(output) as partial:
        _fill(partial, study, groups, code)


def labels_of(models: Sequence[str]) -> dict[str, str]:
    """The BIDS label of every model: its name without hyphens and underscores.

    Labels are letters and digits alone (BIDS, Common principles, Entities).

    Raises:
        InputError: two models would have one label.
    """
    owner: dict[str, str] = {}
    for model in models:
        label = "".join(letter for letter in model if letter.isalnum())
        if owner.setdefault(label, model) != model:
            raise InputError(
                f"models {owner[label]} and {model} would both be called desc-{label} in the BIDS "
                "dataset; rename one of them in the config"
            )
    return {model: label for label, model in owner.items()}


def _fill(root: Path, study: Study, groups: Mapping[str, str] | None, code: str) -> None:
    """Write every file of the dataset."""
    models = list(dict.fromkeys(_model_of(path) for path in study.p2p))
    labels = labels_of(models)
    for image in _images(study, labels):
        target = root / image.place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.source, target)
        write_json(sidecar_path(target), image.about)
    participants = _participants(study, groups)
    _write_table(root / "participants.tsv", participants, "The subjects of the study", PARTICIPANTS)
    _write_table(root / "descriptions.tsv", _descriptions(study, labels), "What each desc is")
    _write_regions(root, study)
    for table in map(Path, study.tables):
        _copy_table(table, root / "evaluation" / table.parent.name / table.name)
    simulated = "" if groups is None else ", all of them simulated"
    write_json(root / "dataset_description.json", _dataset_description(simulated, code))
    readme = README.format(
        version=VERSION, subjects=len(participants), simulated=simulated, notice=RESEARCH_ONLY
    )
    (root / "README.md").write_text(readme, encoding="utf-8")
    (root / ".bidsignore").write_text(IGNORED, encoding="utf-8")


def _dataset_description(simulated: str, code: str) -> dict[str, Any]:
    """Content of dataset_description.json (BIDS, Dataset description)."""
    return {
        "Name": f"Cerebral blood flow from SPECT, PET and P2P{simulated}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "spect2pet",
                "Version": VERSION,
                "Description": f"PET-like images from SPECT. {RESEARCH_ONLY}",
                "CodeFingerprint": code,
            }
        ],
    }


# --- Images -------------------------------------------------------------------


def _images(study: Study, labels: Mapping[str, str]) -> Iterator[_Image]:
    """Every image of the dataset."""
    spect = {_subject_of(path): _uri(_place(path, "spect", "spect")) for path in study.spect}
    pet = {_subject_of(path): _uri(_place(path, "pet", "pet")) for path in study.pet}

    def image(path: str, folder: str, suffix: str, desc: str = "", **about: Any) -> _Image:
        subject = _subject_of(path)
        reference = {"SpatialReference": pet.get(subject, spect[subject])}
        return _Image(path, _place(path, folder, suffix, desc), {**about, **reference})

    for path in study.spect:
        what = "SPECT on the study grid"
        yield image(path, "spect", "spect", Description=what, **_flow(path))
    for path in study.pet:
        what = "PET as it was scanned, on the study grid"
        yield image(path, "pet", "pet", Description=what, **_flow(path))
    for path in study.masks:
        yield image(
            path,
            "anat",
            "mask",
            "brain",
            Description="Brain mask on the study grid",
            Type="Brain",
            Sources=[pet[_subject_of(path)], spect[_subject_of(path)]],
        )
    for path in study.regions:
        # Described for all subjects at once, by desc-aal_dseg.json.
        yield image(path, "anat", "dseg", "aal", Sources=[pet[_subject_of(path)]])
    for paths, ending, words in (
        (study.p2p, "", "P2P: a PET-like image"),
        (study.uncertainty, "Uncertainty", "Standard deviation of P2P over the networks"),
    ):
        for path in paths:
            model = _model_of(path)
            yield image(
                path,
                "pet",
                "pet",
                f"{labels[model]}{ending}",
                Description=f"{words} that the model {model} computed from SPECT, "
                "not a measurement",
                **_flow(path),
                Model=model,
                ModelFingerprints=_sidecar(path, "ModelFingerprints")["ModelFingerprints"],
                Sources=[spect[_subject_of(path)]],
            )


def _flow(path: str) -> dict[str, Any]:
    """What the sidecar of an image of flow says in the dataset."""
    about = _sidecar(path, "Units", "Relative")
    if about["Units"] != CBF_UNIT:
        raise _damaged(path, f"its unit is not {CBF_UNIT}")
    return {"Units": CBF_UNIT, "Relative": bool(about["Relative"]), "SkullStripped": False}


def _sidecar(image: str, *keys: str) -> dict[str, Any]:
    """The sidecar of an image of the study, which must have some keys."""
    try:
        about = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
        return {key: about[key] for key in keys}
    except (ValueError, TypeError, KeyError):
        raise _damaged(image, f"it does not say {' and '.join(keys)}") from None


def _damaged(image: str, why: str) -> InputError:
    return InputError(
        f"{sidecar_path(image)}: cannot be used ({why}); delete it and run the workflow again"
    )


def _place(path: str, folder: str, suffix: str, desc: str = "") -> str:
    """Path of an image in the dataset, by the order of entities of BIDS."""
    subject = _subject_of(path)
    described = f"_desc-{desc}" if desc else ""
    return f"{subject}/{folder}/{subject}_{SPACE}{described}_{suffix}.nii.gz"


def _uri(place: str) -> str:
    """BIDS URI of a file of the dataset itself (BIDS, Common principles, BIDS URIs)."""
    return f"bids::{place}"


def _subject_of(path: str) -> str:
    """The subject's entity, ``sub-<label>``, of an image's name."""
    return Path(path).name.partition("_")[0]


def _model_of(path: str) -> str:
    """The model that made an image, by the folder that holds its subjects."""
    return Path(path).parents[1].name


# --- Tables -------------------------------------------------------------------


def _participants(study: Study, groups: Mapping[str, str] | None) -> pd.DataFrame:
    """The rows of participants.tsv, as text."""
    split = pd.DataFrame(columns=["subject", "set", "fold"])
    if study.split is not None:
        split = tables.read_table(study.split)
    rows = split.astype(str).set_index("subject")
    subjects = [_subject_of(path) for path in study.spect]
    bare = [subject.removeprefix("sub-") for subject in subjects]
    table = rows[["set", "fold"]].reindex(bare).reset_index(drop=True)
    table.insert(0, "participant_id", subjects)
    if groups is not None:
        table["group"] = [groups[label] if groups[label] in GROUPS else None for label in bare]
    return table


def _descriptions(study: Study, labels: Mapping[str, str]) -> pd.DataFrame:
    """The rows of descriptions.tsv, which says what each ``desc`` means (BIDS, Derivatives)."""
    uncertain = {_model_of(path) for path in study.uncertainty}
    rows = []
    for model, label in labels.items():
        made = f"PET-like image computed from SPECT by the model {model}"
        rows.append((f"desc-{label}", f"P2P: {made}"))
        if model in uncertain:
            what = f"Standard deviation over its networks of the {made}"
            rows.append((f"desc-{label}Uncertainty", what))
    if study.pet:
        rows += [("desc-brain", "Brain mask"), ("desc-aal", "Regions of the AAL2 atlas")]
    return pd.DataFrame(rows, columns=["desc_id", "description"])


def _write_regions(root: Path, study: Study) -> None:
    """Write the names of the regions, for all subjects at once by the inheritance principle."""
    if not study.regions:
        return
    table = pd.read_csv(study.atlas, sep="\t", dtype=str, keep_default_na=False)
    about = json.loads(Path(study.atlas).with_suffix(".json").read_text(encoding="utf-8"))
    renamed = {"region": "name"}
    columns = {renamed.get(name, name): about[name] for name in table.columns}
    columns["index"] = {**columns["index"], "Format": "integer"}
    _write_table(
        root / "desc-aal_dseg.tsv",
        table.rename(columns=renamed),
        "AAL2 regions on the study grid, and the names of their indices",
        columns,
    )


def _copy_table(source: Path, target: Path) -> None:
    """Copy a table of the study, and of its sidecar what describes the columns."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    columns = pd.read_csv(source, sep="\t", nrows=0).columns
    about = json.loads(source.with_suffix(".json").read_text(encoding="utf-8"))
    described = {name: {"Description": about[name]["Description"]} for name in columns}
    write_json(target.with_suffix(".json"), described)


def _write_table(
    path: Path,
    table: pd.DataFrame,
    description: str,
    columns: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write a table as BIDS has them, and the sidecar of those columns that BIDS does not know."""
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
    described = {name: columns[name] for name in table.columns} if columns else {}
    write_json(path.with_suffix(".json"), {"Description": description, **described})
