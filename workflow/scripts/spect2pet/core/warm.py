"""Warm starts: jobs of one script begin where the first of them had imported its libraries.

A subject's jobs last seconds, and torch, ANTs or PyTomography take one to five of them to import.
So the first job of a script, once it has imported what the script imports, leaves a copy of itself
behind (a fork) and goes on.  The next job of the same script, under the same Snakemake, Python and
number of threads, hands its script over to the copy, which forks again; that fork runs the script
with the job's own environment, folder and terminal, and the job waits and ends as it ends.

- The copy ends with its Snakemake, and when nobody has come for a while.
- A job whose waiting process is gone is killed; one that is interrupted is interrupted.
- Where anything is missing (not Linux, no Snakemake above, a container), a job starts by itself, as
  it does with ``SPECT2PET_STARTS=cold`` in the environment.
- Only a process of one thread is copied, for a fork has none of the others: where a job has several
  threads, numerical libraries start them with the import.
"""

import ast
import atexit
import contextlib
import gc
import hashlib
import json
import os
import select
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from spect2pet.core import processes

VARIABLE = "SPECT2PET_STARTS"
#: Behind it a script of Snakemake's is what stands in ``workflow/scripts/``.
PREAMBLE_END = "# snakemake preamble end #"
#: Seconds after which a copy that nobody needs gives its memory back.
IDLE = 60
#: Process numbers and exit statuses on the connection.
NUMBER = struct.Struct("i")
#: Process, user and group at the other end (unix(7), SO_PEERCRED).
PEER = struct.Struct("3i")

_handed_over = False


def is_warm() -> bool:
    """Whether this process began as the copy of another job, with its libraries imported."""
    return _handed_over


def copy_for(lineage: list[tuple[int, int]], threads: int) -> "Copy | None":
    """The copy of an earlier job from which this one may start, whether it is there yet or not.

    Args:
        lineage: this process and its parents up to Snakemake (`processes.lineage_to_snakemake`).
        threads: number of threads of the job.

    Returns:
        None where there can be none, and in a process that began as a copy itself.
    """
    if _handed_over or not lineage or os.environ.get(VARIABLE) == "cold":
        return None
    snakemake = lineage[-1][1]
    try:
        # A copy made in a container would keep it open.
        own, other = (Path(f"/proc/{who}/ns/mnt").readlink() for who in ("self", snakemake))
        if own != other:
            return None
        started = processes.started(snakemake)
        told = [sys.executable, sys.prefix, threads, _script()]
    except OSError:
        return None
    mark = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return Copy(f"\0spect2pet-{os.getuid()}-{snakemake}-{started}-{mark}".encode(), lineage)


@dataclass(frozen=True)
class Copy:
    """A process that has imported what jobs of one script import, and forks for each.

    Attributes:
        name: where it listens. It is a name of Linux's own (unix(7), abstract), of which nothing is
            left when the process ends.
        lineage: the job that asks, and its parents up to Snakemake.
    """

    name: bytes
    lineage: list[tuple[int, int]]

    def hand_over(self) -> None:
        """Let the copy run this process's script, and end as that ends.

        Does nothing where there is no copy yet.

        Raises:
            SystemExit: the script has run, with its status.
        """
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            try:
                connection.connect(self.name)
                process = _receive(connection) if _is_mine(connection) else None
            except OSError:
                return
            if process is None:
                return
            processes.end_with(self.lineage)
            # From here on the job may run there, and must not run here as well.
            status = _wait(connection, process) if _send(connection) else None
        if status is None:
            sys.stderr.write(
                "ERROR: the process that this job ran in was killed; give the same command again\n"
            )
            raise SystemExit(1)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            _die_of(-code)
        raise SystemExit(code)

    def leave(self, streams: Iterable[int]) -> None:
        """Import what this process's script imports, and leave a copy for the jobs that follow.

        Does nothing where another job is about to, or where a copy would not be whole.

        Args:
            streams: open files of this job that the copy must not keep open.
        """
        with contextlib.ExitStack() as opened:
            try:
                snakemake = os.pidfd_open(self.lineage[-1][1])
                opened.callback(os.close, snakemake)
                listener = opened.enter_context(socket.socket(socket.AF_UNIX))
                listener.bind(self.name)
                _import_all(_script())
                if len(list(Path("/proc/self/task").iterdir())) > 1:
                    return
                # What is in the buffers is for this job to write.
                sys.stdout.flush()
                sys.stderr.flush()
                listener.listen(socket.SOMAXCONN)
                process = os.fork()
            except (OSError, AttributeError):  # an older Linux, or Python without pidfd_open
                return
            if process == 0:
                _serve(listener, snakemake, streams)


def _script() -> str:
    """The text of this process's script, without what Snakemake put before it."""
    text = Path(sys.argv[0]).read_text(encoding="utf-8")
    before, found, script = text.partition(PREAMBLE_END)
    return script if found else before


