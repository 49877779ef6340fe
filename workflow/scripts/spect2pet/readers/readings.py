"""The files that readers hand in: checked against the key, and put together."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spect2pet.core.errors import InputError
from spect2pet.readers.readers import REAL, SIDES

COLUMNS = ("session", "commitment", "reader", "part", "item", "value", "seconds", "comment")
#: What a reader may be called in results.
READER = re.compile(r"[A-Za-z0-9]{1,8}")


def read_readings(paths: Sequence[str | Path], key: pd.DataFrame, commitment: str) -> pd.DataFrame:
    """Read all readers' files of a session.

    Args:
        paths: one file a reader, as the page exports them.
        key: what `readers.read_key` gave.
        commitment: what `readers.commitment` gave for the key's file.

    Returns:
        One row a reader and case of the key, in this order: ``reader``, the columns of the key,
        ``score`` (1 to the number of grades), ``choice`` (left or right) and ``seconds``; score
        and choice are missing where there is no answer. Comments are left where they are.

    Raises:
        InputError: there is no file, or one is not of this session, is damaged or not by a
            reader of its own; the sentence names it.
    """
    if not paths:
        raise InputError(
            "`readers: scores` holds no .csv file; put the files there that readers exported"
        )
    tables: dict[str, pd.DataFrame] = {}
    sources: dict[str, str | Path] = {}
    for path in paths:
        table = _read_one(Path(path))
        reader = _reader_of(table, path)
        if reader in tables:
            raise InputError(
                f"{path}: is by reader {reader} like {sources[reader]}; keep one of them, or "
                "have one reader export again under other initials"
            )
        _check_session(table, key, commitment, path)
        _check_items(table, key, path)
        tables[reader], sources[reader] = _with_key(table, key, path, reader), path
    return pd.concat([tables[reader] for reader in sorted(tables)], ignore_index=True)


def _read_one(path: Path) -> pd.DataFrame:
    """One file as text, however a spreadsheet has saved it since."""
    try:
        first = path.open(encoding="utf-8-sig").readline()
        separator = ";" if ";" in first and "," not in first else ","
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        what = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path}: cannot be read as CSV ({what}); give the file that the page exported"
        ) from None
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent or table.empty:
        what = f"no column {absent[0]!r}" if absent else "no rows"
        raise InputError(
            f"{path}: is no reader's file ({what}); give the file that the page exported"
        )
    return table.apply(lambda column: column.str.strip())


def _reader_of(table: pd.DataFrame, path: str | Path) -> str:
    """The one reader of a file."""
    readers = table["reader"].str.upper().unique()
    if len(readers) != 1 or not READER.fullmatch(readers[0]):
        raise InputError(
            f"{path}: must hold the answers of one reader, with initials of 1 to 8 letters or "
            "digits; give the file that the page exported"
        )
    return str(readers[0])


def _check_session(
    table: pd.DataFrame, key: pd.DataFrame, commitment: str, path: str | Path
) -> None:
    """The file must be of the key's session, and the key as it was when the page was made."""
    session = key["session"].iloc[0]
    if (table["session"] != session).any():
        raise InputError(
            f"{path}: is of another session than the key, which is of {session}; give the key "
            "that was made with the page that was read under `readers: key`"
        )
    if (table["commitment"] != commitment).any():
        raise InputError(
            f"{path}: the key is not as it was when the page of session {session} was made; "
            "give the unchanged key under `readers: key`"
        )


def _check_items(table: pd.DataFrame, key: pd.DataFrame, path: str | Path) -> None:
    """Every case must be in the key, once and in its part."""
    parts = table["item"].map(key.set_index("item")["part"])
    for wrong, what in (
        (parts.isna(), "is not in the key"),
        (table["item"].duplicated(), "stands there twice"),
        (parts != table["part"], "is in another part than in the key"),
    ):
        if wrong.any():
            raise InputError(
                f"{path}: case {table.loc[wrong, 'item'].iloc[0]!r} {what}; give the file as the "
                "page exported it"
            )


def _with_key(
    table: pd.DataFrame, key: pd.DataFrame, path: str | Path, reader: str
) -> pd.DataFrame:
    """A reader's answers to every case of the key."""
    answers = table.set_index("item").reindex(key["item"]).reset_index()
    value = answers["value"].fillna("")
    real = key["part"] == REAL
    grades = [str(grade + 1) for grade in range(key["grades"].iloc[0])]
    wrong = (value != "") & ~value.where(real, "left").isin(SIDES) | (value != "") & ~value.where(
        ~real, "1"
    ).isin(grades)
    if wrong.any():
        case = answers.loc[wrong, "item"].iloc[0]
        allowed = "left or right" if real[wrong].iloc[0] else f"1 to {len(grades)}"
        raise InputError(
            f"{path}: the answer to case {case!r} is {value[wrong].iloc[0]!r}, where {allowed} is "
            "possible; give the file as the page exported it"
        )
    answered = key.assign(
        score=pd.to_numeric(value.where(~real, ""), errors="coerce"),
        choice=value.where(real & (value != ""), None),
        seconds=pd.to_numeric(answers["seconds"], errors="coerce"),
    )
    answered.insert(0, "reader", reader)
    return answered
