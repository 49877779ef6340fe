"""Files that are there whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from spect2pet.core.errors import InputError


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A name to write a file under, which becomes the file's own once all is written.

    When the body fails, nothing is left of it, and what was there before stays.

    Args:
        path: the file to make; its folder is there.

    Yields:
        The name to write, in the same folder and with the same ending.

    Raises:
        InputError: the folder or the disk does not take the file.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise not_written(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def not_written(path: Path, error: OSError) -> InputError:
    """What a user is told of a file or folder that the disk did not take."""
    return InputError(
        f"{path}: cannot be written ({error.strerror or error}); "
        "see that its folder may be written to and that the disk has room"
    )