def _import_all(script: str) -> None:
    """Run the import statements of a script, also those in its ``with`` block."""
    blocks = [ast.parse(script).body]
    blocks += [node.body for node in blocks[0] if isinstance(node, ast.With)]
    kinds = (ast.Import, ast.ImportFrom)
    imports: list[ast.stmt] = [
        node for block in blocks for node in block if isinstance(node, kinds)
    ]
    # What fails here fails again in the job, which tells of it.
    with contextlib.suppress(Exception):
        exec(compile(ast.Module(imports, []), "imports", "exec"), {})


# --- The job that hands over --------------------------------------------------


def _send(connection: socket.socket) -> bool:
    """Send the job: its script, folder, environment, and standard streams; say whether it went."""
    told = {
        "script": str(Path(sys.argv[0]).absolute()),
        "arguments": sys.argv,
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
    }
    text = json.dumps(told).encode() + b"\n"
    try:
        sent = socket.send_fds(connection, [text], [0, 1, 2])
        if sent < len(text):  # otherwise the job may be done by now, and the other end closed
            connection.sendall(text[sent:])
    except OSError:
        return False
    return True


def _wait(connection: socket.socket, process: int) -> int | None:
    """The status with which the process of the job ended; None when nobody tells it any more."""
    while True:
        try:
            return _receive(connection)
        except KeyboardInterrupt:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT)
        except OSError:
            return None


def _receive(connection: socket.socket) -> int | None:
    """A number from the other end; None when that has closed."""
    received = connection.recv(NUMBER.size, socket.MSG_WAITALL)
    return NUMBER.unpack(received)[0] if len(received) == NUMBER.size else None


def _is_mine(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to the same user."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    return PEER.unpack(peer)[1] == os.getuid()


# --- The copy -------------------------------------------------------------------


def _serve(listener: socket.socket, snakemake: int, streams: Iterable[int]) -> NoReturn:
    """Wait for jobs and fork for each, until Snakemake ends or nobody comes any more."""
    try:
        os.setsid()  # Ctrl-C is for Snakemake and the jobs that wait
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in {0, 1, 2, *streams}:
            os.dup2(nothing, stream)
        gc.freeze()  # the forks need not touch, and so copy, what is imported
        ready = selectors.DefaultSelector()
        ready.register(listener, selectors.EVENT_READ)
        ready.register(snakemake, selectors.EVENT_READ)
        while True:
            is_idle = len(ready.get_map()) == 2
            events = ready.select(IDLE if is_idle else None)
            if not events or any(key.fd == snakemake for key, _ in events):
                os._exit(0)
            for key, _ in events:
                if key.fileobj is listener:
                    _accept(listener, ready)
                else:
                    _tell_end(ready, key)
    finally:
        os._exit(1)


def _accept(listener: socket.socket, ready: selectors.BaseSelector) -> None:
    """Fork for a job that has come."""
    connection, _ = listener.accept()
    try:
        process = os.fork() if _is_mine(connection) else None
    except OSError:
        process = None
    if process is None:
        connection.close()
    elif process == 0:
        listener.close()
        ready.close()
        _run(connection)
    else:
        with contextlib.suppress(OSError):
            connection.sendall(NUMBER.pack(process))
        ready.register(os.pidfd_open(process), selectors.EVENT_READ, (process, connection))


def _tell_end(ready: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Tell the job that waits how the process that ran it has ended."""
    process, connection = key.data
    _, status = os.waitpid(process, 0)
    with contextlib.suppress(OSError):
        connection.sendall(NUMBER.pack(status))
    connection.close()
    ready.unregister(key.fileobj)
    os.close(key.fd)


# --- The fork that runs the job -------------------------------------------------


def _run(connection: socket.socket) -> NoReturn:
    """Be the job at the other end of the connection."""
    global _handed_over  # noqa: PLW0603
    status = 1
    try:
        _handed_over = True
        told = _become(connection)
        threading.Thread(target=_watch, args=(connection,), daemon=True).start()
        status = _execute(told["script"])
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _become(connection: socket.socket) -> dict[str, Any]:
    """Take over the other end's streams, folder and environment; return all that it told."""
    text, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    for own, stream in enumerate(streams):
        os.dup2(stream, own)
        os.close(stream)
    while not text.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            processes.end()
        text += more
    told = json.loads(text)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = told["arguments"]
    return told


def _watch(connection: socket.socket) -> None:
    """End this process when the one that waits for it is gone."""
    hung_up = select.poll()
    hung_up.register(connection, select.POLLRDHUP)
    hung_up.poll()
    processes.end()


def _execute(script: str) -> int:
    """Run a script as Python itself would; return its exit status."""
    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    try:
        exec(compile(Path(script).read_bytes(), script, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        _die_of(signal.SIGINT)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _die_of(number: int) -> None:
    """End this process by a signal, so that its parent sees it."""
    with contextlib.suppress(OSError):  # SIGKILL has no other way anyhow
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
