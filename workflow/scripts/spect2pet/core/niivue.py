"""NiiVue (https://github.com/niivue/niivue), which shows images in pages, from a package.

The package ``ipyniivue`` brings NiiVue for notebooks.  Its script holds NiiVue a second time as
percent-encoded text: the module that it writes into pages of its own, which needs no notebook.
"""

import base64
import re
import urllib.parse
import zlib
from importlib import metadata
from pathlib import Path

from spect2pet.core.errors import InputError

SCRIPT = "ipyniivue/static/widget.js"
LICENCE = "licenses/LICENSE"
#: A long string of percent-encoded text that exports the class Niivue.
MODULE = re.compile(r'"([^"\s]{100000,}export%7B[^"\s]*Niivue[^"\s]*)"')


def texts() -> dict[str, str]:
    """What a page takes in to show images.

    Returns:
        ``niivue``: the module, gzip in base64; ``licence``: its licence, which pages must show.

    Raises:
        InputError: the installed ``ipyniivue`` does not hold the module or the licence.
    """
    # Importing it would bring notebooks along.
    package = metadata.distribution("ipyniivue")
    script = Path(str(package.locate_file(SCRIPT)))
    source = module_of(script.read_text(encoding="utf-8")) if script.exists() else None
    licence = package.read_text(LICENCE)
    if source is None or licence is None:
        raise InputError(
            f"ipyniivue {package.version}: does not hold NiiVue as pages need it; "
            "install the version that requirements.lock names"
        )
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(source.encode()) + packer.flush()
    return {"niivue": base64.b64encode(packed).decode(), "licence": f"NiiVue. {licence.strip()}"}


def module_of(script: str) -> str | None:
    """The source of NiiVue's module in the script of ``ipyniivue``; None where it is not there."""
    found = MODULE.search(script)
    return None if found is None else urllib.parse.unquote(found.group(1), errors="strict")
