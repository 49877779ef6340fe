"""Faults thrown at a running study, and the comparison with one that nobody disturbed.

A fault strikes while the plain command runs; then the same command is given again, until nothing
is left to do.  See benchmarks/faults.py for the command line.
"""

import contextlib
import filecmp
import itertools
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spect2pet.core import sums

ROOT = Path(__file__).parents[2]
CONFIG = "tiny.yaml"
#: Stages in the order of work, each with its weight when a finished study is cut back.
STAGES = {
    "cohort": 1,
    "prepared": 1,
    "registered": 1,
    "split": 1,
    "slices": 2,
    "models": 2,
    "synthetic": 3,
    "evaluation": 4,
    "figures": 4,
    "report": 3,
    "provenance": 2,
}
KINDS = (
    "job killed",
    "Snakemake killed",
    "disk full",
    "file unreadable",
    "file truncated",
    "clock changed",
    "two Snakemakes",
)
#: How a Snakemake ends that finds another at work: by its lock, or while it still plans by files
#: that come and go.
REFUSALS = ("Directory cannot be locked", "a concurrent process has deleted it")
#: Room in MB on the study's own small disk.
DISK_MB = 300
DAY = 86_400
#: The library that gives a process another clock, of Debian's package faketime.
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
NOBODY = 65_534


@dataclass
class Strike:
    """One fault and what came of it."""

    kind: str
    what: str
    ended: str = ""
    seconds: float = 0.0


