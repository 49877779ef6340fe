"""What Snakemake asks of a `conda` command, answered from the channel of `conda_channel`.

Conda itself cannot be installed with pip.  This stands in for it in tests: it solves and installs
with rattler, so the environments are conda's, but the command is not conda.

    conda_stand_in.py <folder of the channel> <arguments of conda>
"""

import argparse
import json
import os
import sys
from pathlib import Path

import conda_channel

#: Snakemake refuses a conda that says that it is older.
VERSION = "24.7.1"


def main(arguments: list[str]) -> None:
    """Answer one command."""
    channel = conda_channel.Channel(Path(arguments[0]))
    match arguments[1:]:
        case ["--version"]:
            print(f"conda {VERSION} (a stand-in of the tests of spect2pet)")
        case ["info", "--json"]:
            root = channel.folder.parent / "root"
            print(json.dumps({"conda_prefix": str(root), "platform": conda_channel.SUBDIR}))
        case ["config", "--get", key, "--json"]:
            print(json.dumps({"get": {key: "strict"}}))
        case ["env", "create", "--dry-run", "--json", "--file", environment]:
            print(json.dumps([one.url for one in channel.solve(Path(environment))]))
        case ["env", "create", *rest] | ["create", *rest]:
            told = parse(rest)
            if told.file.suffix == ".txt":
                channel.install_pinned(told.file, told.prefix)
            else:
                channel.install(told.file, told.prefix)
        case ["clean", *_]:
            pass  # there are no archives
        case other:
            sys.exit(f"the stand-in for conda does not know: {' '.join(other)}")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of `conda env create` and `conda create` that Snakemake gives."""
    parser = argparse.ArgumentParser()
    for option in ("--quiet", "--no-default-packages", "--yes"):
        parser.add_argument(option, action="store_true")
    for option in ("--file", "--prefix"):
        parser.add_argument(option, type=Path, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    # Without the interpreter's own end, in which rattler's threads may still hold objects of it:
    # the process then dies of a fault after its work is done.
    os._exit(0)
