"""A Slurm cluster of one machine: its own munge, controller and node on loopback, with fake GPUs.

Nothing of the machine's own Slurm is touched: where there is one, `problem` says so.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
#: Commands within a job find the configuration here alone: Snakemake takes SLURM_CONF from them.
CONFIGURATION = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
SECONDS_TO_START = 30
#: What Snakemake is to be told of this cluster: no database, no accounts, quick answers.
OPTIONS = (
    "--slurm-status-command", "squeue", "--slurm-no-account",
    "--slurm-init-seconds-before-status-checks", "2",
)  # fmt: skip


def problem() -> str | None:
    """What keeps this machine from running a cluster of its own, else None."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"Slurm is not installed: no {', '.join(missing)} (Debian: munge slurmctld slurmd)"
    if os.geteuid() != 0:
        return "only root can start a Slurm cluster on this machine"
    if any((CONFIGURATION / name).exists() for name in FILES):
        return f"this machine has a Slurm of its own, in {CONFIGURATION}"
    try:
        socket.gethostbyname(name_of_node())
    except OSError:
        return f"this machine does not find itself: {name_of_node()} is not in /etc/hosts"
    return None


def name_of_node() -> str:
    """What this machine calls itself."""
    return socket.gethostname().partition(".")[0]


class Cluster:
    """A controller and a node with two partitions, `cpu` and `gpu`; use it in a `with`.

    munge refuses a folder that not everybody can pass through, as pytest's own are.
    """

    def __init__(self, folder: Path, *, cpus: int = 4, memory_mb: int = 64000, gpus: int = 2):
        self.folder, self.cpus, self.memory_mb, self.gpus = folder, cpus, memory_mb, gpus
        self.node = name_of_node()
        self.name = f"loopback{os.getpid()}"
        self.socket = folder / "munge" / "socket"
        self.daemons: list[subprocess.Popen] = []
        self.links: list[Path] = []

    # --- Up and down ----------------------------------------------------------

    def __enter__(self) -> "Cluster":
        try:
            self._write_configuration()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links:
            link.unlink(missing_ok=True)
        self._end_processes()
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                # A node that lost its controller ignores SIGTERM.
                daemon.kill()
                daemon.wait(10)
        self.daemons, self.links = [], []

    def _write_configuration(self) -> None:
        for name, mode in {"munge": 0o711, "key": 0o700, "state": 0o755, "node": 0o755}.items():
            (self.folder / name).mkdir(parents=True)
            (self.folder / name).chmod(mode)
        key = self.folder / "key" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        ports = [free_port(), free_port()]
        text = {
            "ClusterName": self.name,
            "SlurmctldHost": f"{self.node}(127.0.0.1)",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.socket}",
            "CredType": "cred/munge",
            "SlurmctldPort": ports[0],
            "SlurmdPort": ports[1],
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "node",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.pid",
            "SlurmctldLogFile": self.folder / "slurmctld.log",
            "SlurmdLogFile": self.folder / "slurmd.log",
            # A container has no cgroups of its own, no mail, and no MPI.
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "MailProg": "/bin/true",
            # Cores, memory and GPUs are counted; the node may say that it has more than it has.
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU_Memory",
            "SlurmdParameters": "config_overrides",
            "GresTypes": "gpu",
            # Without a database, finished jobs are asked of the controller, which keeps them.
            "AccountingStorageType": "accounting_storage/none",
            "JobCompType": "jobcomp/filetxt",
            "JobCompLoc": self.folder / "finished.txt",
            "MinJobAge": 3600,
            # At once rather than every minute.
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "batch_sched_delay=0,sched_interval=1,bf_interval=1",
            "CompleteWait": 0,
            "KillWait": 5,
            "ReturnToService": 1,  # a node that was put down stays down
            "SlurmctldTimeout": 30,
            "SlurmdTimeout": 60,
        }
        lines = [f"{name}={value}" for name, value in text.items()]
        lines.append(
            f"NodeName={self.node} NodeAddr=127.0.0.1 CPUs={self.cpus} RealMemory={self.memory_mb} "
            f"Gres=gpu:{self.gpus} State=UNKNOWN"
        )
        lines += [
            f"PartitionName={name} Nodes={self.node} MaxTime=1-00:00:00 State=UP{default}"
            for name, default in {"cpu": " Default=YES", "gpu": ""}.items()
        ]
        (self.folder / "slurm.conf").write_text("\n".join(lines) + "\n")
        # A GPU must be a character device; links to this one are as many as are asked for.
        for i in range(self.gpus):
            (self.folder / f"gpu{i}").symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text(
            f"NodeName={self.node} Name=gpu File={self.folder}/gpu[0-{self.gpus - 1}]\n"
        )
        CONFIGURATION.mkdir(exist_ok=True)
        for name in FILES:
            link = CONFIGURATION / name
            link.symlink_to(self.folder / name)
            self.links.append(link)

    def _start(self) -> None:
        self._run_in_background(
            "munged", "--foreground", f"--socket={self.socket}",
            f"--key-file={self.folder}/key/munge.key", f"--pid-file={self.folder}/munge/pid",
            f"--log-file={self.folder}/key/log", f"--seed-file={self.folder}/key/seed",
        )  # fmt: skip
        self._await("munge", self.socket.exists)
        self._run_in_background("slurmctld", "-D", "-c")
        self._await("slurmctld", lambda: "UP" in self.ask("scontrol", "ping"))
        self._run_in_background("slurmd", "-D", "-c", "-N", self.node)
        self._await("the node", lambda: self.ask("sinfo", "-h", "-o", "%T").split() == ["idle"])

    def _run_in_background(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.out").open("w") as out:
            daemon = subprocess.Popen(
                [program, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        self.daemons.append(daemon)

    def _await(self, what: str, ready) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while not ready():
            if time.monotonic() > end:
                told = [path.read_text()[-2000:] for path in self.folder.glob("*.out")]
                raise RuntimeError(f"{what} was awaited for {SECONDS_TO_START} s: {told}")
            time.sleep(0.1)

    # --- What one asks of it ----------------------------------------------------

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints; nothing where it fails."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def jobs(self) -> dict[str, dict[str, str]]:
        """Every submission since the start by its number, as scontrol tells of it."""
        found = {}
        for line in self.ask("scontrol", "show", "job", "--oneliner").splitlines():
            entries = (entry.partition("=") for entry in line.split())
            about = {name: value for name, _, value in entries}
            if "JobId" in about:
                found[about["JobId"]] = about
        return found

    def down(self) -> None:
        """Lose the node: all that runs on it is gone, and is queued again."""
        subprocess.run(
            ["scontrol", "update", f"nodename={self.node}", "state=down", "reason=test"], check=True
        )
        self._end_processes()

    def up(self) -> None:
        """Take the node back."""
        subprocess.run(["scontrol", "update", f"nodename={self.node}", "state=resume"], check=True)
        self._await("the node", lambda: self.ask("sinfo", "-h", "-o", "%T").split()[:1] == ["idle"])
        self.hurry()

    def hurry(self) -> None:
        """Let what was queued again start once its end is over; Slurm would wait two minutes."""
        self._await("the end of what ran", lambda: not keepers())
        for number, about in self.jobs().items():
            if about["JobState"] == "PENDING":
                self.ask("scontrol", "update", f"jobid={number}", "starttime=now")
                self.ask("scontrol", "release", number)

    def _end_processes(self) -> None:
        """End what jobs started, and their keepers: without cgroups, Slurm loses sight of some."""
        mark = f"SLURM_CLUSTER_NAME={self.name}".encode()
        found = keepers()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        for process in found:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)


def keepers() -> list[int]:
    """Processes with which Slurm looks after what a job has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text().startswith("slurmstepd"):
                found.append(int(process.name))
    return found


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started in its session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