@dataclass
class Disturbed:
    """A study on a small disk of its own, run as a user without rights where that can be.

    Attributes:
        folder: where the study lies.
        seed: seed of everything that is drawn.
        say: takes lines about the progress.
        cores: cores that Snakemake is given.
        skipped: by kind of fault, why it cannot be had here.
        strikes: the faults so far.
    """

    folder: Path
    seed: int
    say: Callable[[str], None]
    cores: int = 2
    skipped: dict[str, str] = field(default_factory=dict)
    strikes: list[Strike] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.running: subprocess.Popen | None = None
        self.shifted = 0  # seconds by which the clock of the running command is wrong
        self.started = 0.0
        self.commands = 0
        self.output = self.folder.parent / "commands.log"
        self.ended = ""
        self.is_root = os.geteuid() == 0
        if not self.is_root:
            self.skipped["disk full"] = "only root can make a small disk"
        if FAKETIME is None:
            self.skipped["clock changed"] = "faketime is not installed"
        self.by = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if not self.is_root or not self._nobody_can_run():
            self.by = []
        if self.is_root and not self.by:
            self.skipped["file unreadable"] = "root reads all, and nobody else may run this Python"

    def _nobody_can_run(self) -> bool:
        """Whether a user without rights can start this interpreter, and that one itself again."""
        if shutil.which("setpriv") is None:
            return False
        body = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
        asked = [*self.by, sys.executable, "-c", body]
        return subprocess.run(asked, capture_output=True, cwd="/", check=False).returncode == 0

    # --- The study ------------------------------------------------------------

    def prepare(self, reference: Path) -> None:
        """Begin with a copy of the undisturbed study, on a disk of its own."""
        self.folder.mkdir(parents=True)
        if self.is_root:
            options = f"size={DISK_MB}m,uid={NOBODY},gid={NOBODY}"
            mount = ["mount", "-t", "tmpfs", "-o", options, "faults", str(self.folder)]
            subprocess.run(mount, check=True)
        subprocess.run(["cp", "-a", f"{reference}/.", str(self.folder)], check=True)
        if self.by:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(self.folder)], check=True)

    def remove(self) -> None:
        """Take the disk of the study away."""
        if self.is_root:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    def command(self, within: Iterable[str] = ()) -> list[str]:
        """The plain command, on request within another one."""
        plain = ["-m", "snakemake", "--cores", str(self.cores), "--configfile", CONFIG]
        return [*self.by, *within, sys.executable, *plain]

    @staticmethod
    def wrong_clock(seconds: int) -> tuple[str, ...]:
        """The command that gives another one a clock that is wrong by some seconds.

        Not the program faketime, which stays the parent and would be killed in place of Snakemake.
        Processes wait by the true clock; the dates of files: see `_settle`.
        """
        variables = {
            "LD_PRELOAD": FAKETIME, "FAKETIME": f"{seconds:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": 1, "NO_FAKE_STAT": 1,
        }  # fmt: skip
        return ("env", *(f"{name}={value}" for name, value in variables.items()))

    def environment(self) -> dict[str, str]:
        """The environment of a command: no threads set, a home that the user may write to."""
        kept = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
        home = self.folder.parent / "home"
        home.mkdir(exist_ok=True)
        home.chmod(0o777)
        return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home), "MPLCONFIGDIR": str(home)}

    def give_command(self, clock: int = 0) -> None:
        """Start the plain command, on request with a clock that is wrong by some seconds."""
        command = self.command(self.wrong_clock(clock) if clock else ())
        self.commands += 1
        self.shifted, self.started = clock, time.time()
        with self.output.open("a") as stream:
            print(f"=== command {self.commands}, clock {clock:+d} s", file=stream, flush=True)
            self.running = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(), stdout=stream, stderr=stream
            )

    def wait(self, seconds: float) -> bool:
        """Wait for the command; True if it has ended by then."""
        if self.running is None:
            return True
        try:
            self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._settle()
        return True

    def _settle(self) -> None:
        """What is to be done once a command has ended: dates of a wrong clock, its last words."""
        status, self.running = self.running.returncode, None
        if self.shifted:
            for path in self.folder.joinpath("results").rglob("*"):
                with contextlib.suppress(FileNotFoundError):  # of a job that outlives Snakemake
                    date = path.lstat().st_mtime
                    if not path.is_symlink() and date >= self.started:
                        os.utime(path, (date + self.shifted, date + self.shifted))
        self.ended = f"status {status}"
        if status == 0:
            self.ended = "done"

    def cut_back(self) -> str:
        """Remove what a random stage and all after it have made, as a user does."""
        names = list(STAGES)
        (stage,) = self.draw.choices(names, list(STAGES.values()))
        for name in names[names.index(stage) :]:
            shutil.rmtree(self.folder / "results" / name, ignore_errors=True)
        self.folder.joinpath("results", "report.html").unlink(missing_ok=True)
        return stage

    def keep_running(self) -> None:
        """See that the command runs: give it again, after a finished study was cut back."""
        if self.running is not None and self.running.poll() is not None:
            self._settle()
        if self.running is None:
            if self.ended == "done":
                self.say(f"    finished; cut back to before {self.cut_back()}")
                self.ended = ""
            self.give_command()

    # --- What is hit ------------------------------------------------------------

    def jobs(self) -> list[int]:
        """Processes of jobs that run."""
        found = []
        for process in self._below(self.running.pid):
            try:
                words = Path(f"/proc/{process}/cmdline").read_bytes()
            except OSError:
                continue
            if b".snakemake/scripts/" in words and not words.startswith((b"/bin/", b"bash")):
                found.append(process)
        return found

    def copies(self) -> list[int]:
        """Copies that jobs have left for others, and what runs in them (`spect2pet.core.warm`)."""
        found, below = [], set(self._below(self.running.pid))
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes()
                here = (place / "cwd").readlink() == self.folder.resolve()
                if here and b".snakemake/scripts/" in words and int(place.name) not in below:
                    found.append(int(place.name))
        return found

    def _below(self, process: int) -> Iterator[int]:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
            except OSError:
                continue
            for child in children:
                yield child
                yield from self._below(child)

    def finished_files(self) -> list[Path]:
        """Files below results/ of jobs that have ended well."""
        top = self.folder / "logs" / "sums"
        found = []
        for path in sorted(top.rglob("[!.]*.json")):
            record = sums.Record.read(path)
            if record is None or record.again:
                continue
            folder = self.folder / path.parent.relative_to(top)
            found += [folder / name for name in record.files]
            found += [
                folder / name / inner for name, below in record.folders.items() for inner in below
            ]
        return [path for path in found if self._size(path)]

    @staticmethod
    def _size(path: Path) -> int:
        """Bytes of a file; 0 for what is no file, or was until Snakemake took it away just now."""
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            return found.st_size if stat.S_ISREG(found.st_mode) else 0
        return 0

    # --- The faults ---------------------------------------------------------------

    def strike(self, kind: str) -> None:
        """Let one fault happen to the running command, and give the command again."""
        begin = time.monotonic()
        name = kind.replace(" ", "_").lower()
        self.keep_running()
        if kind != "clock changed":
            self.wait(self.draw.uniform(1, 12))
            self.keep_running()
        strike = Strike(kind, "")
        strike.what = getattr(self, f"_{name}")() or ""
        # A command that goes on, as beside a file that it needs no more, is hit by the next fault.
        over = self.wait(self.draw.uniform(3, 8))
        strike.ended = self.ended if over else "goes on"
        strike.seconds = time.monotonic() - begin
        self.strikes.append(strike)
        self.say(
            f"{len(self.strikes):3d} {kind}: {strike.what}: {strike.ended} ({strike.seconds:.1f} s)"
        )

    def _job_killed(self) -> str:
        for _ in range(600):
            self.keep_running()
            if jobs := self.jobs():
                break
            time.sleep(0.1)
        else:
            return "no job ran"
        self.wait(self.draw.uniform(0, 3))
        jobs = (self.jobs() + self.copies() if self.running else []) or jobs
        victim = self.draw.choice(jobs)
        try:
            words = Path(f"/proc/{victim}/cmdline").read_bytes().decode().split("\0")
            os.kill(victim, signal.SIGKILL)
        except OSError:
            return "the job had just ended"
        # Snakemake calls a script tmp<letters>.<name>.py.
        return next((Path(w).name.split(".")[1] for w in words if ".snakemake/scripts/" in w), "")

    def _snakemake_killed(self) -> str:
        jobs = self.jobs()
        self.running.kill()
        self.running.wait()
        return f"with {len(jobs)} jobs" if jobs else "while it planned"

    def _disk_full(self) -> str:
        ballast = self.folder / "ballast"
        written = 0
        with ballast.open("wb", buffering=0) as stream:
            try:
                while True:
                    written += stream.write(bytes(1 << 20))
            except OSError:
                pass
            seconds = self.draw.uniform(3, 9)
            end = time.monotonic() + seconds
            while time.monotonic() < end:  # what is deleted meanwhile makes no room
                try:
                    stream.write(bytes(1 << 16))
                except OSError:
                    time.sleep(0.1)
        ballast.unlink()
        return f"for {seconds:.0f} s"

    def _file_unreadable(self) -> str:
        def close(path: Path) -> str:
            path.chmod(0)
            return str(path.relative_to(self.folder))

        return self._to_a_finished_file(close)

    def _file_truncated(self) -> str:
        def cut(path: Path) -> str:
            size = path.stat().st_size
            kept = self.draw.randrange(max(size, 1))
            os.truncate(path, kept)
            return f"{path.relative_to(self.folder)} to {kept} of {size} bytes"

        return self._to_a_finished_file(cut)

    def _to_a_finished_file(self, harm: Callable[[Path], str]) -> str:
        """Harm one that is drawn, another where Snakemake takes it away in this moment."""
        while finished := self.finished_files():
            with contextlib.suppress(FileNotFoundError):
                return harm(self.draw.choice(finished))
        return "no file was finished"

    def _clock_changed(self) -> str:
        # The one that runs is stopped as a user does, and the next has the wrong clock.
        self.running.send_signal(signal.SIGTERM)
        if not self.wait(60):
            self.running.kill()
            self.wait(5)
        if self.ended == "done":
            self.cut_back()
        clock = self.draw.choice((-DAY, DAY))
        before = self.output.stat().st_size
        self.give_command(clock)
        self.wait(self.draw.uniform(8, 20))
        said = self.output.read_bytes()[before:].decode(errors="replace")
        assert "libfaketime" not in said, f"the clock was not changed: {said}"
        return f"{clock // DAY:+d} day"

    def _two_snakemakes(self) -> str:
        locks = self.folder / ".snakemake" / "locks"
        end = time.monotonic() + 60
        while not (locks.is_dir() and any(locks.iterdir())) and time.monotonic() < end:
            self.keep_running()
            time.sleep(0.1)
        said = self.folder.parent / "second.log"
        with said.open("w") as stream:
            second = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdout=stream,
                stderr=stream,
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                second.wait(40)
        if second.returncode and any(sentence in said.read_text() for sentence in REFUSALS):
            return "the second was refused"
        # The first has ended in between, and the second does its work.
        assert self.running is None or self.running.poll() is not None, said.read_text()[-3000:]
        if self.running is not None:
            self._settle()
        self.running, self.shifted = second, 0
        return "the first had ended, so the second goes on"

    # --- The end ------------------------------------------------------------------

    def run(self, count: int) -> None:
        """Strike as often as asked, each kind in turn, in an order drawn anew for each turn."""
        kinds = [kind for kind in KINDS if kind not in self.skipped]
        turns = itertools.chain.from_iterable(
            self.draw.sample(kinds, len(kinds)) for _ in itertools.count()
        )
        for kind in itertools.islice(turns, count):
            self.strike(kind)

    def finish(self, most: int = 10) -> int:
        """Give the plain command until there is nothing left to do.

        Returns:
            How often it was given.
        """
        while not self.wait(600):  # the one that the last fault has hit may see it or not
            pass
        for given in range(1, most + 1):
            self.give_command()
            while not self.wait(600):
                pass
            self.say(f"command {self.commands}: {self.ended}")
            if self.ended == "done":
                return given
        raise AssertionError(f"not finished after {most} commands; see {self.output}")


