"""Headers of safetensors files, read without that library."""

import json
import struct
from pathlib import Path
from typing import Any

#: Everything in a file of the workflow that is not a tensor stands as JSON under this one key: with
#: several keys, safetensors writes them in an order that changes from run to run.
RECORD = "spect2pet"
#: Longest header that is read, bytes, as in the library.
LONGEST = 100_000_000


def read_record(path: str | Path) -> dict[str, Any]:
    """Read what a model file says of itself, without its tensors and without torch.

    The workflow asks for it each time it is read.  A safetensors file begins with the length of its
    header as an unsigned 64-bit little-endian integer; the header is JSON
    (https://huggingface.co/docs/safetensors, "Format").

    Args:
        path: a file that `weights.write_tensors` wrote.

    Returns:
        The record.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged or another program's.
    """
    with Path(path).open("rb") as stream:
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, LONGEST)))
            record = json.loads(header["__metadata__"][RECORD])
        except (struct.error, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"no header of this workflow ({error})") from error
    if not isinstance(record, dict):
        raise ValueError("no record of this workflow")
    return record
