"""What every job does first and last: threads, random seeds, the log file."""

import contextlib
import datetime
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from spect2pet.core import files, processes, sums, warm
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
    _set_threads(threads)


def _set_threads(threads: int) -> None:
    """Set the variables in which libraries, and programs that they start, look for a limit."""
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
    repeated: bool = False,
) -> Iterator[None]:
    """Run the body of a script as one job of the workflow.

    Limits the threads, sends everything that the process prints (Python's and
    native libraries' alike) to the log file, and turns failures into exit
    status 1: an `InputError` into its sentence, anything else into a
    traceback in the log.  Inputs that are not what the jobs before wrote stop
    the job before its body; the sums of its own outputs are written down for
    the jobs that follow.  A job whose Snakemake is killed ends with it.  Beside
    the log, in ``<job>.benchmark.tsv``, stands what it took.

    Of a script that many jobs run, one for each subject, the first leaves its
    imports to the others (`warm`).

    Args:
        log: the log file of the rule; written from the start.
        threads: number of threads the job may use.
        inputs: the files that the job reads.
        outputs: the files and folders that it writes.
        level: lowest level that is logged.
        repeated: whether many jobs run this script.

    Raises:
        SystemExit: with status 1 when the body failed, and in the place of the
            body when another process has run it.
    """
    start = time.monotonic()
    lineage = [] if warm.is_warm() else processes.lineage_to_snakemake()
    copy = warm.copy_for(lineage, threads) if repeated else None
    if copy is not None:
        copy.hand_over()
    if warm.is_warm():
        _set_threads(threads)
    else:
        limit_threads(threads)
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
        if warm.is_warm():
            logging.info("Started with what an earlier job imported.")
        if copy is not None:
            copy.leave([terminal, stream.fileno()])
        processes.end_with(lineage)
        try:
            stamps = sums.check(log, inputs)
            sums.begin(log, outputs)
            yield
            sums.check_again(stamps)
            _write_benchmark(log, time.monotonic() - start)
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


def _write_benchmark(log: Path, seconds: float) -> None:
    """Write what this job took, in the columns and units of Snakemake's benchmarks.

    Those look at a job from outside, now and then, and would see the process that waits while a
    copy does the work (`warm`).
    """
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes, or kB (getrusage(2))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    row = {
        "s": f"{seconds:.4f}",
        "h:m:s": str(datetime.timedelta(seconds=int(seconds))),
        "max_rss": f"{max(one.ru_maxrss for one in used) / unit:.2f}",
        "cpu_time": f"{sum(one.ru_utime + one.ru_stime for one in used):.2f}",
    }
    with files.whole(log.with_suffix(".benchmark.tsv")) as path:
        path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n", encoding="utf-8")


def _say(descriptor: int, sentence: str) -> None:
    """Write one line to the terminal that Snakemake was started from."""
    os.write(descriptor, (sentence + "\n").encode())
