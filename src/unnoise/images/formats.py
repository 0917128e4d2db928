"""The file formats of pictures: what each can store, and how such files are found in folders."""

from __future__ import annotations

import glob
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unnoise.errors import UnnoiseWarning, UsageError
from unnoise.files.paths import path_kind, refuse_device


@dataclass(frozen=True)
class Format:
    """One format of picture files: its names, its types of pixels, and what it can hold.

    >>> format_of(Path("a.jpg")).name
    'JPEG'
    """

    name: str
    suffixes: tuple[str, ...]
    """Lower case, with the dot."""
    depths: tuple[str, ...]
    """The types of pixel it can hold, as numpy names them."""
    codec: str = ""
    """How libvips calls it: `<codec>load` and `<codec>save`; empty: not libvips' business."""
    alpha: bool = True
    """Whether it can hold transparency."""
    ink: bool = False
    """Whether it can hold CMYK."""
    stacks: bool = False
    """Whether it can hold several pictures, and any number of channels."""
    science: bool = False
    """Whether `images.science` reads it, and writes copies of such a file with other pixels."""
    metadata: tuple[str, ...] = ("EXIF", "XMP", "ICC profile")
    """What it can hold beside pixels; a result in it that loses one of these says so."""


SCIENCE_DEPTHS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")

PNG = Format("PNG", (".png",), ("uint8", "uint16"), "png")
JPEG = Format("JPEG", (".jpg", ".jpeg"), ("uint8",), "jpeg", alpha=False, ink=True)
WEBP = Format("WebP", (".webp",), ("uint8",), "webp")
TIFF = Format(
    "TIFF", (".tif", ".tiff", ".btf"), ("uint8", "uint16", "float16", "float32", "float64"), "tiff", ink=True, stacks=True
)
AVIF = Format("AVIF", (".avif",), ("uint8", "uint16"), "heif")
HEIC = Format("HEIC", (".heic", ".heif", ".hif"), ("uint8", "uint16"))
NPY = Format("NumPy", (".npy",), ("uint8", "uint16", "float16", "float32", "float64"), ink=True, stacks=True)

ZARR = Format("Zarr", (".zarr",), NPY.depths, ink=True, stacks=True)
DNG = Format("DNG", (".dng",), ("uint16",), alpha=False)
"""Written from camera raw alone."""

