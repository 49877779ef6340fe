"""Decoding compressed pixels in a process of its own.

The codecs of JPEG, JPEG-LS and JPEG 2000 are C++ that ends its process on some damaged streams
(GDCM by ``std::terminate``); here that costs a child process and leaves a sentence.

As a program it reads file names from standard input, separated by zero bytes, and writes the
stored values of the n-th, if they can be decoded, to ``<n>.npy`` in the folder it is given.
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom

from spect2pet.core.errors import InputError
from spect2pet.prepare.dicom_listing import FAULTS, quiet
from spect2pet.prepare.dicom_values import LARGEST_BYTES, decode_here, pixels_of

#: Longest that decoding may take, seconds, and seconds more for each file.
PATIENCE, PATIENCE_PER_FILE = 120, 2


def decode_apart(files: Sequence[Path]) -> dict[Path, np.ndarray]:
    """Decode files in a child process.

    Args:
        files: DICOM files.

    Returns:
        Stored values (frame, row, column) of each file that could be decoded; what the others
        lack is found when they are read.
    """
    scripts = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [scripts, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "spect2pet.prepare.dicom_decoding", folder],
                input=b"\0".join(os.fsencode(file) for file in files),
                env={**os.environ, "PYTHONPATH": path},
                timeout=PATIENCE + PATIENCE_PER_FILE * len(files),
                capture_output=True,  # codecs complain on standard error
                check=False,
            )
        decoded = {}
        for number, file in enumerate(files):
            with contextlib.suppress(OSError, ValueError, EOFError):
                decoded[file] = np.load(Path(folder, f"{number}.npy"))
        return decoded


def _decode(files: Sequence[Path], folder: Path) -> None:
    """Write what can be decoded; what cannot is left out."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (3 * LARGEST_BYTES, 3 * LARGEST_BYTES))
    for number, file in enumerate(files):
        with quiet(), contextlib.suppress(InputError, *FAULTS):
            image = pydicom.dcmread(file, force=True)
            frames = int(image.get("NumberOfFrames") or 1)
            partial = folder / f"{number}.partial.npy"
            np.save(partial, pixels_of(image, frames, file, decode_here))
            partial.replace(folder / f"{number}.npy")


if __name__ == "__main__":
    names = sys.stdin.buffer.read().split(b"\0")
    _decode([Path(os.fsdecode(name)) for name in names], Path(sys.argv[1]))
