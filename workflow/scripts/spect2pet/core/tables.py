"""Tab-separated tables with a JSON sidecar that says what each column holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from spect2pet.core import files
from spect2pet.core.provenance import write_json


def write_table(
    path: str | Path, table: pd.DataFrame, columns: Mapping[str, str], made_by: Mapping[str, Any]
) -> None:
    """Write a table as TSV with a BIDS-style JSON sidecar of the same name.

    Args:
        path: file to write, ending in ``.tsv``.
        table: the rows; floats are written with six significant digits.
        columns: description of every column, with its unit.
        made_by: what `provenance.stamp` gave.

    Raises:
        ValueError: a column has no description, or a description no column.
        InputError: the folder or the disk does not take the files.
    """
    if set(columns) != set(table.columns):
        odd = sorted(set(columns).symmetric_difference(table.columns))
        raise ValueError(f"columns and descriptions differ: {', '.join(map(str, odd))}")
    path = Path(path)
    described = {name: {"Description": columns[name]} for name in table.columns}
    with files.whole(path) as partial:
        table.to_csv(partial, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
        write_json(path.with_suffix(".json"), {**described, "GeneratedBy": made_by})


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote; subjects stay text."""
    return pd.read_csv(path, sep="\t", na_values=["n/a"], dtype={"subject": str})
