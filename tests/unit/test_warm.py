"""Warm starts: a job that a copy of an earlier one runs is like one that runs by itself."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spect2pet.core import processes, warm
from waiting import running, wait_until

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"

pytestmark = pytest.mark.skipif(
    not (hasattr(os, "pidfd_open") and Path("/proc/self/stat").exists()),
    reason="jobs start by themselves on this system",
)

#: A stand-in that starts programs as Snakemake does, one after another, as it is told to.  Its jobs
#: can be interrupted even where these tests cannot, as in the background of a shell.
SNAKEMAKE = """
import json, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
for line in sys.stdin:
    told = json.loads(line)
    jobs = [
        subprocess.Popen(["/bin/bash", "-c", f"true; {sys.executable} {script}"], stderr=2,
                         cwd=told["folder"], env=told["environment"], stdout=subprocess.DEVNULL)
        for script in told["scripts"]
    ]
    print(json.dumps([job.wait() for job in jobs]), flush=True)
"""
#: A module that takes a while to import, as torch does, and knows in which process that was.
HEAVY = "import os, time\ntime.sleep(0.3)\nimported_by = os.getpid()\n"


class Snakemake:
    """The stand-in, at work in a folder."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "snakemake").write_text(SNAKEMAKE)
        (folder / "heavy.py").write_text(HEAVY)
        self.errors = (folder / "terminal").open("w")
        self.process = subprocess.Popen(
            [sys.executable, folder / "snakemake"], cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip
        self.jobs = 0

    def script(self, body, name="script", threads=1, number=None):
        """Write a script as Snakemake does: what differs between jobs stands in its preamble."""
        number = self.jobs if number is None else number
        self.jobs += 1
        path = self.folder / f"{name}-{self.jobs}.py"
        path.write_text(
            f"import sys; sys.path[:0] = [{str(SCRIPTS)!r}, {str(self.folder)!r}]; job = {number}\n"
            f"{warm.PREAMBLE_END}\n"
            "from spect2pet.core import runtime, warm\n"
            f"log = f'logs/{name}/{{job}}.log'\n"
            f"with runtime.job(log, {threads}, repeated=True):\n"
            "    import json, os, time\n"
            "    from pathlib import Path\n"
            "    import heavy\n"
            "    Path(f'started-{job}').write_text(str(os.getpid()))\n"
            + "".join(f"    {line}\n" for line in body.splitlines())
        )
        return path

    def start(self, *scripts, folder=None, **environment):
        """Start jobs side by side."""
        told = {
            "scripts": [str(script) for script in scripts],
            "folder": str(folder or self.folder),
            "environment": {"PATH": "/bin", **environment},
        }
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()

    def end(self):
        """Wait for the jobs that were started; return their exit statuses."""
        return json.loads(self.process.stdout.readline())

    def run(self, body, count=1, threads=1, **environment):
        """Run jobs of one script one after another; return the exit status of the last."""
        for _ in range(count):
            self.start(self.script(body, threads=threads), **environment)
            (status,) = self.end()
        return status

    def about(self, number):
        """What a job has written."""
        return json.loads((self.folder / f"about-{number}").read_text())

    def terminal(self):
        """What was written to the terminal."""
        return (self.folder / "terminal").read_text()


@pytest.fixture
def snakemake(tmp_path):
    stand_in = Snakemake(tmp_path)
    yield stand_in
    stand_in.process.kill()
    stand_in.process.wait()
    stand_in.errors.close()
    wait_until(lambda: not copies(tmp_path))


def copies(folder):
    """Processes that have a file of the folder open as their program, but for the stand-in."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0")
            inside = [word for word in words if word.startswith(os.fsencode(folder) + b"/")]
            if inside and not inside[0].endswith(b"/snakemake") and running(int(place.name)):
                found.append(int(place.name))
    return found


TELL = """Path(f'about-{job}').write_text(json.dumps({
    'warm': warm.is_warm(), 'importer': heavy.imported_by, 'me': os.getpid(),
    'folder': os.getcwd(), 'environment': dict(os.environ), 'arguments': sys.argv,
}))"""


def test_the_second_job_starts_where_the_first_had_imported(snakemake):
    assert snakemake.run(TELL, count=3) == 0
    first, *others = (snakemake.about(k) for k in range(3))
    assert not first["warm"]
    assert first["importer"] == first["me"]
    for other in others:
        assert other["warm"]
        assert other["importer"] == first["me"]
        assert other["me"] != first["me"]


def test_a_warm_job_has_its_own_folder_environment_arguments_terminal_and_log(snakemake):
    snakemake.run(TELL + "\nprint('in the log')", FIRST="1")
    elsewhere = snakemake.folder / "elsewhere"
    elsewhere.mkdir()
    script = snakemake.script(TELL + "\nprint('in the log')")
    snakemake.start(script, folder=elsewhere, SECOND="\udcff2")
    assert snakemake.end() == [0]
    about = json.loads((elsewhere / "about-1").read_text())
    assert about["warm"]
    assert about["folder"] == str(elsewhere)
    assert about["arguments"] == [str(script)]
    assert about["environment"]["SECOND"] == "\udcff2"
    assert "FIRST" not in about["environment"]
    assert about["environment"]["OMP_NUM_THREADS"] == "1"
    log = (elsewhere / "logs" / "script" / "1.log").read_text()
    assert log.endswith("Started with what an earlier job imported.\nin the log\n")


def test_a_warm_job_fails_as_any_other(snakemake):
    body = "print('to the log')\nif job: raise runtime.InputError(f'subject {job}: broken')"
    assert snakemake.run(body) == 0
    assert snakemake.run(body) == 1
    assert snakemake.run(body) == 1
    assert snakemake.terminal() == "ERROR: subject 1: broken\nERROR: subject 2: broken\n"
    assert "to the log" in (snakemake.folder / "logs" / "script" / "2.log").read_text()


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("1 / 0", 1),
        ("raise SystemExit(3)", 3),
        ("os.kill(os.getpid(), 15)", -15),
        ("os.kill(os.getpid(), 9)", -9),
    ],
)
def test_a_job_ends_with_the_status_of_the_process_that_ran_it(snakemake, how, status):
    body = f"if job: {how}"
    assert snakemake.run(body) == 0
    assert snakemake.run(body) == status


def test_what_is_to_be_done_at_exit_is_done(snakemake):
    body = "import atexit; atexit.register(lambda k: Path(f'exit-{k}').touch(), job)"
    assert snakemake.run(body, count=2) == 0
    assert (snakemake.folder / "exit-1").exists()


def test_a_job_tells_what_it_took_in_the_columns_of_snakemake(snakemake):
    body = "held = bytearray(100_000_000 * job)\nwhile time.process_time() < 0.3: pass"
    snakemake.run(body, count=2)
    first, second = (
        dict(zip(*(line.split("\t") for line in text.splitlines()), strict=True))
        for text in (
            (snakemake.folder / "logs" / "script" / f"{k}.benchmark.tsv").read_text()
            for k in (0, 1)
        )
    )
    assert list(second) == ["s", "h:m:s", "max_rss", "cpu_time"]
    assert second["h:m:s"] == "0:00:00"
    assert 0.1 < float(second["cpu_time"]) <= float(second["s"]) + 0.1
    assert 80 < float(second["max_rss"]) - float(first["max_rss"]) < 110


def test_first_jobs_side_by_side_run_by_themselves_and_leave_one_copy(snakemake):
    snakemake.start(*(snakemake.script(TELL, number=k) for k in range(4)))
    assert snakemake.end() == [0] * 4
    assert [snakemake.about(k)["warm"] for k in range(4)] == [False] * 4
    assert len(copies(snakemake.folder)) == 1
    snakemake.start(*(snakemake.script(TELL, number=k) for k in range(4, 8)))
    assert snakemake.end() == [0] * 4
    assert len({snakemake.about(k)["me"] for k in range(4, 8)}) == 4
    assert {snakemake.about(k)["warm"] for k in range(4, 8)} == {True}


def test_a_job_runs_once(snakemake):
    """However short it is: its end may be told before all that it was sent has been looked at."""
    body = TELL + "\nwith open('runs', 'a') as runs: runs.write(f'{job}\\n')"
    snakemake.run(body)
    for turn in range(6):
        numbers = range(6 * turn + 1, 6 * turn + 7)
        snakemake.start(*(snakemake.script(body, number=k) for k in numbers))
        assert snakemake.end() == [0] * 6
        assert all(snakemake.about(k)["warm"] for k in numbers)
    runs = (snakemake.folder / "runs").read_text().split()
    assert sorted(map(int, runs)) == list(range(37))


@pytest.mark.parametrize("change", ["script", "threads", "variable"])
def test_another_script_or_number_of_threads_or_the_users_word_starts_by_itself(snakemake, change):
    snakemake.run(TELL)
    body = TELL + "\n# other text" if change == "script" else TELL
    environment = {"SPECT2PET_STARTS": "cold"} if change == "variable" else {}
    assert snakemake.run(body, threads=1 + (change == "threads"), **environment) == 0
    assert not snakemake.about(1)["warm"]


def test_another_snakemake_has_copies_of_its_own(snakemake, tmp_path):
    snakemake.run(TELL)
    (tmp_path / "other").mkdir()
    other = Snakemake(tmp_path / "other")
    other.run(TELL)
    assert not other.about(0)["warm"]
    other.process.kill()
    other.process.wait()
    other.errors.close()


def test_a_process_with_threads_is_not_copied(snakemake):
    (snakemake.folder / "heavy.py").write_text(
        HEAVY + "import threading\nthreading.Thread(target=time.sleep, args=(1,)).start()\n"
    )
    snakemake.run(TELL, count=2)
    assert not snakemake.about(1)["warm"]
    assert copies(snakemake.folder) == []


def test_an_import_that_fails_is_told_by_the_job(snakemake):
    (snakemake.folder / "heavy.py").write_text("raise ImportError('no such thing here')")
    assert snakemake.run(TELL) == 1
    assert snakemake.run(TELL) == 1
    assert "Traceback" in (snakemake.folder / "logs" / "script" / "1.log").read_text()
    assert snakemake.terminal().count("ERROR: ImportError: no such thing here") == 2


WAIT = "child = __import__('subprocess').Popen(['sleep', '60'])\n" + TELL + "\ntime.sleep(60 * job)"


def waiting_job(snakemake):
    """Start a warm job that waits; return its process and the one that waits for it."""
    snakemake.run(WAIT)
    snakemake.start(snakemake.script(WAIT))
    wait_until((snakemake.folder / "started-1").exists)
    process = int((snakemake.folder / "started-1").read_text())
    return process, waiting_process(snakemake)


def waiting_process(snakemake):
    """The process that waits for the second job."""
    script = os.fsencode(snakemake.folder / "script-2.py")
    (waiting,) = (
        pid
        for pid in copies(snakemake.folder)
        if script in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    )
    return waiting


def test_a_job_whose_waiting_process_is_killed_ends_with_its_children(snakemake):
    process, waiting = waiting_job(snakemake)
    wait_until(lambda: processes._descendants(process))
    children = processes._descendants(process)
    os.kill(waiting, signal.SIGKILL)
    assert snakemake.end() == [-signal.SIGKILL]
    wait_until(lambda: not any(running(pid) for pid in [process, *children]))
    assert snakemake.run(TELL) == 0  # the copy is there for others


def test_a_job_and_the_copy_end_when_snakemake_is_killed(snakemake):
    process, waiting = waiting_job(snakemake)
    snakemake.process.kill()
    snakemake.process.wait()
    wait_until(lambda: not running(process) and not running(waiting))
    wait_until(lambda: not copies(snakemake.folder))


def test_a_job_is_interrupted_where_it_runs(snakemake):
    body = "try:\n    time.sleep(60 * job)\nfinally:\n    Path(f'tidied-{job}').touch()"
    snakemake.run(body)
    snakemake.start(snakemake.script(body))
    wait_until((snakemake.folder / "started-1").exists)
    os.kill(waiting_process(snakemake), signal.SIGINT)
    assert snakemake.end() == [-signal.SIGINT]
    assert (snakemake.folder / "tidied-1").exists()


def test_a_job_that_nobody_can_tell_the_end_of_fails_and_says_what_to_do(snakemake):
    process, waiting = waiting_job(snakemake)
    (copy,) = set(copies(snakemake.folder)) - {process, waiting}
    os.kill(copy, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)
    assert snakemake.end() == [1]
    assert snakemake.terminal() == (
        "ERROR: the process that this job ran in was killed; give the same command again\n"
    )
    assert snakemake.run(TELL) == 0


def test_a_copy_that_nobody_needs_gives_its_memory_back(snakemake):
    (snakemake.folder / "heavy.py").write_text(
        HEAVY + "from spect2pet.core import warm\nwarm.IDLE = 0.5"
    )
    snakemake.run(TELL)
    wait_until(lambda: not copies(snakemake.folder))
    assert snakemake.run(TELL) == 0
    assert not snakemake.about(1)["warm"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another user")
def test_nobody_else_is_given_a_job(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("")
    monkeypatch.setattr(sys, "argv", [str(script)])
    copy = warm.copy_for([(os.getpid(), os.getppid())], 1)
    body = (
        "import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\n"
        f"s.bind({copy.name!r})\ns.listen()\nprint('ready', flush=True)\nc, _ = s.accept()\n"
        "print(len(c.recv(10)))"
    )
    other = subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "ready\n"
    copy.hand_over()  # comes back
    assert other.stdout.readline() == "0\n"
    other.wait()


def test_without_snakemake_or_in_a_copy_there_is_no_copy(monkeypatch):
    assert warm.copy_for([], 1) is None
    monkeypatch.setattr(warm, "_handed_over", True)
    assert warm.copy_for([(os.getpid(), os.getppid())], 1) is None


def test_without_process_descriptors_a_job_starts_by_itself(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("raise AssertionError")
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.delattr(os, "pidfd_open")
    copy = warm.copy_for([(os.getpid(), os.getppid())], 1)
    copy.leave([])
    with socket.socket(socket.AF_UNIX) as connection, pytest.raises(ConnectionRefusedError):
        connection.connect(copy.name)
