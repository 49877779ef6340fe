"""Folders that are there whole or not at all."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from spect2pet.core import files


@contextlib.contextmanager
def whole(output: str | Path) -> Iterator[Path]:
    """A folder to fill, which takes the name of the output once all is in it.

    When the body fails, nothing is left of it, and what was there before stays.

    Args:
        output: the folder to make.

    Yields:
        The folder to fill, beside the output.

    Raises:
        InputError: the disk does not take the files.
    """
    output = Path(output)
    partial, old = (output.with_name(f".{output.name}-{end}") for end in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        # A folder that is there cannot be replaced in one step.
        shutil.rmtree(old, ignore_errors=True)
        if output.exists():
            output.rename(old)
        partial.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise files.not_written(output, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
