"""Fuzzing of the readers: `make fuzz`.

An input is one byte that names the kind of file, and the header of such a file, from which the
program makes the file in memory.  Whatever it holds, `preparation.load_raw` must give finite
voxels or raise InputError with a sentence of one line.

The mutator knows the formats: it sets fields of a NIfTI header and elements of a DICOM data set to
the values that break readers, and leaves bytes without meaning to libFuzzer.  What it finds goes
into `tests/broken_inputs.py`.
"""

import gzip
import io
import logging
import random
import sys
import warnings
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow/scripts")]

with atheris.instrument_imports(include=["nibabel", "pydicom", "spect2pet"]):
    import nibabel as nib
    import numpy as np
    import pydicom

    import dicom_files
    from broken_nifti import nifti_bytes
    from spect2pet.core.errors import InputError
    from spect2pet.prepare import preparation

SETTINGS = {"voxel_mm": [0.1, 20], "field_of_view_mm": [1, 5000], "negative_share": 0.05}
DATA = np.arange(1, 513, dtype=np.float32).reshape(8, 8, 8)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
NUMBERS = [0, 1, -1, 2, 7, 8, 9, 127, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 1e-45]
NUMBERS += [0.5, -4, 1e9, 3e38, float("nan"), float("inf"), float("-inf")]
WORDS = ["", " ", "0", "-1", "1e400", "nan", "inf", "1\\2", "1\\0\\0\\1\\0\\0", "x" * 70]
WORDS += ["RGB", "MONOCHROME1", "PALETTE COLOR", "1.2.840.10008.1.2.5", "ISO 2022 IR 87", "\\\\\\"]
NIFTI_KINDS, DICOM_KINDS = (0, 1), (2, 3, 4, 5)
PIXELS = 0x7FE00010

#: Everything that a run makes: corpus, findings (``crash-*``, ``timeout-*``) and the file to read.
FOLDER = Path(__file__).parents[2] / ".fuzz_cache"


def main() -> None:
    """Make the seeds, then let libFuzzer run."""
    logging.disable()
    warnings.simplefilter("ignore")
    corpus = FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed{number}").write_bytes(seed)
    limits = ["-timeout=5", "-rss_limit_mb=2048", "-max_len=20000", f"-artifact_prefix={FOLDER}/"]
    arguments = [*sys.argv, *limits, str(corpus)]
    atheris.Setup(arguments, one_input, custom_mutator=mutate)
    atheris.Fuzz()


def seeds() -> list[bytes]:
    """One sound header of every kind: NIfTI plain and gzip, NM, packed NM, PT slice, enhanced."""
    dicom_files.write_pt(FOLDER / "series", DATA, AFFINE)
    files = [
        dicom_files.write_nm(FOLDER / "nm.dcm", DATA, AFFINE, slope=0.5),
        dicom_files.write_nm(
            FOLDER / "rle.dcm", DATA, AFFINE, syntax=pydicom.uid.RLELossless, place="both"
        ),
        FOLDER / "series" / "image0004.dcm",
        dicom_files.write_enhanced_pt(FOLDER / "enhanced.dcm", DATA, AFFINE),
    ]
    header = nifti_bytes(DATA, AFFINE)[:352]
    dicom = [bytes([kind]) + f.read_bytes() for kind, f in zip(DICOM_KINDS, files, strict=True)]
    return [b"\0" + header, b"\1" + header, *dicom]


def one_input(content: bytes) -> None:
    """Make the file that an input stands for, and read it."""
    if not content:
        return
    kind, header = content[0] % 6, content[1:]
    modality = "pet" if kind in (4, 5) else "spect"
    if kind in NIFTI_KINDS:
        whole = header + DATA.tobytes("F")
        path = FOLDER / ("one.nii.gz" if kind else "one.nii")
        path.write_bytes(gzip.compress(whole, 1) if kind else whole)
    elif kind == 4:
        path = FOLDER / "series"
        (path / "image0004.dcm").write_bytes(header)
    else:
        path = FOLDER / "one.dcm"
        path.write_bytes(header)
    try:
        scan = preparation.load_raw(path, "fuzz:", SETTINGS, modality)
    except InputError as error:
        assert str(error).startswith("fuzz:"), "no name in front"
        assert "\n" not in str(error), "more than one line"
        assert len(str(error)) < 400 + len(str(path)), "too long"
    else:
        assert scan.data.ndim == 3
        assert np.isfinite(scan.data).all()
        assert np.isfinite(scan.affine).all()


