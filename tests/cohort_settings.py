"""Settings of the simulated cohort for tests: the defaults of the schema."""

from pathlib import Path
from typing import Any

import yaml

SCHEMA = Path(__file__).parents[1] / "workflow" / "schemas" / "config.schema.yaml"


def default_settings() -> dict[str, Any]:
    """The ``cohort`` section of a configuration that leaves everything at its default."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return _defaults(schema["properties"]["cohort"])


def _defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Defaults of an object and of all objects in it."""
    return {
        name: _defaults(part) if part["type"] == "object" else part["default"]
        for name, part in schema["properties"].items()
    }
