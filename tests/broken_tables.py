"""Subjects tables that are wrong, and some that only look so."""

from collections.abc import Callable
from pathlib import Path

import openpyxl

from broken_nifti import nifti
from corpus import BROKEN, Broken, broken, head, put

ROW = "01\tspect.nii\tpet.nii\n"
TITLE = "subject\tspect\tpet\n"


def table(folder: Path, content: str | bytes, file="subjects.tsv", encoding="utf-8") -> Path:
    """A subjects table beside two sound images."""
    nifti(folder, name="spect.nii")
    nifti(folder, 2 * head(), name="pet.nii")
    return put(folder, file, content if isinstance(content, bytes) else content.encode(encoding))


def of_table(name: str, says: str, content: str | bytes, **options):
    """A subjects table beside sound images."""
    BROKEN.append(Broken("table", name, says, lambda folder: table(folder, content, **options)))


of_table("empty", "subjects", b"")
of_table("of blank lines", "subjects", "\n\n\n")
of_table("of a byte order mark", "subjects", b"\xef\xbb\xbf")
of_table("with a header only", "no subjects", TITLE)
of_table("with empty rows only", "no subjects", TITLE + "\t\t\n\t\t\n")
of_table("without the column pet", "pet", "subject\tspect\n01\tspect.nii\n")
of_table("without a header", "missing", ROW)
of_table("with commas named tsv", "missing", "subject,spect,pet\n01,spect.nii,pet.nii\n")
of_table("with one column twice", "spect", "subject\tspect\tspect\tpet\n01\ta\tb\tpet.nii\n")
of_table("in Latin letters", "UTF-8", (TITLE + "Jürgen\ta\tb\n").encode("latin-1"))
of_table("with NUL bytes", "NUL", TITLE + "01\tspect\0.nii\tpet.nii\n")
of_table("of binary rubbish", "UTF-8", bytes(range(255, 0, -1)) * 9)
of_table("with a row too long", "line 3", TITLE + ROW + "02\ta\tb\tc\td\n")
of_table("with an open quotation mark", "line 2", TITLE + '01\t"spect.nii\tpet.nii\n')
of_table("with no label", "line 2", TITLE + "\tspect.nii\tpet.nii\n")
of_table("with a slash in a label", "line 2", TITLE + "a/b\tspect.nii\tpet.nii\n")
of_table("with a label that leaves the folder", "line 2", TITLE + "..\tspect.nii\tpet.nii\n")
of_table("with a blank in a label", "line 3", TITLE + ROW + "a b\tspect.nii\tpet.nii\n")
of_table("with an umlaut in a label", "line 2", TITLE + "Jürgen\tspect.nii\tpet.nii\n")
of_table("with foreign digits in a label", "line 2", TITLE + "٣\tspect.nii\tpet.nii\n")
of_table("with the prefix only", "line 2", TITLE + "sub-\tspect.nii\tpet.nii\n")
of_table("with labels that differ in case", "case", TITLE + "ab\ta\tb\nAB\tc\td\n")
of_table(
    "with an unknown split",
    "unknown",
    TITLE.strip() + "\tsplit\n" + ROW.strip() + "\tvalid\n",
)
of_table("with one label twice", "more than once", TITLE + ROW + "01\tpet.nii\tspect.nii\n")
of_table("with one label in two spellings", "more than once", TITLE + ROW + "sub-" + ROW)
of_table("without a SPECT", "names no spect file", TITLE + "01\t\tpet.nii\n")
of_table("without a PET", "names no pet file", TITLE + "01\tspect.nii\tn/a\n")
of_table("with a short row", "names no pet file", TITLE + "01\tspect.nii\n")
of_table("with a file that is not there", "no such file", TITLE + "01\tspect.nii\tnone.nii\n")
of_table("with one file for both", "as SPECT and as PET", TITLE + "01\tpet.nii\tpet.nii\n")
of_table(
    "with one file for both by another way",
    "as SPECT and as PET",
    TITLE + "01\tpet.nii\t./pet.nii\n",
)
of_table("with one file for two subjects", "the same", TITLE + ROW + "02\tspect.nii\tpet.nii\n")
of_table("named txt", ".tsv", TITLE + ROW, file="subjects.txt")
of_table("without an ending", ".tsv", TITLE + ROW, file="subjects")
of_table("that is text named xlsx", "Excel", TITLE + ROW, file="subjects.xlsx")
of_table("that is an empty xlsx", "Excel", b"", file="subjects.xlsx")
of_table("that is an archive named xlsx", "Excel", b"PK\x03\x04" + bytes(60), file="a.xlsx")


@broken("table", "folder")
def table_that_is_a_folder(folder):
    (folder / "subjects.tsv").mkdir()
    return folder / "subjects.tsv"


@broken("table", "no such")
def table_that_is_not_there(folder):
    return folder / "subjects.tsv"


@broken("table", "no such")
def table_that_is_a_broken_symlink(folder):
    (folder / "subjects.tsv").symlink_to("nowhere.tsv")
    return folder / "subjects.tsv"


@broken("table", "cannot be opened")
def table_that_is_a_symlink_to_itself(folder):
    (folder / "subjects.tsv").symlink_to("subjects.tsv")
    return folder / "subjects.tsv"


@broken("table", "is a link to")
def table_with_a_file_that_is_a_symlink_to_itself(folder):
    (folder / "loop.nii").symlink_to("loop.nii")
    return table(folder, TITLE + "01\tloop.nii\tpet.nii\n")


@broken("table", "no such file")
def table_with_a_name_longer_than_files_have(folder):
    return table(folder, TITLE + "01\t" + 300 * "x" + ".nii\tpet.nii\n")


def sheet(folder: Path) -> Path:
    """A sound Excel table."""
    book = openpyxl.Workbook()
    for row in (["subject", "spect", "pet"], ["01", "spect.nii", "pet.nii"]):
        book.active.append(row)
    book.save(folder / "subjects.xlsx")
    return table(folder, (folder / "subjects.xlsx").read_bytes(), "subjects.xlsx")


@broken("table", "Excel")
def sheet_cut_short(folder):
    path = sheet(folder)
    return put(folder, path.name, path.read_bytes()[:-900])


@broken("table", "Excel")
def sheet_with_its_middle_damaged(folder):
    path = sheet(folder)
    content = bytearray(path.read_bytes())
    content[100:4000] = bytes(3900)
    return put(folder, path.name, bytes(content))


#: Tables that look odd and give one subject, 01, with `spect.nii` and `pet.nii`.
SOUND_TABLES: dict[str, Callable[[Path], Path]] = {
    "excel": sheet,
    "Windows line ends": lambda f: table(f, (TITLE + ROW).replace("\n", "\r\n")),
    "byte order mark": lambda f: table(f, TITLE + ROW, encoding="utf-8-sig"),
    "no line end at the end": lambda f: table(f, (TITLE + ROW).strip()),
    "blank lines": lambda f: table(f, TITLE + "\n\n" + ROW + "\n\n"),
    "blanks around the cells": lambda f: table(
        f, " subject\tspect \tpet\n 01 \t spect.nii\tpet.nii \n"
    ),
    "names of BIDS": lambda f: table(f, "participant_id\tspect\tpet\nsub-" + ROW),
    "semicolons": lambda f: table(f, (TITLE + ROW).replace("\t", ";"), "subjects.csv"),
    "commas and quotation marks": lambda f: table(
        f, 'subject,spect,pet\n"01","spect.nii","pet.nii"\n', "subjects.csv"
    ),
    "columns in another order": lambda f: table(f, "pet\tspect\tsubject\npet.nii\tspect.nii\t01\n"),
}