def mutate(content: bytes, longest: int, seed: int) -> bytes:
    """Change a field or an element; now and then bytes that mean nothing."""
    chance = random.Random(seed)
    if len(content) < 2 or chance.random() < 0.4:
        return atheris.Mutate(content, longest)
    kind, header = content[0] % 6, content[1:]
    try:
        change = mutated_nifti if kind in NIFTI_KINDS else mutated_dicom
        return (bytes([kind]) + change(header, chance))[:longest]
    except Exception:  # what is damaged already is left to libFuzzer
        return atheris.Mutate(content, longest)


def mutated_nifti(header: bytes, chance: random.Random) -> bytes:
    """A header with one to three entries of its fields set."""
    fields = np.frombuffer(header[:348], dtype=nib.nifti1.header_dtype).copy()
    with np.errstate(all="ignore"):
        for _ in range(chance.randint(1, 3)):
            name = chance.choice(fields.dtype.names)
            if fields.dtype[name].base.kind == "S":
                fields[name] = chance.choice([b"", b"n+1", b"ni1", b"n+2", b"\xff" * 4])
                continue
            entries = fields[name].reshape(-1)
            entries[chance.randrange(entries.size)] = np.array(chance.choice(NUMBERS)).astype(
                entries.dtype
            )
    return fields.tobytes() + header[348:]


def mutated_dicom(content: bytes, chance: random.Random) -> bytes:
    """A data set with one to three elements changed, taken out or nested."""
    image = pydicom.dcmread(io.BytesIO(content), force=True)
    for _ in range(chance.randint(1, 3)):
        holder = chance.choice([image, *holders(image)])
        tags = [tag for tag in sorted(holder.keys()) if tag != PIXELS or chance.random() < 0.1]
        tag = chance.choice(tags)
        what = chance.random()
        if what < 0.2:
            del holder[tag]
        elif what < 0.25:
            item = pydicom.Dataset()
            item.update({tag: holder[tag]})
            image[0x00081140] = pydicom.DataElement(0x00081140, "SQ", [item])
        else:
            set_raw(holder, tag, chance)
    output = io.BytesIO()
    pydicom.dcmwrite(output, image, implicit_vr=False, little_endian=True, force_encoding=True)
    return output.getvalue()


def holders(image: pydicom.Dataset) -> list[pydicom.Dataset]:
    """The items of a data set's sequences, one level deep."""
    return [item for element in image if element.VR == "SQ" for item in element.value]


def set_raw(holder: pydicom.Dataset, tag: pydicom.tag.BaseTag, chance: random.Random) -> None:
    """Put bytes into an element that its VR may not allow."""
    vr = holder.get_item(tag).VR or "UN"
    if vr in ("US", "SS"):
        raw = (int(chance.choice([0, 1, 2, 8, 16, 65535, 32768])) & 0xFFFF).to_bytes(2, "little")
    elif vr in ("FL", "FD"):
        raw = np.array(chance.choice(NUMBERS), "<f4" if vr == "FL" else "<f8").tobytes()
    elif vr in ("SQ", "OW", "OB"):
        raw = chance.randbytes(chance.choice([0, 2, 8, 64]))
        vr = "UN" if vr == "SQ" else vr
    else:
        word = chance.choice([*WORDS, *map(str, NUMBERS)])
        raw = word.encode() + b" " * (len(word) % 2)
    holder[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(raw), raw, 0, False, True)


if __name__ == "__main__":
    main()
