"""NIfTI files that are wrong, and some that only look so."""

import bz2
import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from corpus import AFFINE, BROKEN, Broken, broken, head, put, sound, with_entry


def nifti_bytes(data=None, affine=AFFINE, *, order="<", sform=True, qform=True, **fields) -> bytes:
    """A NIfTI-1 file of float32 or the like; ``fields`` are set in its header as they are."""
    data = head() if data is None else data
    header = nib.Nifti1Header(endianness=order)
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header.set_xyzt_units("mm")
    if qform:
        header.set_qform(affine, code=1)
    if sform:
        header.set_sform(affine, code=1)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"], header["magic"] = 352, b"n+1"
    for name, value in fields.items():
        header[name] = value
    voxels = data.astype(data.dtype.newbyteorder(order)).tobytes("F")
    return header.structarr.tobytes() + bytes(4) + voxels


def nifti(folder: Path, *arguments, name="raw.nii", **options) -> Path:
    """Write `nifti_bytes` under a name, compressed where it ends so."""
    content = nifti_bytes(*arguments, **options)
    return put(folder, name, gzip.compress(content, mtime=0) if name.endswith("gz") else content)


def of_header(name: str, says: str, **fields):
    """A case whose header has wrong fields and is whole otherwise."""
    BROKEN.append(Broken("nifti", name, says, lambda folder: nifti(folder, **fields)))


def of_voxels(name: str, says: str, change: Callable[[np.ndarray], np.ndarray]):
    """A case whose header is right and whose voxels are not."""
    BROKEN.append(Broken("nifti", name, says, lambda folder: nifti(folder, change(head()))))


def of_affine(name: str, says: str, affine: np.ndarray):
    """A case whose voxels are right and which lies wrongly, by its sform."""
    rows = dict(zip(("srow_x", "srow_y", "srow_z"), affine[:3], strict=True))
    of_header(name, says, qform=False, **rows)


UNREADABLE = "cannot be read as NIfTI"
ONES = [1] * 4
DIM = [3, 40, 48, 32, 1, 1, 1, 1]
SIZES = [1.0, 4, 4, 5, 1, 1, 1, 1]
nan, inf = float("nan"), float("inf")

of_header("wrong magic", UNREADABLE, magic=b"xyz")
of_header("wrong header length", "says to be 42 bytes", sizeof_hdr=42)
of_header("voxels said to begin far behind the file", "its header promises", vox_offset=1e9)
of_header("voxels said to begin before the file", UNREADABLE, vox_offset=-4096)
of_header("voxels said to begin nowhere", UNREADABLE, vox_offset=nan)
of_header("voxels said to begin at infinity", UNREADABLE, vox_offset=inf)
of_header("no dimensions", "single slice", dim=[0, *DIM[1:]])
of_header("nine dimensions", UNREADABLE, dim=[9, *DIM[1:]])
of_header("minus three dimensions", UNREADABLE, dim=[-3, *DIM[1:]])
of_header("two dimensions", "single slice", dim=[2, *DIM[1:]])
of_header("negative dimension", "single slice", dim=[3, -40, 48, 32, 1, 1, 1, 1])
of_header("dimension of zero", "single slice", dim=[3, 40, 0, 32, 1, 1, 1, 1])
of_header("terabytes claimed", "more than any brain image", dim=[3, *[32767] * 3, 1, 1, 1, 1])
of_header("more voxels claimed than there are", "its header promises", dim=[3, 40, 48, 64, *ONES])
of_header("fewer voxels claimed than there are", "its header promises", dim=[3, 39, 48, 32, *ONES])
of_header("four dimensions", "has 2 volumes", dim=[4, 40, 48, 16, 2, 1, 1, 1])
of_header("five dimensions", "has 6 volumes", dim=[5, 40, 48, 4, 2, 3, 1, 1])
of_header("no volumes at all", "has 0 volumes", dim=[4, 40, 48, 32, 0, 1, 1, 1])
of_header("minus one volume", "has -1 volumes", dim=[4, 40, 48, 32, -1, 1, 1, 1])
of_header("unknown data type", UNREADABLE, datatype=4242)
of_header("one bit a voxel", UNREADABLE, datatype=1)
of_header("slope infinite", "scales its voxels by inf", scl_slope=inf)
of_header("slope minus infinite", "scales its voxels by -inf", scl_slope=-inf)
of_header("offset no number", UNREADABLE, scl_inter=nan)
of_header("slope that overflows", "voxels are NaN or infinite", scl_slope=3e38)
of_header("slope that leaves nothing", "largest value is", scl_slope=1e-30)
of_header("voxel size zero", "not above zero", pixdim=[1, 4, 0, 5, 1, 1, 1, 1])
of_header("voxel size negative", "not above zero", pixdim=[1, 4, 4, -5, 1, 1, 1, 1])
of_header("voxel size no number", "not above zero", pixdim=[1, 4, nan, 5, 1, 1, 1, 1])
of_header("quaternion longer than one", UNREADABLE, quatern_b=2, quatern_c=2)
of_header("quaternion no number", "contradict each other", quatern_b=nan)
of_header("neither sform nor qform", "no sform or qform", sform_code=0, qform_code=0)
of_header("codes of position unknown", "no sform or qform", sform_code=77, qform_code=-3)
of_header("sform and qform apart", "contradict each other", qoffset_x=-57)
of_header("sform and qform mirrored", "left and right are unsure", pixdim=[-1, *SIZES[1:]])
of_header("lengths said to be metres", "4e+03 × 4e+03 × 5e+03 mm are implausible", xyzt_units=1)
of_header("lengths said to be microns", "0.004 × 0.004 × 0.005 mm are implausible", xyzt_units=3)
of_header("unit of length unknown", "unknown code 5", xyzt_units=5)

