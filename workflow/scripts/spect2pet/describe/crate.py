"""A finished study as a Workflow Run RO-Crate.

A Research Object Crate (RO-Crate 1.1; Soiland-Reyes et al., Data Science 2022) is a folder with a
description of itself in JSON-LD.  This one follows the profile Workflow Run Crate 0.5 (Leo et al.,
PLoS ONE 2024): the workflow, one run of it, what went in and what came out.

- The folder is complete in itself, as the specification asks: a file must lie below the folder
  or have an address of its own.  Code, configuration, tables, figures and the report are copied,
  each to the path that it has in the study.
- Images, networks and what the user gave are named by their content alone, in the form
  ``ni:///sha-256;…`` (RFC 6920), so the folder shows nobody's scan, path or file name.
- It tells no time of the run, so that equal studies give equal bytes.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.model.preview import Preview
from rocrate.rocrate import ROCrate

from spect2pet.core import folders
from spect2pet.core.provenance import RESEARCH_ONLY, VERSION
from spect2pet.describe import payload
from spect2pet.describe.payload import Sum

#: Day on which this version of the workflow was released.
RELEASED = "2026-11-23"
#: Profiles by address: name and version.
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
#: RO-Crate 1.1 has no word for a checksum; this is the profile's.
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SUMS = "checksums.sha256"
SOURCE = ["File", "SoftwareSourceCode"]
MIT = "https://spdx.org/licenses/MIT"
#: Media types by the end of a file's name.
MEDIA = {
    ".html": "text/html",
    ".cff": "application/yaml",
    ".json": "application/json",
    ".nii.gz": "application/gzip",
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".smk": "text/plain",
    ".svg": "image/svg+xml",
    ".sha256": "text/plain",
    ".tsv": "text/tab-separated-values",
    "LICENSE": "text/plain",
    "Snakefile": "text/plain",
    ".yaml": "application/yaml",
}
#: What goes into a run and comes out of it: name, what it is, and its type in the profile.
PARAMETERS = {
    "config": ("The configuration, without paths", "File"),
    "seed": ("Seed of registration and training; the configuration has the others", "Integer"),
    "table": ("Table of the subjects", "File"),
    "model": ("Networks that were trained elsewhere", "File"),
    "raw": ("Raw images", "File"),
    "report": ("The report of the study", "File"),
    "tables": ("Tables, and sidecars that describe their columns", "File"),
    "figures": ("Figures, in pixels and in vectors", "File"),
    "networks": ("Trained networks, and the cards that describe them", "File"),
    "images": ("Images on the study grid: SPECT, PET, P2P and its uncertainty", "File"),
}
INPUTS = ("config", "seed", "table", "model", "raw")


@dataclass(frozen=True)
class Study:
    """The files of a study, by paths from its folder.

    Attributes:
        kept: results that are copied into the crate, by the parameter that they belong to.
        named: results that are named by their content alone, likewise.
        others: further files of the study that only the list of checksums has.
        workflow: files of the workflow, by paths from ``home``, which are copied.
        given: what the user gave, likewise by parameter and named by its content; ``raw`` is not
            among it.
        raw: subject, modality and path of every raw image of the user's.
        subjects: number of subjects.
        simulated: they are simulated.
        home: the folder of the workflow, by default the study's own.
    """

    kept: Mapping[str, Sequence[str]]
    named: Mapping[str, Sequence[str]]
    others: Sequence[str]
    workflow: Sequence[str]
    given: Mapping[str, Sequence[str]]
    raw: Sequence[tuple[str, str, str]]
    subjects: int
    simulated: bool
    home: Path = Path()


@dataclass
class _Run:
    """A crate in the making, and what went into its run and came out, by identifier."""

    crate: ROCrate
    objects: dict[str, Entity] = field(default_factory=dict)
    results: dict[str, Entity] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def add(self, parameter: str, entity: Entity) -> None:
        """Make an entity input or output of the run."""
        entity.append_to("exampleOfWork", {"@id": f"#{parameter}"}, compact=True)
        (self.objects if parameter in INPUTS else self.results)[entity.id] = entity
        self.used.add(parameter)


def describe(
    output: str | Path, study: Study, *, config: Mapping[str, Any], snakemake_version: str
) -> None:
    """Write the crate whole or not at all; the same bytes for the same study.

    Args:
        output: folder to write.
        study: what it tells.
        config: the configuration with all defaults, as `privacy.nameless` gives it.
        snakemake_version: version of Snakemake.

    Raises:
        InputError: a raw image is gone, or the disk does not take the files.
    """
    raw = payload.sums_of_raw(study.raw)
    with folders.whole(output) as folder:
        kept, named = _sums(study.kept), _sums(study.named)
        workflow = [payload.sum_of(path, study.home) for path in study.workflow]
        others = [payload.sum_of(path) for path in study.others]
        payload.copy_files([one.path for one in _all(kept)], folder)
        payload.copy_files(study.workflow, folder, study.home)
        payload.write_config(config, folder)
        payload.write_sums([*_all(kept), *_all(named), *workflow, *others], folder / SUMS)
        run = _Run(_empty_crate(study, config))
        main = _add_workflow(run.crate, workflow, snakemake_version)
        _add_inputs(run, folder, study, config, raw)
        for name, one in _pairs(kept):
            run.add(name, _add_file(run.crate, one))
        for name, one in _pairs(named):
            run.add(name, _add_named(run.crate, one))
        _add_parameters(run, main)
        sidecars = [one.path for one in (*_all(kept), *others) if one.path.endswith(".json")]
        _add_libraries(run.crate, main, payload.libraries(sidecars))
        _add_action(run, main)
        _add_file(run.crate, payload.sum_of(folder / SUMS), SUMS, "Checksums of the study")
        _write(run.crate, folder)


def _sums(paths: Mapping[str, Sequence[str]]) -> dict[str, list[Sum]]:
    """Checksums of files by parameter."""
    return {
        name: [payload.sum_of(path) for path in dict.fromkeys(some)] for name, some in paths.items()
    }


def _pairs(sums: Mapping[str, Sequence[Sum]]) -> Iterator[tuple[str, Sum]]:
    """Every file with the parameter that it belongs to."""
    return ((name, one) for name, some in sums.items() for one in some)


def _all(sums: Mapping[str, Sequence[Sum]]) -> list[Sum]:
    """Every file."""
    return [one for _, one in _pairs(sums)]


def _write(crate: ROCrate, folder: Path) -> None:
    """Write the description and its page; the files that it tells of are there already."""
    preview = crate.add(Preview(crate))
    crate.metadata.write(folder)
    preview.write(folder)


# --- What it is about -----------------------------------------------------------------


def _empty_crate(study: Study, config: Mapping[str, Any]) -> ROCrate:
    """A crate that says what it is, whose it is, and how it may be used."""
    crate, told = ROCrate(version="1.1"), config["publication"]
    crate.metadata.extra_terms = TERMS
    for address, (name, version) in PROFILES.items():
        about = {"@type": "CreativeWork", "name": name, "version": version}
        crate.root_dataset.append_to("conformsTo", _thing(crate, address, about))
    subjects = f"{study.subjects} {'simulated ' if study.simulated else ''}subjects"
    crate.name = told["title"] or f"spect2pet: PET-like images from SPECT of {subjects}"
    dated = "" if told["date"] else " The date is that of the workflow's version."
    crate.description = (
        f"A run of spect2pet {VERSION} on {subjects}: the workflow, its configuration, what "
        "went in and what came out. Tables, figures and the report are here; images, "
        f"networks and raw scans are named by their checksums.{dated} {RESEARCH_ONLY}"
    )
    crate.datePublished = told["date"] or RELEASED
    crate.license = _licence(crate, told["license"])
    for author in told["authors"]:
        crate.root_dataset.append_to("author", _person(crate, author))
    return crate


def _licence(crate: ROCrate, address: str | None) -> ContextEntity | str:
    """The licence of the results, or that there is none yet."""
    if address is not None:
        return _thing(crate, address, {"@type": "CreativeWork", "name": address})
    return (
        "None yet: who ran the study has not said how its results may be used. "
        "The workflow itself has the MIT licence."
    )


def _person(crate: ROCrate, author: Mapping[str, Any]) -> ContextEntity:
    """An author, by ORCID where there is one."""
    address = f"https://orcid.org/{author['orcid']}" if author.get("orcid") else None
    identifier = address or "#" + "-".join(author["name"].split())
    return _thing(crate, identifier, {"@type": "Person", "name": author["name"]})


# --- The workflow and its run -----------------------------------------------------------


def _add_workflow(crate: ROCrate, files: Sequence[Sum], snakemake_version: str) -> Entity:
    """The workflow: the Snakefile with the files of its rules, and the folders of the rest."""
    about = {"@type": "CreativeWork", "name": "MIT License", "identifier": MIT}
    licence = _thing(crate, MIT, about)
    sums = {one.path: one for one in files}
    main = crate.add_workflow(
        dest_path="Snakefile",
        main=True,
        lang="snakemake",
        lang_version=snakemake_version,
        properties={
            "name": "spect2pet",
            "version": VERSION,
            "description": "Trains a network to make PET-like images of cerebral blood flow from "
            f"SPECT, and measures how far to trust them. {RESEARCH_ONLY}",
            **_content(sums["Snakefile"], "Snakefile"),
        },
    )
    main["license"] = licence
    main["conformsTo"] = {"@id": BIOSCHEMAS}
    for one in files:
        if one.path.endswith(".smk"):
            rules = _add_file(crate, one, name=f"Rules: {Path(one.path).stem}", kind=SOURCE)
            rules["programmingLanguage"], rules["version"] = main["programmingLanguage"], VERSION
            main.append_to("hasPart", rules)
    names = {
        "workflow/": "Rules, scripts, library and resources of the workflow",
        "envs/": "Environments of the rules",
    }
    for place, name in names.items():
        crate.add_dataset(dest_path=place, properties={"name": name})
    for path in ("LICENSE", "CITATION.cff"):
        if path in sums:
            _add_file(crate, sums[path])
    return main


def _add_inputs(
    run: _Run, folder: Path, study: Study, config: Mapping[str, Any], raw: Sequence[Sum]
) -> None:
    """Everything that went in."""
    crate, own = run.crate, payload.sum_of(folder / payload.CONFIG)
    run.add("config", _add_file(crate, own, payload.CONFIG, "Configuration"))
    seed = {"@type": "PropertyValue", "name": "seed", "value": str(config["seed"])}
    run.add("seed", _thing(crate, "#seed-value", seed))
    for name, one in _pairs(_sums(study.given)):
        run.add(name, _add_named(crate, replace(one, path=PARAMETERS[name][0])))
    for one in raw:
        run.add("raw", _add_named(crate, one))


def _add_parameters(run: _Run, main: Entity) -> None:
    """What every input and output of the run is an example of."""
    for name in (name for name in PARAMETERS if name in run.used):
        description, kind = PARAMETERS[name]
        about = {
            "@type": "FormalParameter",
            "name": name,
            "description": description,
            "additionalType": kind,
        }
        parameter = _thing(run.crate, f"#{name}", about)
        main.append_to("input" if name in INPUTS else "output", parameter)


def _add_libraries(crate: ROCrate, main: Entity, found: Iterable[tuple[str, str]]) -> None:
    """The libraries that made the results, by package URL (purl, ECMA-427)."""
    for name, version in found:
        about = {"@type": "SoftwareApplication", "name": name, "version": version}
        kind = "generic" if name == "python" else "pypi"
        address = f"pkg:{kind}/{name.lower()}@{version}"
        main.append_to("softwareRequirements", _thing(crate, address, about))


def _add_action(run: _Run, main: Entity) -> None:
    """The run of the workflow."""
    root = run.crate.root_dataset
    action = _thing(
        run.crate,
        "#run",
        {
            "@type": "CreateAction",
            "name": "Run of the study",
            "description": "What the configuration asks for, from raw images to the report. "
            "Sidecars of the results say of each step its settings, seed and code.",
        },
    )
    action["instrument"] = main
    action["object"] = list(run.objects.values())
    action["result"] = list(run.results.values())
    if "author" in root:
        action["agent"] = root["author"]
    root["mentions"] = action


# --- Entities ---------------------------------------------------------------------------


def _thing(crate: ROCrate, identifier: str, properties: Mapping[str, Any]) -> ContextEntity:
    """Something that is no file of the crate, once."""
    return crate.get(identifier) or crate.add(
        ContextEntity(crate, identifier, properties=dict(properties))
    )


def _add_file(
    crate: ROCrate, one: Sum, place: str = "", name: str = "", kind: str | list[str] = "File"
) -> Entity:
    """A file that the crate holds, by default where it lies in the study."""
    place = place or one.path
    about = {"@type": kind, "name": name or place, **_content(one, place)}
    return crate.add_file(dest_path=place, properties=about)


def _add_named(crate: ROCrate, one: Sum) -> Entity:
    """A file that is known by its content alone (RFC 6920, section 3), with all its names."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(one.sha256)).decode().rstrip("=")
    address = f"ni:///sha-256;{digest}"
    if address in crate:
        crate.get(address).append_to("alternateName", one.path)
        return crate.get(address)
    about = {"name": one.path, **_content(one, one.path)}
    if one.files > 1:
        about["description"] = (
            f"{one.files} files; the checksum is that of their sorted checksums, one a line"
        )
    return crate.add_file(address, properties=about)


def _content(one: Sum, name: str) -> dict[str, Any]:
    """Checksum, size and, where the end of the name tells it, media type of a file."""
    about = {"sha256": one.sha256, "contentSize": str(one.size)}
    media = next((media for end, media in MEDIA.items() if name.endswith(end)), None)
    return about if media is None else {**about, "encodingFormat": media}
