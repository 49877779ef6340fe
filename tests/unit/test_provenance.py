"""Fingerprints: what a rule depends on, and nothing else."""

import json

import numpy as np
import pytest

from spect2pet.core import provenance


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library: script → a → b, and c that the script does not reach."""
    folder = tmp_path / "spect2pet" / "stage"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("def f():\n    from spect2pet.stage.b import x\n    return x\n")
    (folder / "b.py").write_text("from spect2pet.stage import a\nx = 1\n")
    (folder / "c.py").write_text("y = 1\n")
    (tmp_path / "script.py").write_text("with job():\n    from spect2pet.stage import a\n")
    monkeypatch.setattr(provenance, "LIBRARY", folder.parent)
    return folder


def test_reached_modules_follow_imports_through_cycles_and_functions(library):
    reached = provenance.reached_modules(library.parent.parent / "script.py")
    assert [path.name for path in reached] == ["a.py", "b.py"]


def test_the_fingerprint_changes_with_reached_code_and_only_with_it(library):
    script = library.parent.parent / "script.py"
    before = provenance.code_fingerprint(script)
    (library / "c.py").write_text("y = 2\n")
    assert provenance.code_fingerprint(script) == before
    (library / "b.py").write_text("from spect2pet.stage import a\nx = 2\n")
    assert provenance.code_fingerprint(script) != before


def test_only_figure_scripts_reach_plots_and_only_what_handles_weights_reaches_networks():
    scripts = provenance.LIBRARY.parent.glob("*.py")
    reached = {s.stem: {m.stem for m in provenance.reached_modules(s)} for s in scripts}
    drawing = {s for s, modules in reached.items() if modules & {"plots", "examples"}}
    assert "plot_similarity" in drawing
    assert all(script.startswith("plot_") for script in drawing)
    assert {s for s, modules in reached.items() if "networks" in modules} == {
        "train_gan",
        "infer_subject",
        "publish_model",
    }


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert provenance.fingerprint({"a": 1, "b": 2}) == provenance.fingerprint({"b": 2, "a": 1})
    assert provenance.fingerprint({"a": 1}) != provenance.fingerprint({"a": 2})


def test_a_stamp_records_settings_seed_code_and_versions():
    stamp = provenance.stamp({"x": 1}, 7, "c0de", ["numpy"])
    assert stamp["Settings"] == {"x": 1}
    assert stamp["Seed"] == 7
    assert stamp["CodeFingerprint"] == "c0de"
    assert stamp["Libraries"]["numpy"] == np.__version__
    assert "not for diagnosis" in stamp["Notice"]


def test_json_is_written_whole_with_plain_numbers(tmp_path):
    path = tmp_path / "x.json"
    provenance.write_json(path, {"n": np.float32(0.5), "v": np.arange(2)})
    assert json.loads(path.read_text()) == {"n": 0.5, "v": [0, 1]}
    with pytest.raises(TypeError):
        provenance.write_json(path, {"n": object()})
    assert json.loads(path.read_text())["n"] == 0.5