of_voxels("one voxel no number", "1 voxels are NaN", lambda d: with_entry(d, (20, 20, 20), nan))
of_voxels("one voxel infinite", "1 voxels are NaN", lambda d: with_entry(d, (0, 0, 0), -inf))
of_voxels("all voxels zero", "every voxel is 0", lambda d: 0 * d)
of_voxels("all voxels the same", "every voxel is 3", lambda d: 0 * d + 3)
of_voxels("all voxels no number", "voxels are NaN", lambda d: nan * d)
of_voxels("all voxels negative", "negative voxels weigh", lambda d: -d)
of_voxels("a difference image", "negative voxels weigh", lambda d: d - 50)
of_voxels("doubles beyond single precision", "are NaN", lambda d: d.astype(float) * 1e200)
of_voxels("voxels too large to be measured", "largest value is 1e+32", lambda d: d * 1e30)
of_voxels("two volumes", "has 2 volumes", lambda d: np.stack([d, d], -1))
of_voxels("one slice", "single slice", lambda d: d[:, :, 16])
of_voxels("one slice in three dimensions", "single slice", lambda d: d[:, :, 16:17])
of_voxels("complex numbers", "colours or complex", lambda d: d.astype(np.complex64))

of_affine("affine no number", "not a valid one", with_entry(AFFINE, (0, 0), nan))
of_affine("affine infinite", "not a valid one", with_entry(AFFINE, (1, 3), inf))
of_affine("affine of zeros", "not a valid one", 0 * AFFINE)
of_affine("affine singular", "is singular", with_entry(AFFINE, (slice(None), 1), AFFINE[:, 0]))
of_affine("axes sheared", "axes are sheared", with_entry(AFFINE, (0, 1), 1.0))
of_affine("voxels tiny", "are implausible", AFFINE @ np.diag([0.02, 0.02, 0.02, 1]))
of_affine("voxels huge", "are implausible", AFFINE @ np.diag([4, 4, 4, 1]))
of_affine("slices 20 mm thick", "2 × 2 × 20 mm are implausible", np.diag([2.0, 2, 20, 1]))
of_affine("field of view tiny", "field of view of 40", np.diag([1.0, 1, 1, 1]))
of_affine("lies a hundred metres away", "from the scanner's centre", AFFINE + 1e5 * np.eye(4, k=3))


@broken("nifti", "field of view of 160 × 1.44e+03 × 160 mm")
def field_of_view_huge(folder):
    return nifti(folder, np.tile(head(), (1, 3, 1)), np.diag([4.0, 10.0, 5.0, 1.0]))


@broken("nifti", "colours or complex")
def colours(folder):
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    return nifti(folder, np.zeros((40, 48, 32), dtype=kind))


@broken("nifti", "scales its voxels by nan")
def integers_whose_slope_is_no_number(folder):
    return nifti(folder, head().astype(np.int16), scl_slope=nan)


