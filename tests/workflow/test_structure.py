"""The house: every rule and file carries what a reader and a cluster need."""

import inspect
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from snakemake import sourcecache

from conftest import ROOT

RULE_FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
TARGETS = [
    "all", "subjects_table", "cohort", "registration", "train", "infer", "evaluate", "figures",
    "dicom_export", "bids", "reading_session", "readings",
]  # fmt: skip


def rules_of(path: Path) -> dict[str, str]:
    """The text of every rule in a file, by name."""
    parts = re.split(r"^rule (\w+):$", path.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


RULES = {name: text for path in RULE_FILES for name, text in rules_of(path).items()}


def section(text: str, keyword: str) -> str:
    """What stands under a keyword of a rule."""
    found = re.search(rf"^    {keyword}:(.*?)(?=^    \w+:|\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


PLANNED = """
include: "{rules}"

rule made:
    output: "made"
    shell: "touch made"

onsuccess:
    kept = hasattr(sourcecache.parse_uri, "cache_info")
    print("found", kept, workflow.scheduler.job_rate_limiter, gc.get_threshold()[2])
"""


def test_the_limit_of_starts_is_taken_off_once_the_plan_is_made(tmp_path):
    """Where it stays, what Snakemake does grows with the square of the number of jobs."""
    rules = ROOT / "workflow" / "rules" / "planning.smk"
    (tmp_path / "Snakefile").write_text(PLANNED.format(rules=rules))
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    for options, found in (
        ([], "None 10"),
        (["--max-jobs-per-timespan", "7/1s"], ".* object at .* 10"),
    ):
        (tmp_path / "made").unlink(missing_ok=True)
        done = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert re.search(f"^found True {found}$", done.stdout + done.stderr, re.M)


def test_the_function_of_snakemake_that_is_kept_from_repeating_itself_is_there():
    """Otherwise an eighth of planning is spent on answers that are the same for every job."""
    assert "parse_uri(" in inspect.getsource(sourcecache.SourceFile.get_cache_path)
    assert sourcecache.parse_uri("/a/b.py").uri_path == "/a/b.py"


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_documented_logged_and_limited(name):
    text = RULES[name]
    assert text.strip().startswith('"""'), "no docstring"
    assert f'log_of("{name}"' in section(text, "log")
    assert f'code_of("{name}")' in section(text, "params")
    assert re.search(r"^    threads: ", text, re.M)
    assert "threads=" in section(text, "params")
    for resource in ("mem_mb=", "runtime="):
        assert resource in section(text, "resources")
    environment = re.search(r'"\.\./\.\./(envs/\w+\.yaml)"', section(text, "conda"))
    assert environment, "no environment"
    assert (ROOT / environment.group(1)).exists()
    assert f'"../scripts/{name}.py"' in section(text, "script")


@pytest.mark.parametrize("name", RULES)
def test_inputs_and_outputs_have_names(name):
    for keyword in ("input", "output"):
        entries = re.findall(r"^        (\S.*)$", section(RULES[name], keyword), re.M)
        starts = [entry for entry in entries if entry not in {")", "),"}]
        assert all(re.match(r"\w+=|\*\*implied\(", entry) for entry in starts), (
            f"{keyword}: {starts}"
        )
    assert section(RULES[name], "output")


@pytest.mark.parametrize(
    ("name", "unused"),
    {
        "prepare_subject": ("ants", "matplotlib", "pydicom.sr", "sklearn", "statsmodels", "torch"),
        "register_subject": ("matplotlib", "pydicom", "sklearn", "statsmodels", "torch"),
        "check_registration": ("ants", "pydicom", "sklearn", "statsmodels", "torch"),
        "infer_subject": ("ants", "matplotlib", "pandas", "pydicom", "sklearn", "statsmodels"),
        "evaluate_subject": ("ants", "matplotlib", "pydicom", "sklearn", "statsmodels", "torch"),
    }.items(),
)
def test_what_each_subject_needs_starts_without_what_it_does_not_use(name, unused):
    """A library takes a fifth of a second to two; five jobs a subject are short."""
    scripts = ROOT / "workflow" / "scripts"
    imports = re.findall(r"^ +((?:from|import) .*)$", (scripts / f"{name}.py").read_text(), re.M)
    assert imports
    told = f"import sys; print(sorted({set(unused)} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, told])],
        cwd=scripts, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_every_script_belongs_to_a_rule():
    scripts = {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert scripts == set(RULES)


def test_training_asks_for_a_gpu_and_the_default_profile_limits_it():
    assert "gpu=gpus_of" in section(RULES["train_gan"], "resources")
    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    assert profile["resources"]["gpu"] == 1


def test_the_snakefile_holds_config_includes_and_targets_only():
    text = (ROOT / "Snakefile").read_text()
    assert list(rules_of(ROOT / "Snakefile")) == TARGETS
    assert not re.search(r"^(def|import|for|if) ", text, re.M)
    assert "shell:" not in text
    assert "script:" not in text


def test_the_library_never_sees_snakemake():
    for module in (ROOT / "workflow" / "scripts" / "spect2pet").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake|snakemake\.", module.read_text(), re.M)


def schema_properties(schema: dict, where: str = ""):
    """Every property of a schema with its path, nested ones included."""
    for name, entry in schema.get("properties", {}).items():
        yield f"{where}{name}", entry
        yield from schema_properties(entry, f"{where}{name}.")
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        yield from schema_properties(extra.get("then", extra), f"{where}*.")


def test_every_key_of_the_config_has_type_description_default_and_bounds():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    properties = dict(schema_properties(schema))
    assert len(properties) > 50
    for name, entry in properties.items():
        assert "type" in entry or "enum" in entry, name
        assert len(entry.get("description", "")) > 5, name
        assert "default" in entry, name
        numbers = [entry, entry.get("items", {})]
        for number in numbers:
            if number.get("type") in ("integer", "number") and "enum" not in number:
                assert {"minimum", "exclusiveMinimum"} & set(number), f"{name} has no lower bound"
        if entry.get("type") == "object" and "properties" in entry:
            assert entry["additionalProperties"] is False, name


# --- Environments: one set of versions in three places -----------------------


def requirement(text: str) -> tuple[str, str]:
    """Name, without extras, and range of a requirement, the name as pip spells it."""
    name, limits = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?\s*(.*)", text.strip()).groups()
    return name.lower().replace("_", "-"), limits.replace(" ", "")


#: Packages that conda spells differently.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def environment_packages(path: Path) -> dict[str, str]:
    """Ranges of an environment by the names that pip uses, conda's and pip's parts together."""
    content = yaml.safe_load(path.read_text())
    # Snakemake itself is in bioconda.
    bioconda = ["bioconda"] if path.stem == "workflow" else []
    assert content["channels"] == ["conda-forge", *bioconda]
    packages = {}
    for entry in content["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, limits = requirement(text)
            packages[CONDA_NAMES.get(name, name)] = limits
    return packages


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RANGES = dict(map(requirement, PROJECT["dependencies"]))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_have_the_ranges_of_the_project(path):
    packages = environment_packages(path)
    assert packages.pop("python") == PROJECT["requires-python"]
    packages.pop("pip", None)
    for name, limits in packages.items():
        assert limits == RANGES[name], name


def test_the_lock_lies_within_the_ranges():
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(requirement(line) for line in lines if line and not line.startswith("#"))
    every = RANGES | dict(map(requirement, PROJECT["optional-dependencies"]["test"]))
    for name, limits in every.items():
        version = Version(locked[name].removeprefix("=="))
        assert version in SpecifierSet(limits), f"{name} {version} is not {limits}"


def imports_of(environment: str, folder: Path) -> set[str]:
    """Packages that the scripts of an environment's rules import, directly or by the library.

    Of the environment that Snakemake itself works in, what the rule files import.
    """
    from spect2pet.core import provenance

    scripts = [
        ROOT / "workflow" / "scripts" / f"{name}.py"
        for name, text in RULES.items()
        if f"envs/{environment}.yaml" in section(text, "conda")
    ]
    if environment == "workflow":
        text = "\n".join(path.read_text() for path in RULE_FILES)
        imports = re.findall(r"^(?:import|from) .*$", text, re.M)
        scripts = [folder / "planning.py"]
        scripts[0].write_text("\n".join(imports))
    found: set[str] = set()
    for script in scripts:
        # runtime imports torch only for the scripts that ask it to.
        reached = [m for m in provenance.reached_modules(script) if m.stem != "runtime"]
        for path in (script, *reached):
            pattern = r"^\s*(?:import|from) (\w+)|(?:_package|\.distribution)\(\"(\w+)\"\)"
            for imported, shipped in re.findall(pattern, path.read_text(), re.M):
                found.add(imported or shipped)
    return found


#: Packages by the names they are imported with.
IMPORT_NAMES = {"ants": "antspyx", "skimage": "scikit-image", "tensorboardX": "tensorboardx"}


#: What others load by themselves where it is there: GDCM decodes compressed DICOM for pydicom.
LOADED_BY = {"python-gdcm": "pydicom"}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_hold_what_their_rules_import_and_nothing_else(path, tmp_path):
    imported = imports_of(path.stem, tmp_path)
    third_party = {IMPORT_NAMES.get(name, name) for name in imported} & set(RANGES)
    third_party |= {name for name, by in LOADED_BY.items() if by in third_party}
    packages = set(environment_packages(path)) - {"python", "pip"}
    assert packages == third_party


def pip_part(path: Path) -> list[str]:
    """Names of the packages that pip adds to a conda environment."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    texts = [text for entry in entries if isinstance(entry, dict) for text in entry["pip"]]
    return [requirement(text)[0] for text in texts]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_pip_never_replaces_what_conda_laid_out(path):
    """Where a package of pip ends a range, conda's ends there too: it takes the newest."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    by_pip = pip_part(path)
    by_conda = {k: v for k, v in environment_packages(path).items() if k not in by_pip}
    for name in by_pip:
        for wanted in map(Requirement, metadata.requires(name) or []):
            ours = by_conda.get(wanted.name.lower())
            if ours is None or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
                continue
            for limit in wanted.specifier:
                refused = [limit.version, f"{limit.version}.1"]
                if limit.operator in ("<", "<=", "==", "~="):
                    refused = [v for v in refused if not wanted.specifier.contains(v)]
                    assert not list(SpecifierSet(ours).filter(refused)), f"{name}: {wanted}"


def test_versions_of_the_project_agree():
    from spect2pet.core import provenance

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert provenance.VERSION == PROJECT["version"] == citation["version"]
    assert f"## {provenance.VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_only_the_readme_of_results_is_tracked():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "results/*" in ignored
    assert "!results/README.md" in ignored


def test_no_part_of_the_library_is_ignored():
    """Ruff leaves out what .gitignore names, and a new file there would not be committed."""
    library = ROOT / "workflow" / "scripts" / "spect2pet"
    packages = {path.parent for path in library.rglob("*.py")}
    assert [folder.name for folder in packages if not (folder / "__init__.py").is_file()] == []
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert not {f"{folder.name}/" for folder in packages} & set(ignored)
