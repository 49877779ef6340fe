"""Jobs: thread limits before imports, logs with tracebacks, one sentence for the user."""

import subprocess
import sys
from pathlib import Path

import pytest

from spect2pet.core import provenance, runtime

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def run(body, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from spect2pet.core import runtime\n"
        f"with runtime.job({str(tmp_path / 'logs' / 'job.log')!r}, 3):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env={"PATH": "/bin"}
    )
    return done, (tmp_path / "logs" / "job.log").read_text()


def test_every_library_gets_its_threads_before_it_is_imported(tmp_path):
    body = "import os\nprint(sorted((k, v) for k, v in os.environ.items() if 'THREADS' in k))"
    _, log = run(body, tmp_path)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "ITK_GLOBAL_DEFAULT"):
        assert f"{name}_NUM" in log or f"{name}_NUMBER" in log
    assert log.count("'3'") == 5


def test_torch_gets_its_threads_even_beyond_the_cores(tmp_path):
    body = "runtime.limit_torch(3)\nimport torch\nprint('torch', torch.get_num_threads())"
    done, log = run(body, tmp_path)
    assert done.returncode == 0
    assert "torch 3" in log


def test_a_limit_that_comes_too_late_is_a_mistake(tmp_path):
    body = "import numpy; from spect2pet.core import runtime; runtime.limit_threads(1)"
    done = subprocess.run(
        [sys.executable, "-c", body],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(SCRIPTS)},
    )
    assert "before importing numpy" in done.stderr


def test_the_log_holds_what_python_and_native_code_print(tmp_path):
    body = "import os, logging\nprint('from print')\nos.write(2, b'from native code\\n')\n"
    done, log = run(body + "logging.info('from logging')", tmp_path)
    assert done.stdout == ""
    for line in ("from print", "from native code", "from logging"):
        assert line in log


def test_a_failure_leaves_its_traceback_in_the_log_and_one_line_on_the_terminal(tmp_path):
    done, log = run("1 / 0", tmp_path)
    assert done.returncode == 1
    assert "Traceback" in log
    assert "ZeroDivisionError" in log
    assert done.stderr.startswith("ERROR: ZeroDivisionError")
    assert done.stderr.count("\n") == 1


def test_wrong_input_is_said_in_its_sentence_alone(tmp_path):
    done, log = run(
        "from spect2pet.core.errors import InputError\n"
        "raise InputError('subject 7: broken; mend it')",
        tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr == "ERROR: subject 7: broken; mend it\n"
    assert "subject 7: broken; mend it" in log
    assert "Traceback" not in log


ALL_SCRIPTS = sorted(SCRIPTS.glob("*.py"))
TORCH_MODULES = {"networks", "scanner"}


@pytest.mark.parametrize("script", ALL_SCRIPTS, ids=lambda path: path.stem)
def test_every_script_sets_the_threads_before_it_imports_anything_heavy(script):
    source = script.read_text()
    before, start, body = source.partition("with runtime.job(")
    assert start, "the script does not run as a job"
    imports = [line for line in before.splitlines() if "import" in line]
    assert imports == ["from spect2pet.core import runtime"]
    assert body.startswith("snakemake.log[0], snakemake.params.threads")
    if TORCH_MODULES & {module.stem for module in provenance.reached_modules(script)}:
        assert "runtime.limit_torch(snakemake.params.threads)" in body


def test_a_gpu_is_seen_by_its_device(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "GPU_DEVICES", (str(tmp_path / "gpu"),))
    assert not runtime.has_gpu()
    (tmp_path / "gpu").touch()
    assert runtime.has_gpu()
