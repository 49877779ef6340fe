"""The official BIDS validator, where it is installed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_BESIDE_PYTHON = str(Path(sys.executable).parent)
VALIDATOR = shutil.which("bids-validator-deno", path=_BESIDE_PYTHON) or shutil.which(
    "bids-validator-deno"
)
needs_validator = pytest.mark.skipif(VALIDATOR is None, reason="not installed: bids-validator-deno")

#: Only who gives the dataset to others knows its authors, and a table of names is in no space.
EXPECTED_WARNINGS = {
    ("TOO_FEW_AUTHORS", "/dataset_description.json"),
    ("SIDECAR_KEY_RECOMMENDED", "/desc-aal_dseg.tsv"),
}


def issues(dataset: Path, severity: str) -> set[tuple[str, str]]:
    """Code and place of everything of one severity that the validator reports."""
    done = subprocess.run(
        [VALIDATOR, "--format", "json", "--max-rows", "-1", str(dataset)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["summary"]["totalFiles"] > 0
    return {
        (issue["code"], issue["location"])
        for issue in found["issues"]["issues"]
        if issue["severity"] == severity
    }
