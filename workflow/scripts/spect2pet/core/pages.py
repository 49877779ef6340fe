"""Pages in one file: a template with its styles and scripts in their places."""

from collections.abc import Mapping
from pathlib import Path


def fill(sources: Mapping[str, Path], texts: Mapping[str, str]) -> str:
    """A page's template with what it is made of.

    Args:
        sources: the files ``page`` (the template), ``style``, ``viewer`` and ``script``.
        texts: further texts by the names of their places.

    Returns:
        The template with each ``/*{name}*/`` replaced.
    """
    page = sources["page"].read_text(encoding="utf-8")
    parts = {name: path.read_text("utf-8") for name, path in sources.items() if name != "page"}
    for name, text in {**parts, **texts}.items():
        page = page.replace(f"/*{{{name}}}*/", text)
    return page
