"""Dates of files that a clock gave which was wrong."""

import contextlib
import os
import time
from pathlib import Path

#: Seconds by which a file server's clock may be ahead.
TOLERATED = 1.0


def bring_back(folder: str | Path) -> int:
    """Give files that are dated in the future the date of now.

    Snakemake refuses whatever is made of such a file, as it looks older than what it was made of,
    until that date has come.

    Args:
        folder: the folder below which files are looked at; links are not followed.

    Returns:
        How many there were.
    """
    now = time.time()
    count = 0
    for here, _, names in os.walk(folder):
        for name in names:
            path = f"{here}/{name}"
            with contextlib.suppress(OSError):  # gone, or not of this user
                if os.lstat(path).st_mtime > now + TOLERATED:
                    os.utime(path, (now, now), follow_symlinks=False)
                    count += 1
    return count
