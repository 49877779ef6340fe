"""What of a configuration may name somebody."""

from collections.abc import Mapping
from typing import Any

#: Keys whose values are paths or words of a header.
PRIVATE = ("subjects", "scan", "model", "spect_series", "pet_series", "scores", "key")


def names_somebody(key: str, value: Any) -> bool:
    """Whether a value of the configuration may tell of somebody, anywhere but below ``models``."""
    # A number names nobody: `readers: subjects` is one.
    return key in PRIVATE and value is not None and not isinstance(value, int)


def nameless(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what may name somebody: paths and words of headers are None."""

    def shown(key: str, value: Any) -> Any:
        if key == "models":
            return value
        if isinstance(value, Mapping):
            return nameless(value)
        return None if names_somebody(key, value) else value

    return {key: shown(key, value) for key, value in config.items()}
