"""The one exception a user is meant to read, and what its sentences are made of."""

from collections.abc import Iterable
from pathlib import Path


class InputError(Exception):
    """Something that the user gave is wrong.

    The message is one sentence that names the subject and file where there is
    one, says what is wrong and what to do; where several things are wrong, a
    line for each.  A job that raises it ends with exit status 1 and shows that
    instead of a traceback.
    """


class Stopped(InputError):
    """The job was asked to stop, has kept what it had, and goes on when it is run again."""


def by(values: Iterable[float]) -> str:
    """Numbers of one kind as ``4 × 4 × 5``."""
    return " × ".join(f"{value:.3g}" for value in values)


def in_short(error: BaseException, path: Path) -> str:
    """What an error says, in at most 100 printable characters and without its folder."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    said = said.replace(str(path), path.name)
    return "".join(letter for letter in said if letter.isprintable())[:100]
