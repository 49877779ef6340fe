"""NiiVue, as pages take it from the package that ships it."""

import base64
import gzip
import re
import urllib.parse

import pytest

from spect2pet.core import niivue
from spect2pet.core.errors import InputError

MODULE = f"/*{'x' * 100_000}*/class Viewer{{}}const a='ä\"';export{{Viewer as Niivue}};"


def script(encoded):
    return f'let page="{encoded}";export{{page as default}};'


def test_the_module_is_found_in_the_script_and_decoded():
    encoded = urllib.parse.quote(MODULE, safe="!'()*~-_.")
    assert niivue.module_of(script(encoded)) == MODULE


@pytest.mark.parametrize("encoded", ["export%7BNiivue%7D", "x" * 200_000])
def test_other_texts_of_the_script_are_not_the_module(encoded):
    assert niivue.module_of(script(encoded)) is None


@pytest.mark.parametrize("name", ["SCRIPT", "LICENCE"])
def test_a_package_without_what_pages_need_is_refused(monkeypatch, name):
    monkeypatch.setattr(niivue, name, "nowhere")
    with pytest.raises(InputError, match=r"ipyniivue [\d.]+: does not hold NiiVue"):
        niivue.texts()


def test_pages_get_a_whole_module_and_its_licence():
    texts = niivue.texts()
    source = gzip.decompress(base64.b64decode(texts["niivue"])).decode()
    exported = re.search(r"export\{([^}]*)\};?\s*$", source)
    assert {"Niivue", "NVImage"} <= set(exported.group(1).split(","))
    assert "Copyright" in texts["licence"]
    assert len(texts["niivue"]) < 2_000_000
    assert niivue.texts() == texts
