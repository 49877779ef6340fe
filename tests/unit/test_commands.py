"""Commands of one folder: others that run are seen, and one that was killed is noticed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spect2pet.core import commands

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.fixture(autouse=True)
def forget():
    """Let each test be a process that has entered no folder."""
    commands._entered.clear()


def other(folder, options=""):
    """Another command, which runs in the folder until its input ends."""
    body = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from spect2pet.core import commands\n"
        f"print(commands.enter({str(folder)!r}{options}), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", body], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert "running=False" in process.stdout.readline()
    return process


def files_of(folder):
    return [path.name for path in folder.joinpath(commands.RUNNING).iterdir()]


def test_a_command_alone_finds_nobody(tmp_path):
    assert commands.enter(tmp_path) == commands.Neighbours(running=False, killed=False)
    # Asked again by the same process, as by a second module of one workflow.
    assert commands.enter(tmp_path) == commands.Neighbours(running=False, killed=False)
    assert len(files_of(tmp_path)) == 1


def test_one_that_runs_is_seen_and_left_alone(tmp_path):
    with other(tmp_path) as process:
        assert commands.enter(tmp_path) == commands.Neighbours(running=True, killed=False)
        assert len(files_of(tmp_path)) == 2
        process.communicate()


def test_one_that_ended_by_itself_leaves_nothing(tmp_path):
    with other(tmp_path) as process:
        process.communicate()
    assert files_of(tmp_path) == []
    assert not commands.enter(tmp_path).killed


def test_one_that_was_killed_is_noticed_once(tmp_path):
    with other(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
    assert commands.enter(tmp_path) == commands.Neighbours(running=False, killed=True)
    assert len(files_of(tmp_path)) == 1


def test_the_jobs_of_one_on_a_cluster_outlive_it(tmp_path):
    with other(tmp_path, ", elsewhere=True") as process:
        process.send_signal(signal.SIGKILL)
    assert commands.enter(tmp_path) == commands.Neighbours(running=False, killed=False)
    assert len(files_of(tmp_path)) == 1


def test_while_one_runs_the_killed_one_counts_for_nothing(tmp_path):
    with other(tmp_path) as killed:
        killed.send_signal(signal.SIGKILL)
    with other(tmp_path) as process:
        assert commands.enter(tmp_path) == commands.Neighbours(running=True, killed=False)
        process.communicate()


def test_a_folder_that_takes_no_file_is_left_alone(tmp_path):
    (tmp_path / commands.RUNNING).write_text("in the way")
    assert commands.enter(tmp_path).running


def test_locks_are_removed(tmp_path):
    locks = tmp_path / commands.LOCKS
    locks.mkdir()
    assert not commands.remove_locks(tmp_path)
    locks.mkdir()
    (locks / "0.input.lock").write_text("results/report.html\n")
    assert commands.remove_locks(tmp_path)
    assert not locks.exists()