def differences(disturbed: Path, reference: Path) -> list[str]:
    """What is missing below a folder, is too much, or is not byte for byte the same."""
    here, there = (
        {str(p.relative_to(top)) for p in top.rglob("*") if p.is_file()}
        for top in (disturbed, reference)
    )
    return [
        *(f"missing: {name}" for name in sorted(there - here)),
        *(f"too much: {name}" for name in sorted(here - there)),
        *(
            f"different: {name}"
            for name in sorted(here & there)
            if not filecmp.cmp(disturbed / name, reference / name, shallow=False)
        ),
    ]


def table(strikes: list[Strike], skipped: dict[str, str]) -> str:
    """The faults by kind: how many, how the command ended, and the seconds of one."""
    lines = [f"{'fault':18}{'number':>7}{'went on':>9}{'stopped':>9}{'finished':>10}{'s each':>8}"]
    for kind in KINDS:
        these = [s for s in strikes if s.kind == kind]
        if kind in skipped:
            lines.append(f"{kind:18}skipped: {skipped[kind]}")
        elif these:
            on, done = (sum(s.ended == end for s in these) for end in ("goes on", "done"))
            mean = sum(s.seconds for s in these) / len(these)
            stopped = len(these) - on - done
            lines.append(f"{kind:18}{len(these):7}{on:9}{stopped:9}{done:10}{mean:8.1f}")
    return "\n".join(lines)
