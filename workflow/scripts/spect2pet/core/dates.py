"""Dates of files that a clock gave which was wrong."""

import contextlib
import os
import time
from pathlib import Path

#: Nanoseconds by which a file server's clock may be ahead.
TOLERATED = 1_000_000_000


def bring_back(folder: str | Path) -> int:
    """Bring files that are dated in the future back to now and before.

    Snakemake refuses whatever is made of such a file, as it looks older than what it was made of,
    until that date has come.  All are moved by the same time, so that what was newer stays newer.

    Args:
        folder: the folder below which files are looked at; links are not followed.

    Returns:
        How many there were.
    """
    now = time.time_ns()
    late: dict[str, int] = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = f"{here}/{name}"
            with contextlib.suppress(OSError):  # gone meanwhile
                date = os.lstat(path).st_mtime_ns
                if date > now + TOLERATED:
                    late[path] = date
    by = max(late.values(), default=now) - now
    for path, date in late.items():
        with contextlib.suppress(OSError):  # not of this user
            os.utime(path, ns=(date - by, date - by), follow_symlinks=False)
    return len(late)
