"""The cells of a table that somebody wrote: text with separators, or an Excel sheet."""

import codecs
import csv
import datetime
import io
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from spect2pet.core.errors import InputError

SUFFIXES = (".tsv", ".csv", ".xlsx")


def read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a table, blank ones left out.

    Args:
        path: a ``.tsv`` file, a ``.csv`` file with commas or semicolons (both UTF-8,
            or UTF-16 with a byte order mark), or an ``.xlsx`` file, whose first sheet
            is taken.

    Returns:
        Of each row its line in the file (from 1) and the text of its cells without
        outer blanks.  A whole number of a sheet has no decimals, and the leading zeros
        that its format shows.

    Raises:
        InputError: the file cannot be read as a table.
    """
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder, not a subjects table; name the table in it under `subjects:`"
        )
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: the subjects table must end in .tsv, .csv or .xlsx; save it as one"
        )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such subjects table; correct `subjects:` in the config"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: the subjects table cannot be opened ({error.strerror}); check its permissions"
        ) from None
    rows = _of_sheet(content, path) if suffix == ".xlsx" else _of_text(content, path)
    stripped = ((line, [cell.strip() for cell in cells]) for line, cells in rows)
    return [(line, cells) for line, cells in stripped if any(cells)]


def _of_text(content: bytes, path: Path) -> Iterator[tuple[int, list[str]]]:
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: is not UTF-8 text; save it again as UTF-8 (in Excel: CSV UTF-8)"
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path}: holds NUL bytes, so it is not plain text; save it again as UTF-8"
        )
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_separator(text, path), strict=True
    )
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, line {line}: cannot be read as a table ({error}); "
            "mend the quotation marks there"
        ) from None


def _separator(text: str, path: Path) -> str:
    """Tab, comma or semicolon; Excel writes the last where numbers have decimal commas."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = text.strip().partition("\n")[0]
    return ";" if header.count(";") > header.count(",") else ","


def _of_sheet(content: bytes, path: Path) -> list[tuple[int, list[str]]]:
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path}: reading .xlsx needs the package openpyxl; install it or save as .csv"
        ) from None
    try:
        with warnings.catch_warnings(action="ignore"):
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            with closing(book):
                sheet = book.worksheets[0]
                # Some programs write a size into the sheet that is not its own.
                sheet.reset_dimensions()
                return [
                    (line, [_text(cell) for cell in row]) for line, row in enumerate(sheet.rows, 1)
                ]
    except Exception as error:
        # A damaged archive ends in whatever zipfile, the XML parser or openpyxl meets first.
        raise InputError(
            f"{path}: cannot be read as an Excel sheet ({type(error).__name__}); "
            "save it again as .xlsx without a password, or as .csv"
        ) from None


def _text(cell: Any) -> str:
    """A cell as the sheet shows it, as far as it can name a subject or a file."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and set(cell.number_format) == {"0"}:
        return str(value).zfill(len(cell.number_format))
    return str(value)
