"""Where a result comes from: code, configuration, seed and library versions."""

import ast
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from spect2pet.core import files

VERSION = "0.1.0"
LIBRARY = Path(__file__).parents[1]
RESEARCH_ONLY = "For research, not for diagnosis."


def fingerprint(value: Any) -> str:
    """Short SHA-256 of a JSON-serialisable value, independent of key order.

    Returns:
        The first 16 hexadecimal digits.
    """
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def reached_modules(script: Path) -> list[Path]:
    """Library modules that a script reaches through its imports, direct or not.

    Args:
        script: a Python file that imports from ``spect2pet``.

    Returns:
        Paths of the modules, sorted; ``script`` itself is not among them.
    """
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        for module in _imported(waiting.pop()):
            if module not in seen:
                seen.add(module)
                waiting.append(module)
    return sorted(seen)


def code_fingerprint(script: Path) -> str:
    """Fingerprint of all library code that a script can run.

    Snakemake compares scripts but not the modules they import; as a ``params``
    value this makes a rule run again when one of its modules changes, and only
    then.
    """
    return fingerprint({m.stem: m.read_text(encoding="utf-8") for m in reached_modules(script)})


def stamp(
    settings: Any, seed: int | None = None, code: str = "", packages: Iterable[str] = ()
) -> dict[str, Any]:
    """The record that goes with every result.

    Args:
        settings: the part of the configuration that the result depends on.
        seed: random seed, None where nothing is drawn.
        code: `code_fingerprint` of the script that made the result.
        packages: distribution names whose versions shape the result.

    Returns:
        A dictionary ready for JSON, without time stamps, so that equal runs
        write equal bytes.
    """
    return {
        "Name": "spect2pet",
        "Version": VERSION,
        "CodeFingerprint": code,
        "Settings": settings,
        "SettingsFingerprint": fingerprint(settings),
        "Seed": seed,
        "Libraries": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in sorted(packages)},
        },
        "Notice": RESEARCH_ONLY,
    }


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all, keys in the order given.

    Raises:
        InputError: the folder or the disk does not take the file.
    """
    text = json.dumps(content, indent=2, default=_plain) + "\n"
    with files.whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """Plain Python for NumPy scalars and arrays."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")


def _imported(source: Path) -> list[Path]:
    """Library modules that one file imports, anywhere in it."""
    names = _imported_names(source.read_text(encoding="utf-8"))
    paths = (LIBRARY.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in names)
    return [path for path in paths if path.exists()]


@cache  # parsing is most of the time of starting the workflow, whose rules share their modules
def _imported_names(code: str) -> list[str]:
    """Names within the library that a file's code imports, sorted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may be a module or something in one.
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return sorted(name for name in names if name.startswith("spect2pet."))