@broken("nifti", "largest value is")
def voxels_in_the_wrong_byte_order(folder):
    return nifti(folder, head(level=50.0).byteswap())


@broken("nifti", UNREADABLE)
def dimensions_in_the_wrong_byte_order(folder):
    content = bytearray(nifti_bytes())
    content[40:56] = np.array(DIM, dtype=">i2").tobytes()
    return put(folder, "raw.nii", bytes(content))


@broken("nifti", "Empty file")
def empty_file(folder):
    return put(folder, "raw.nii.gz", b"")


@broken("nifti", "Empty file")
def empty_file_uncompressed(folder):
    return put(folder, "raw.nii", b"")


@broken("nifti", UNREADABLE)
def text_named_nii(folder):
    return put(folder, "raw.nii", b"This is where the image should be.\n")


@broken("nifti", UNREADABLE)
def picture_named_nii(folder):
    return put(folder, "raw.nii", b"\x89PNG\r\n\x1a\n" + bytes(400))


@broken("nifti", UNREADABLE)
def header_cut_short(folder):
    return put(folder, "raw.nii", nifti_bytes()[:200])


@broken("nifti", "its header promises")
def voxels_cut_short(folder):
    return put(folder, "raw.nii", nifti_bytes()[:5000])


@broken("nifti", "its header promises")
def voxels_cut_short_by_one_byte(folder):
    return put(folder, "raw.nii", nifti_bytes()[:-1])


@broken("nifti", "its header promises")
def voxels_cut_short_before_compression(folder):
    return put(folder, "raw.nii.gz", gzip.compress(nifti_bytes()[:-4000]))


