"""The study as an RO-Crate: valid, complete, the same bytes, and nobody named."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from crate_validation import issues, needs_validator
from spect2pet.core import folders, privacy
from spect2pet.core.errors import InputError
from spect2pet.describe import crate, payload

SECRET = "Yamada"
#: Content and name of an example of RFC 6920 (section 8.1).
CONTENT, NAMED = b"Hello World!", "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
P2P = "results/synthetic/p2p/sub-001/sub-001_space-study_desc-p2p_spect.nii.gz"
SPECT = "results/registered/sub-001/sub-001_space-study_spect.nii.gz"
FILES = {
    "Snakefile": b"rule all:\n",
    "LICENSE": b"MIT",
    "workflow/rules/common.smk": b"x = 1\n",
    "workflow/scripts/a.py": b"y = 2\n",
    "envs/a.yaml": b"channels: []\n",
    "results/report.html": b"<p>report",
    "results/evaluation/p2p/similarity.tsv": b"subject\n001\n",
    "results/evaluation/p2p/similarity.json": b'{"GeneratedBy": {"Libraries": {"numpy": "2.0"}}}',
    "results/prepared/sub-001/sub-001_spect.json": b'{"GeneratedBy": {"Libraries": {"x": "1"}}}',
    "results/figures/methods.png": b"png",
    "results/models/p2p/fold-0/p2p.safetensors": b"weights",
    SPECT: CONTENT,
    P2P: CONTENT,
    f"{SECRET} 1931/a {SECRET}.dcm": b"slice 1",
    f"{SECRET} 1931/b.dcm": b"slice 2",
    f"{SECRET}.nii": b"pet",
    f"{SECRET}.tsv": b"table",
}
CONFIG = {
    "subjects": f"{SECRET}.tsv",
    "seed": 7,
    "prepare": {"spect_series": SECRET, "unit": "counts"},
    "models": {"p2p": {"depth": 3}},
    "readers": {"subjects": 15, "scores": [f"{SECRET}.csv"], "model": None},
    "publication": {"title": None, "authors": [], "license": None, "date": None},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files of a study, to work in."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(**changes):
    told = {
        "kept": {
            "report": ["results/report.html"],
            # A list of Snakemake may hold a file twice.
            "tables": [name for name in FILES if "similarity" in name] * 2,
            "figures": ["results/figures/methods.png"],
        },
        "named": {
            "networks": ["results/models/p2p/fold-0/p2p.safetensors"],
            "images": [SPECT, P2P],
        },
        "others": ["results/prepared/sub-001/sub-001_spect.json"],
        "workflow": [name for name in FILES if not name.startswith(("results", SECRET))],
        "given": {"table": [f"{SECRET}.tsv"]},
        "raw": [("001", "spect", f"{SECRET} 1931"), ("001", "pet", f"{SECRET}.nii")],
        "subjects": 1,
        "simulated": False,
    }
    return crate.Study(**(told | changes))


def describe(output="results/provenance", config=CONFIG, **changes):
    told = privacy.nameless(config)
    crate.describe(output, study(**changes), config=told, snakemake_version="9.9")
    return Path(output)


def entities(made):
    graph = json.loads((made / "ro-crate-metadata.json").read_text())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def ids(value):
    """Identifiers that a property refers to."""
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def digest(path):
    """SHA-256 of a file by the program of the system."""
    return subprocess.check_output(["sha256sum", path], text=True).split()[0]


@needs_validator
def test_the_validator_takes_the_crate(folder, monkeypatch):
    assert issues(describe(), monkeypatch) == set()


@needs_validator
def test_the_validator_sees_a_crate_that_lacks_a_file_and_a_run(folder, monkeypatch):
    made = describe()
    (made / "results" / "report.html").unlink()
    about = made / "ro-crate-metadata.json"
    about.write_text(about.read_text().replace("CreateAction", "Action"))
    said = " ".join(issues(made, monkeypatch))
    assert "results/report.html" in said
    assert "At least one CreateAction" in said


def test_nobody_and_no_path_of_the_user_is_named(folder):
    made = describe()
    for path in made.rglob("*"):
        assert SECRET not in str(path)
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert str(folder).encode() not in (made / "ro-crate-metadata.json").read_bytes()


def test_the_same_study_gives_the_same_bytes(folder):
    first, second = describe("results/a"), describe("results/b")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files
    for path in files:
        assert (first / path).read_bytes() == (second / path).read_bytes(), path


def test_small_files_are_copied_and_images_named_by_their_content(folder):
    made = describe()
    found = entities(made)
    table = "results/evaluation/p2p/similarity.tsv"
    assert (made / table).read_bytes() == FILES[table]
    assert found[table]["sha256"] == digest(table)
    assert found[table]["contentSize"] == str(len(FILES[table]))
    assert not list(made.rglob("*.nii.gz"))
    assert not list(made.rglob("*.safetensors"))
    # One content, one name, and the two places where it lies.
    assert found[NAMED]["name"] == SPECT
    assert found[NAMED]["alternateName"] == [P2P]


def test_every_file_can_be_checked_with_sha256sum(folder):
    made = describe()
    command = ["sha256sum", "--check", "--strict", str(made / "checksums.sha256")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    own = {name for name in FILES if not name.startswith(SECRET)}
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == own


def test_a_folder_of_slices_has_the_checksum_that_the_page_gives(folder):
    """docs/provenance.md: find … | sha256sum of all | sort | sha256sum."""
    command = f"find '{SECRET} 1931' -type f -exec sha256sum {{}} + | cut -c1-64 | sort | sha256sum"
    expected = subprocess.check_output(command, shell=True, text=True).split()[0]
    raw = {one.get("name"): one for one in entities(describe()).values()}
    assert raw["sub-001 SPECT, raw"]["sha256"] == expected
    assert raw["sub-001 SPECT, raw"]["description"].startswith("2 files")
    assert raw["sub-001 PET, raw"]["sha256"] == digest(f"{SECRET}.nii")


def test_the_run_tells_what_went_in_and_what_came_out(folder):
    found = entities(describe())
    root, run = found["./"], found["#run"]
    assert ids(root["mainEntity"]) == ids(run["instrument"]) == ["Snakefile"]
    assert ids(root["mentions"]) == ["#run"]
    went_in = {ids(found[one]["exampleOfWork"])[0] for one in ids(run["object"])}
    came_out = {ids(found[one]["exampleOfWork"])[0] for one in ids(run["result"])}
    assert went_in == {"#config", "#seed", "#table", "#raw"}
    assert came_out == {"#report", "#tables", "#figures", "#networks", "#images"}
    assert set(ids(found["Snakefile"]["input"])) == went_in
    assert set(ids(found["Snakefile"]["output"])) == came_out
    assert found["#seed-value"]["value"] == "7"
    assert {"pkg:pypi/numpy@2.0", "pkg:pypi/x@1"} == set(
        ids(found["Snakefile"]["softwareRequirements"])
    )


def test_the_configuration_is_kept_but_for_what_may_name_somebody(folder):
    kept = yaml.safe_load((describe() / "config" / "config.yaml").read_text())
    assert kept["subjects"] is kept["prepare"]["spect_series"] is kept["readers"]["scores"] is None
    assert kept["readers"]["subjects"] == 15
    assert kept["models"] == CONFIG["models"]
    assert kept["prepare"]["unit"] == "counts"


def test_what_the_user_says_of_the_publication_stands_in_the_crate(folder):
    told = {
        "title": "A study",
        "authors": [{"name": "A B", "orcid": "0000-0002-1825-0097"}, {"name": "C D"}],
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "date": "2030-01-02",
    }
    found = entities(describe(config=CONFIG | {"publication": told}))
    root = found["./"]
    assert (root["name"], root["datePublished"]) == ("A study", "2030-01-02")
    assert ids(root["license"]) == [told["license"]]
    assert ids(root["author"]) == ["https://orcid.org/0000-0002-1825-0097", "#C-D"]
    assert ids(found["#run"]["agent"]) == ids(root["author"])


def test_without_a_word_of_the_user_it_says_so_and_has_the_date_of_the_version(folder):
    citation = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text())
    found = entities(describe())
    assert found["./"]["datePublished"] == citation["date-released"]
    assert "date is that of the workflow's version" in found["./"]["description"]
    assert "not for diagnosis" in found["./"]["description"]
    assert found["./"]["license"].startswith("None yet")


def test_a_raw_image_that_is_gone_is_named_by_its_subject(folder):
    describe()
    (folder / f"{SECRET}.nii").unlink()
    with pytest.raises(
        InputError, match=r"^subject 001: the raw PET can no longer be read"
    ) as said:
        describe()
    assert SECRET not in str(said.value)


def test_a_folder_that_fails_half_way_leaves_what_was_there(tmp_path):
    def fill(text, fail=False):
        with folders.whole(tmp_path / "a") as partial:
            (partial / "x").write_text(text)
            if fail:
                raise OSError(28, "No space left on device")

    fill("first")
    with pytest.raises(InputError, match=r"a: cannot be written \(No space left on device\)"):
        fill("second", fail=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "x").read_text() == "first"


def test_a_folder_of_several_images_is_read_once(folder, monkeypatch):
    read = []

    def sum_of_raw(path):
        read.append(path)
        return payload.Sum("", "0", 1)

    monkeypatch.setattr(payload, "sum_of_raw", sum_of_raw)
    payload.sums_of_raw([("001", "spect", "x"), ("002", "spect", "x"), ("002", "pet", "y")])
    assert read == ["x", "y"]


def test_the_workflow_of_a_module_is_that_of_its_clone(folder, tmp_path_factory):
    """The folder of the study has a Snakefile too: that of the workflow that uses this one."""
    clone = tmp_path_factory.mktemp("clone")
    (clone / "Snakefile").write_bytes(b"# the clone's")
    described = crate.Study(**{**vars(study()), "workflow": ["Snakefile"], "home": clone})
    crate.describe("results/provenance", described, config=CONFIG, snakemake_version="9")
    assert (folder / "results/provenance/Snakefile").read_bytes() == b"# the clone's"
    digest = hashlib.sha256(b"# the clone's").hexdigest()
    assert f"{digest}  Snakefile" in (folder / "results/provenance/checksums.sha256").read_text()


def test_the_files_of_the_workflow_do_not_depend_on_the_working_directory(folder):
    assert {"Snakefile", "workflow/rules/describe.smk"} <= set(payload.workflow_files())
