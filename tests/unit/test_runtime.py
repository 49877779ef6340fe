"""Jobs: thread limits before imports, logs with tracebacks, one sentence for the user."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spect2pet.core import provenance, runtime, sums
from waiting import running, wait_until

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


def test_each_of_several_wrong_inputs_is_said_in_a_line_of_its_own(tmp_path):
    done, _ = run(
        "from spect2pet.core.errors import InputError\n"
        "raise InputError('spect: broken\\npet: gone')",
        tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr == "ERROR: spect: broken\nERROR: pet: gone\n"


def job_with_files(body, folder, inputs=(), outputs=()):
    """Run a job in a folder, with inputs and outputs."""
    script = folder / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from pathlib import Path\n"
        "from spect2pet.core import runtime\n"
        f"with runtime.job('logs/rule/job.log', 1, {list(inputs)!r}, {list(outputs)!r}):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
    )
    return subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_job_does_not_start_on_a_damaged_input(tmp_path):
    (tmp_path / "results").mkdir()
    write = "Path('results/table.tsv').write_text('whole')"
    assert job_with_files(write, tmp_path, outputs=["results/table.tsv"]).returncode == 0
    read = "Path('started').touch()"
    assert job_with_files(read, tmp_path, inputs=["results/table.tsv"]).returncode == 0
    (tmp_path / "started").unlink()
    (tmp_path / "results" / "table.tsv").write_text("wh")
    done = job_with_files(read, tmp_path, inputs=["results/table.tsv"])
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: results/table.tsv: is damaged (2 bytes, where 5 were")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "started").exists()


def test_a_job_that_fails_leaves_no_sums_of_its_outputs(tmp_path):
    (tmp_path / "results").mkdir()
    body = "Path('results/table.tsv').write_text('whole')\n1 / 0"
    assert job_with_files(body, tmp_path, outputs=["results/table.tsv"]).returncode == 1
    found = sums.Record.read(tmp_path / "logs" / "sums" / "results" / "rule.job.json")
    assert found.again
    assert found.files == {"table.tsv": None}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_job_ends_with_its_snakemake_and_takes_its_children_along(tmp_path):
    body = "import subprocess, time\n"
    body += "child = subprocess.Popen(['sleep', '60'])\n"
    body += "Path('pids').write_text(f'{os.getpid()} {child.pid}')\ntime.sleep(60)"
    script = tmp_path / "script.py"
    script.write_text(
        f"import os, sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from pathlib import Path\n"
        "from spect2pet.core import runtime\n"
        "with runtime.job('logs/rule/job.log', 1):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
    )
    parent = tmp_path / "snakemake"
    parent.write_text(
        "import subprocess, sys\n"
        f"subprocess.call(['/bin/sh', '-c', 'true; {sys.executable} {script}; true'])\n"
    )
    snakemake = subprocess.Popen([sys.executable, parent], cwd=tmp_path)
    wait_until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text())
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    snakemake.kill()
    snakemake.wait()
    wait_until(lambda: not any(running(pid) for pid in pids))


ALL_SCRIPTS = sorted(SCRIPTS.glob("*.py"))
TORCH_MODULES = {"networks", "scanner"}
RULES = "".join(path.read_text() for path in (SCRIPTS.parent / "rules").glob("*.smk"))
OF_SUBJECTS = set(re.findall(r'log_of\("(\w+)"[^)]*"subject"\)', RULES))


@pytest.mark.parametrize("script", ALL_SCRIPTS, ids=lambda path: path.stem)
def test_every_script_sets_the_threads_before_it_imports_anything_heavy(script):
    source = script.read_text()
    before, start, body = source.partition("with runtime.job(")
    assert start, "the script does not run as a job"
    imports = [line for line in before.splitlines() if "import" in line]
    assert imports == ["from spect2pet.core import runtime"]
    # What a job reads without naming it is looked at like its inputs.
    inputs = "inputs" if "snakemake.params.implied" in source else "snakemake.input"
    told = f"snakemake.log[0], snakemake.params.threads, {inputs}, snakemake.output"
    # One job a subject: the first leaves its imports to the others.
    told += ", repeated=True" if script.stem in OF_SUBJECTS else ""
    assert " ".join(body.split()).replace("( ", "").replace(" )", ")").startswith(f"{told}):")
    if TORCH_MODULES & {module.stem for module in provenance.reached_modules(script)}:
        assert "runtime.limit_torch(snakemake.params.threads)" in body


def test_a_gpu_is_seen_by_its_device(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "GPU_DEVICES", (str(tmp_path / "gpu"),))
    assert not runtime.has_gpu()
    (tmp_path / "gpu").touch()
    assert runtime.has_gpu()