@broken("nifti", UNREADABLE)
def compressed_and_cut_short(folder):
    whole = gzip.compress(nifti_bytes())
    return put(folder, "raw.nii.gz", whole[: len(whole) // 2])


@broken("nifti", UNREADABLE)
def compressed_without_checksum(folder):
    return put(folder, "raw.nii.gz", gzip.compress(nifti_bytes())[:-8])


@broken("nifti", UNREADABLE)
def compressed_with_one_byte_changed(folder):
    whole = gzip.compress(nifti_bytes())
    return put(folder, "raw.nii.gz", whole[:400] + bytes([whole[400] ^ 0xFF]) + whole[401:])


@broken("nifti", UNREADABLE)
def compressed_garbage(folder):
    return put(folder, "raw.nii.gz", gzip.compress(bytes(range(256)) * 40))


@broken("nifti", UNREADABLE)
def compressed_with_garbage_behind(folder):
    return put(folder, "raw.nii.gz", gzip.compress(nifti_bytes()) + b"not gzip")


@broken("nifti", "its header promises")
def two_whole_images_in_one_file(folder):
    return put(folder, "raw.nii.gz", 2 * gzip.compress(nifti_bytes()))


@broken("nifti", UNREADABLE)
def compressed_twice(folder):
    return put(folder, "raw.nii.gz", gzip.compress(gzip.compress(nifti_bytes())))


@broken("nifti", UNREADABLE)
def compressed_but_not_named_so(folder):
    return put(folder, "raw.nii", gzip.compress(nifti_bytes()))


@broken("nifti", UNREADABLE)
def named_gz_but_not_compressed(folder):
    return put(folder, "raw.nii.gz", nifti_bytes())


@broken("nifti", UNREADABLE)
def bzip2_cut_short(folder):
    return put(folder, "raw.nii.bz2", bz2.compress(nifti_bytes())[:-100])


@broken("nifti", UNREADABLE)
def unknown_ending(folder):
    return put(folder, "raw.dat", nifti_bytes())


@broken("nifti", "another format than NIfTI")
def freesurfer_image(folder):
    nib.save(nib.MGHImage(head(), AFFINE), folder / "raw.mgz")
    return folder / "raw.mgz"


@broken("nifti", "another format than NIfTI")
def analyze_pair(folder):
    nib.save(nib.Spm99AnalyzeImage(head().astype(np.int16), AFFINE), folder / "raw.img")
    return folder / "raw.img"


@broken("nifti", UNREADABLE)
def extension_longer_than_the_file(folder):
    content = bytearray(nifti_bytes(vox_offset=400))
    content[348:352] = b"\1\0\0\0"
    content[352:352] = struct.pack("<ii", 2**30, 6) + bytes(40)
    return put(folder, "raw.nii", bytes(content))


@broken("nifti", "no such file")
def header_without_its_voxels(folder):
    return put(folder, "raw.hdr", nifti_bytes(magic=b"ni1", vox_offset=0)[:352])


@broken("nifti", "no such file")
def file_that_is_not_there(folder):
    return folder / "raw.nii.gz"


@broken("nifti", "no such file")
def broken_symlink(folder):
    (folder / "raw.nii.gz").symlink_to("nowhere.nii.gz")
    return folder / "raw.nii.gz"


@broken("nifti", "no such file")
def symlink_to_itself(folder):
    (folder / "raw.nii.gz").symlink_to("raw.nii.gz")
    return folder / "raw.nii.gz"


@broken("nifti", "no such file")
def file_taken_for_a_folder(folder):
    return put(folder, "scan", b"text") / "raw.nii.gz"


@broken("nifti", "Empty file")
def named_pipe(folder):
    os.mkfifo(folder / "raw.nii.gz")
    return folder / "raw.nii.gz"


@broken("nifti", "Empty file")
def endless_device(folder):
    (folder / "raw.nii").symlink_to("/dev/zero")
    return folder / "raw.nii"


@broken("nifti", "may not be read by you")
def file_that_may_not_be_read(folder):
    path = nifti(folder)
    path.chmod(0)
    return path


def of_sidecar(name: str, says: str, content: bytes):
    """A sound image whose JSON sidecar is not."""

    def build(folder: Path) -> Path:
        put(folder, "raw.json", content)
        return nifti(folder)

    BROKEN.append(Broken("nifti", f"sidecar {name}", says, build))


of_sidecar("cut short", "sidecar raw.json is not JSON", b'{"Units": "mL/')
of_sidecar("empty", "sidecar raw.json is not JSON", b"")
of_sidecar("in UTF-16", "sidecar raw.json is not JSON", '{"Units": "counts"}'.encode("utf-16"))
of_sidecar("nested without end", "sidecar raw.json is not JSON", b"[" * 200_000)
of_sidecar("a list", "sidecar raw.json is no JSON object", b'["Units"]')
of_sidecar("with a number as unit", "`Units` in its sidecar raw.json is no text", b'{"Units": 1}')
of_sidecar("with a list as unit", "`Units` in its sidecar raw.json is no text", b'{"Units": []}')
of_sidecar("with an unknown unit", "unit 'SUV' (sidecar raw.json)", b'{"Units": "SUV"}')
of_sidecar(
    "with a page as unit", "(sidecar raw.json) is unknown", b'{"Units": "%s"}' % (b"x" * 9999)
)


@broken("nifti", "sidecar raw.json is not JSON")
def sidecar_that_is_a_folder(folder):
    (folder / "raw.json").mkdir()
    return nifti(folder)


@broken("nifti", "too large or too small to convert")
def counts_next_to_nothing_beside_one_bright_voxel(folder):
    put(folder, "raw.json", b'{"Units": "counts"}')
    return nifti(folder, with_entry(head(level=1e-40), (0, 0, 0), 1.0))


@sound("nifti")
def plain(folder):
    return nifti(folder)


@sound("nifti")
def compressed(folder):
    return nifti(folder, name="raw.nii.gz")


@sound("nifti")
def ending_in_capitals(folder):
    return put(folder, "RAW.NII.GZ", gzip.compress(nifti_bytes()))


@sound("nifti")
def bzip2(folder):
    return put(folder, "raw.nii.bz2", bz2.compress(nifti_bytes()))


@sound("nifti")
def spaces_and_umlauts_in_the_path(folder):
    inner = folder / "Übung 1 脳"
    inner.mkdir()
    return nifti(inner, name="Hirn Läsion #1 (50%).nii.gz")


@sound("nifti")
def through_a_symlink(folder):
    inner = folder / "elsewhere"
    inner.mkdir()
    (folder / "link.nii").symlink_to(nifti(inner))
    return folder / "link.nii"


@sound("nifti")
def big_endian(folder):
    return nifti(folder, order=">")


@sound("nifti", data=head(level=50.0))
def integers_with_slope_and_offset(folder):
    return nifti(folder, ((head() - 25) / 0.5).astype(np.int16), scl_slope=0.5, scl_inter=25)


@sound("nifti")
def slope_of_zero_means_unscaled(folder):
    return nifti(folder, head().astype(np.uint16), scl_slope=0, scl_inter=9)


@sound("nifti")
def floats_whose_slope_is_not_set(folder):
    return nifti(folder, scl_slope=nan, scl_inter=nan)


@sound("nifti")
def doubles(folder):
    return nifti(folder, head().astype(np.float64))


@sound("nifti")
def header_and_voxels_in_two_files(folder):
    content = nifti_bytes(magic=b"ni1", vox_offset=0)
    put(folder, "raw.img", content[352:])
    return put(folder, "raw.hdr", content[:348])


@sound("nifti")
def voxels_named_of_two_files(folder):
    content = nifti_bytes(magic=b"ni1", vox_offset=0)
    put(folder, "raw.hdr", content[:348])
    return put(folder, "raw.img", content[352:])


@sound("nifti")
def metres(folder):
    small = np.diag([1e-3, 1e-3, 1e-3, 1]) @ AFFINE
    return nifti(folder, affine=small, xyzt_units=1)


@sound("nifti")
def microns_with_seconds(folder):
    return nifti(folder, affine=np.diag([1e3, 1e3, 1e3, 1]) @ AFFINE, xyzt_units=3 + 8)


@sound("nifti")
def unit_of_length_not_said(folder):
    return nifti(folder, xyzt_units=0)


@sound("nifti")
def one_volume_in_four_dimensions(folder):
    return nifti(folder, head()[..., None])


@sound("nifti")
def one_volume_in_five_dimensions(folder):
    return nifti(folder, head()[..., None, None])


@sound("nifti")
def gzip_in_two_members(folder):
    content = nifti_bytes()
    return put(folder, "raw.nii.gz", gzip.compress(content[:999]) + gzip.compress(content[999:]))


@sound("nifti")
def padded_to_a_block(folder):
    return put(folder, "raw.nii", nifti_bytes() + bytes(512))


@sound("nifti")
def qform_only(folder):
    return nifti(folder, sform=False)


@sound("nifti")
def sform_only_with_voxel_sizes_of_zero(folder):
    return nifti(folder, qform=False, pixdim=[1, 0, 0, 0, 1, 1, 1, 1])


@sound("nifti")
def sform_and_qform_apart_by_rounding(folder):
    return nifti(folder, qoffset_x=-60.2)


@sound("nifti")
def nifti_2(folder):
    image = nib.Nifti2Image(head(), AFFINE)
    nib.save(image, folder / "raw.nii")
    return folder / "raw.nii"


@sound("nifti")
def extension_with_a_comment(folder):
    image = nib.Nifti1Image(head(), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"by hand"))
    nib.save(image, folder / "raw.nii")
    return folder / "raw.nii"


@sound("nifti")
def sidecar_with_byte_order_mark(folder):
    put(folder, "raw.json", b"\xef\xbb\xbf" + b'{"Units": "mL/100g/min"}')
    return nifti(folder)


@sound("nifti")
def sidecar_without_a_unit(folder):
    put(folder, "raw.json", b'{"Manufacturer": "none", "Units": null}')
    return nifti(folder)


LONG = np.diag([2.0, 2.0, 6.0, 1.0])


@sound("nifti", data=head((60, 70, 32)), affine=LONG)
def slices_three_times_as_thick(folder):
    return nifti(folder, head((60, 70, 32)), LONG)


@sound("nifti", data=head()[::-1], affine=with_entry(AFFINE, (0, 3), -60.0))
def left_and_right_stored_the_other_way(folder):
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = -60 + 4 * 39
    return nifti(folder, affine=flipped)


def _oblique() -> np.ndarray:
    """`AFFINE` turned by 10 degrees about each axis in turn."""
    turned = AFFINE.copy()
    for first, second in ((0, 1), (1, 2), (2, 0)):
        turn = np.eye(4)
        turn[[first, second], [first, second]] = np.cos(np.radians(10))
        turn[first, second], turn[second, first] = -np.sin(np.radians(10)), np.sin(np.radians(10))
        turned = turn @ turned
    return turned


@sound("nifti", affine=_oblique())
def oblique(folder):
    return nifti(folder, affine=_oblique())