JXL = Format("JPEG XL", (".jxl",), ("uint8", "uint16", "float16", "float32"))
JP2 = Format("JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), ("uint8", "uint16"), ink=True)
BMP = Format("BMP", (".bmp", ".dib"), ("uint8",), metadata=())
GIF = Format("GIF", (".gif",), ("uint8",), "gif", metadata=("XMP",))
TGA = Format("TGA", (".tga",), ("uint8",), metadata=())
NETPBM = Format("Netpbm", (".pnm", ".pbm", ".pgm", ".ppm", ".pam"), ("uint8", "uint16"), ink=True, metadata=())
PFM = Format("PFM", (".pfm",), ("float32",), alpha=False, metadata=())
PSD = Format("PSD", (".psd", ".psb"), ("uint8", "uint16", "float32"), ink=True)
HDR = Format("Radiance HDR", (".hdr", ".pic"), ("float32",), alpha=False, metadata=())
MORE = (JXL, JP2, BMP, GIF, TGA, NETPBM, PFM, PSD, HDR)
"""Read and written by `images.picture_formats`."""

RAW = Format("camera raw", (".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"), ())
PACKED_PAIRS = (".hdr.gz", ".img.gz")
"""Suffixes of the files of packed pairs (`images.science.pairs`)."""
FITS = Format("FITS", (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz"), SCIENCE_DEPTHS, stacks=True, science=True)
MRC = Format("MRC", (".mrc", ".mrcs", ".mrc.gz", ".mrc.bz2"), SCIENCE_DEPTHS, stacks=True, science=True)
NIFTI = Format("NIfTI", (".nii", ".nii.gz"), SCIENCE_DEPTHS, stacks=True, science=True)
DICOM = Format("DICOM", (".dcm", ".dicom"), SCIENCE_DEPTHS, stacks=True, science=True)
EXR = Format("OpenEXR", (".exr",), SCIENCE_DEPTHS, stacks=True, science=True)

HDF5 = Format("HDF5", (".h5", ".hdf5", ".he5", ".nc", ".nc4"), SCIENCE_DEPTHS, stacks=True, science=True)
CZI = Format("CZI", (".czi",), (), stacks=True, science=True)
ND2 = Format("ND2", (".nd2",), (), stacks=True, science=True)
LIF = Format("LIF", (".lif",), (), stacks=True, science=True)
MICROSCOPES = (CZI, ND2, LIF)
"""Read alone; results are OME-TIFF."""

FORMATS = (PNG, JPEG, WEBP, TIFF, AVIF, HEIC, *MORE, NPY, ZARR, DNG, RAW, FITS, MRC, NIFTI, DICOM, EXR, HDF5, *MICROSCOPES)

CAMERA_SUFFIXES = (*DNG.suffixes, *RAW.suffixes)

VENDOR_SUFFIXES = (".svs", ".stk", ".lsm", ".scn", ".ndpi")
"""TIFFs of microscopes by other names, which are read, and written as .tif."""

OTHER_PICTURES = frozenset(
    {".pcx", ".svg", ".dds", ".ico", ".qoi", ".sgi", ".jxr", ".oib", ".oif", ".vsi", ".dm3", ".dm4", ".ims", ".3fr", ".dcr"}
    | {".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".rwl", ".sr2", ".srf", ".x3f"}
)
"""Endings of pictures that can be neither read nor written."""

SUFFIXES: tuple[str, ...] = tuple(suffix for form in FORMATS for suffix in form.suffixes)
"""The endings of file names that can be read, and but for camera raw written, lower case, with the dot; capitals are
taken too."""


def is_picture(path: str | Path) -> bool:
    """Whether the suffix of `path` belongs to a picture format. The file is not opened.

    >>> is_picture("a.tif"), is_picture("a.txt")
    (True, False)
    """
    return suffix_of(path).lower() in (*SUFFIXES, *VENDOR_SUFFIXES)


def suffix_of(path: str | Path) -> str:
    """The suffix as it is written, of packed files with the one before.

    >>> suffix_of("a.b.tif"), suffix_of("brain.nii.gz"), suffix_of("notes.gz")
    ('.tif', '.nii.gz', '.gz')
    """
    both = "".join(Path(path).suffixes[-2:])
    return both if both.lower() in (*SUFFIXES, *PACKED_PAIRS) else Path(path).suffix


def stem_of(path: str | Path) -> str:
    """The name without `suffix_of`.

    >>> stem_of("scans/brain.nii.gz"), stem_of("a.b.tif")
    ('brain', 'a.b')
    """
    name = Path(path).name
    return name[: len(name) - len(suffix_of(path))]


def format_of(path: Path) -> Format:
    """Return the format of a suffix.

    Raises:
        UsageError: no format has this suffix.

    >>> format_of(Path("a.png")).name
    'PNG'
    """
    for form in FORMATS:
        if suffix_of(path).lower() in form.suffixes:
            return form
    ending = f"the suffix {path.suffix}" if path.suffix else "no suffix"
    raise UsageError(f"{path} has {ending}, but a picture file ends in one of {', '.join(SUFFIXES)}.")


def result_name(name: str) -> str:
    """Return the name of the result for a picture of this name. Camera raw becomes TIFF; other formats stay.

    >>> result_name("a.png")
    'a.png'
    """
    suffix = Path(name).suffix.lower()
    if any(suffix in form.suffixes for form in MICROSCOPES):
        return str(Path(name).with_suffix(".ome.tif"))
    return str(Path(name).with_suffix(".tif")) if suffix in (*CAMERA_SUFFIXES, *VENDOR_SUFFIXES) else name


def with_dataset(path: Path, dataset: str | None) -> Path:
    """Name a data set of a file, as `split_dataset` reads it. None: none.

    >>> str(with_dataset(Path("scan.h5"), "/entry/data"))
    'scan.h5:/entry/data'
    """
    return path if dataset is None else Path(f"{path}:{dataset}")


def split_dataset(path: Path) -> tuple[Path, str | None]:
    """The file, and which of its data sets is meant, of a path such as `scan.h5:/entry/data`; None: none is named.

    >>> split_dataset(Path("scan.h5:/entry/data"))[1]
    '/entry/data'
    """
    found = re.match(rf"(.*(?:{'|'.join(map(re.escape, HDF5.suffixes))})):(/?[^:]+)$", str(path), re.IGNORECASE)
    return (path, None) if found is None or path_kind(path) else (Path(found[1]), found[2])


BMP_HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))
"""How long the header of a bitmap may be."""


def recognise(data: bytes) -> Format | None:
    """Return the format that the first bytes of a file show. None: they show no known format.

    >>> recognise(b"II*" + bytes(32)).name
    'TIFF'
    """
    if data[128:132] == b"DICM":  # the 128 bytes before may be the start of a TIFF (PS3.10, 7.1)
        return DICOM
    starts: tuple[tuple[bytes, Format], ...] = (
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"\xff\xd8\xff", JPEG),
        (b"II*\0", TIFF),
        (b"MM\0*", TIFF),
        (b"II+\0", TIFF),  # BigTIFF
        (b"MM\0+", TIFF),
        (b"\x93NUMPY", NPY),
        (b"SIMPLE  =", FITS),
        (b"\xff\x0a", JXL),
        (b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
        (b"\0\0\0\x0cjP  \r\n\x87\n", JP2),
        (b"\xff\x4f\xff\x51", JP2),
        (b"GIF8", GIF),
        (b"8BPS", PSD),
        (b"\x89HDF\r\n\x1a\n", HDF5),
        (b"ZISRAWFILE", CZI),
        (b"\xda\xce\xbe\x0a", ND2),
        (b"\x70\0\0\0", LIF),
        (b"#?RADIANCE", HDR),
        (b"#?RGBE", HDR),
    )
    for start, form in starts:
        if data.startswith(start):
            return form
    if re.match(rb"P[1-7]\s", data):
        return NETPBM
    if re.match(rb"P[fF]4?\s", data):
        return PFM
    if data[:2] == b"BM" and data[14:18] in BMP_HEADERS:
        return BMP
    if data[:4] == b"\x76\x2f\x31\x01":
        return EXR
    if data[208:212] == b"MAP ":
        return MRC
    if data[344:348] in (b"n+1\0", b"ni1\0") or data[4:8] in (b"n+2\0", b"ni2\0"):
        return NIFTI
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp":
        return (
            AVIF
            if b"avif" in data[8:64] or b"avis" in data[8:64]
            else HEIC
            if re.search(b"hei[cxms]|hevc|mif1", data[8:64])
            else None
        )
    return None


def split_datasets(paths: Sequence[Path], dataset: str | None) -> tuple[list[Path], str | None]:
    """The files of several paths, and the data set that all of them, or `dataset`, name.

    Raises:
        UsageError: they name different ones.

    >>> split_datasets([Path("a.h5:/data"), Path("b.png")], None)[1]
    '/data'
    """
    found = [split_dataset(path) for path in paths]
    names = {name for _, name in found if name} | ({dataset} if dataset else set())
    if len(names) > 1:
        raise UsageError(f"Data sets of different names were given ({', '.join(sorted(names))}); name one of them at a time.")
    return [path for path, _ in found], next(iter(names), None)


def find_pictures(paths: Sequence[str | Path], *, recursive: bool = False) -> list[Path]:
    """Find picture files. Each file appears once, in the order of `paths`.

    Args:
        paths: files, folders and patterns. A file is taken whatever its suffix. A folder gives its picture files, sorted
            and without hidden ones. A pattern such as `scans/*_raw.tif` gives the files that match, if the shell has not
            expanded it.
        recursive: whether folders within folders are searched too.

    Raises:
        UsageError: a path does not exist or cannot be reached, a pattern matches nothing, a folder has no pictures, or
            a path is a pipe or device.

    >>> find_pictures(["none/"])
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    found: dict[Path, None] = {}  # a set that keeps the order
    for path in (match for named in paths for match in _matches(Path(named))):
        lies = path_kind(split_dataset(path)[0])
        if lies is None:
            raise UsageError(f"There is no file or folder {path}; check the name.")
        refuse_device(path)
        if lies == "file" or is_zarr(path):
            found[path] = None
            continue
        others: Counter[str] = Counter()
        inside = sorted(_pictures_in(path, recursive, others))
        if inside and others:
            _warn(path, others)
        if not inside:
            where = "or below it" if recursive else "itself (folders in it are not searched)"
            raise UsageError(f"The folder {path} has no pictures in it {where}; they end in one of {', '.join(SUFFIXES)}.")
        found.update(dict.fromkeys(inside))
    return list(found)


def _matches(path: Path) -> list[Path]:
    """The sorted files that a pattern fits; anything that exists, or is no pattern, as it is."""
    if path_kind(path) or not glob.has_magic(str(path)):
        return [path]
    return sorted(map(Path, glob.glob(str(path), recursive=True))) or [path]  # noqa: PTH207 (a pattern may be absolute)


def _warn(folder: Path, others: Counter[str]) -> None:
    """Say which pictures of a folder are left out."""
    count = sum(others.values())
    kinds = ", ".join(f"{number} {suffix}" for suffix, number in sorted(others.items()))
    warnings.warn(
        f"{folder} holds {count} picture{'s' * (count > 1)} of kinds that cannot be read, left out here: {kinds}.",
        UnnoiseWarning,
        stacklevel=3,
    )


def _pictures_in(folder: Path, recursive: bool, others: Counter[str]) -> Iterator[Path]:
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be read: {error.strerror}; name its neighbours instead, or get the right to read it."
        ) from error
    for path in inside:
        if is_picture(path) and (path_kind(path) == "file" or is_zarr(path)):
            yield path
        elif recursive and path_kind(path) == "folder" and not path.is_symlink():
            yield from _pictures_in(path, recursive, others)
        elif path.suffix.lower() in OTHER_PICTURES and path_kind(path) == "file":
            others[path.suffix.lower()] += 1


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store. A Zarr store counts as one file.

    >>> is_zarr(Path("none.zarr"))
    False
    """
    return path.suffix.lower() in ZARR.suffixes and path_kind(path) == "folder"


def holds_zarr(path: Path) -> bool:
    """Whether this folder is a Zarr by its name and by what it says of itself.

    >>> holds_zarr(Path("no such folder.zarr"))
    False
    """
    return is_zarr(path) and any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))
