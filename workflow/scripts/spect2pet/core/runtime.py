"""What every job does first and last: threads, random seeds, the log file."""

import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from spect2pet.core import sums
from spect2pet.core.errors import InputError

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
#: Libraries that read the variables above only once, when they are imported.
THREADED_LIBRARIES = ("numpy", "scipy", "torch", "ants")

#: What shows that a machine has a GPU for CUDA: on Linux, and in its subsystem on Windows.
GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg")


def has_gpu() -> bool:
    """Whether this machine has a GPU for CUDA, told without importing torch."""
    return any(Path(device).exists() for device in GPU_DEVICES)


def limit_threads(threads: int) -> None:
    """Give every numerical library of this process ``threads`` threads.

    Several jobs that each start one thread per core run many times slower than
    jobs that keep to their own, and the order of a parallel sum changes its
    last bits, so the number belongs to the configuration.

    Args:
        threads: number of threads, at least 1.

    Raises:
        ValueError: ``threads`` is less than 1.
        RuntimeError: a library that reads the limit at import is imported already.
    """
    if threads < 1:
        raise ValueError(f"a job needs at least one thread, not {threads}")
    early = [name for name in THREADED_LIBRARIES if name in sys.modules]
    if early:
        raise RuntimeError(
            f"set the thread limit before importing {', '.join(early)}; "
            "import them inside the job's `with` block"
        )
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    # Threads that wait for one another sleep instead of spinning: with another process on one
    # of two cores, spinning made training 12 times slower.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # cuBLAS is deterministic only with a fixed workspace (NVIDIA cuBLAS manual, 2.1.4).
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"


def limit_torch(threads: int) -> None:
    """Give torch exactly ``threads`` threads, also where there are fewer cores.

    By itself torch takes the smaller of the two, and its sums would then depend
    on the machine.  Call it after `limit_threads`.
    """
    import torch

    torch.set_num_threads(threads)


@contextlib.contextmanager
def job(
    log: str | Path,
    threads: int,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    level: int = logging.INFO,
) -> Iterator[None]:
    """Run the body of a script as one job of the workflow.

    Limits the threads, sends everything that the process prints (Python's and
    native libraries' alike) to the log file, and turns failures into exit
    status 1: an `InputError` into its sentence, anything else into a
    traceback in the log.  Inputs that are not what the jobs before wrote stop
    the job before its body; the sums of its own outputs are written down for
    the jobs that follow.  A job whose Snakemake is killed ends with it.

    Args:
        log: the log file of the rule; written from the start.
        threads: number of threads the job may use.
        inputs: the files that the job reads.
        outputs: the files and folders that it writes.
        level: lowest level that is logged.

    Raises:
        SystemExit: with status 1 when the body failed.
    """
    limit_threads(threads)
    end_with_snakemake()
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.dup(2)
    with log.open("w", buffering=1, encoding="utf-8") as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        logging.basicConfig(
            level=level,
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(message)s",
            datefmt="%Y-%m-%d %H:%M:%S",
            force=True,
        )
        logging.captureWarnings(True)
        try:
            stamps = sums.check(log, inputs)
            sums.begin(log, outputs)
            yield
            sums.check_again(stamps)
            sums.end(log, outputs)
        except InputError as error:
            logging.error("%s", error)
            for sentence in str(error).splitlines():
                _say(terminal, f"ERROR: {sentence}")
            raise SystemExit(1) from None
        except Exception as error:
            traceback.print_exc()
            _say(terminal, f"ERROR: {type(error).__name__}: {error} (traceback in {log})")
            raise SystemExit(1) from None
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.close(terminal)


def end_with_snakemake(seconds: float = 0.5) -> None:
    """End this process, and those that it started, soon after its Snakemake is killed.

    Otherwise it would go on, and write the same files as the job that the next command starts.
    Only where the system tells of processes in /proc, as Linux does.

    Args:
        seconds: how often to look.
    """
    lineage = _up_to_snakemake()
    if lineage:
        threading.Thread(target=_watch, args=(lineage, seconds), daemon=True).start()


def _watch(lineage: list[tuple[int, int]], seconds: float) -> None:
    """Wait until a process has lost its parent, then kill this one."""
    never = threading.Event()  # waits by a clock that nobody sets, which time.sleep may not
    while all(_parent(child) == parent for child, parent in lineage):
        never.wait(seconds)
    for process in [*_descendants(os.getpid()), os.getpid()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _up_to_snakemake() -> list[tuple[int, int]]:
    """Pairs of process and parent from this one up to Snakemake; none where there is none."""
    lineage: list[tuple[int, int]] = []
    child, parent = os.getpid(), os.getppid()
    while parent > 1:
        lineage.append((child, parent))
        try:
            words = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return []
        # The program, or what Python runs; not a shell whose command names a file of Snakemake's.
        if any(Path(os.fsdecode(word)).name == "snakemake" for word in words[:3]):
            return lineage
        child, parent = parent, _parent(parent)
    return []


def _parent(process: int) -> int:
    """The parent of a process; 0 where there is no such process."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name of the program, in brackets, may hold anything.
    return int(text.rpartition(")")[2].split()[1])


def _descendants(process: int) -> list[int]:
    """Processes that a process started, and theirs, these first."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text(encoding="utf-8").split()):
                found += [*_descendants(child), child]
    return found


def _say(descriptor: int, sentence: str) -> None:
    """Write one line to the terminal that Snakemake was started from."""
    os.write(descriptor, (sentence + "\n").encode())
