"""Small files of science, made by each format's own library, and what that library reads in them."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import mrcfile
import nibabel
import numpy as np
import OpenEXR
import pydicom
from astropy.io import fits

HEIGHT, WIDTH = 20, 31


def counts(*shape: int, dtype: str = "uint16", most: int = 1000) -> np.ndarray:
    """Photons around a few hundred, brighter to the right."""
    means = np.linspace(most / 10, most / 2, shape[-1])
    return np.random.default_rng(len(shape)).poisson(np.broadcast_to(means, shape)).clip(0, most).astype(dtype)


def fits_of(*units: Any) -> Callable[[Path], Path]:
    """`units`: image HDUs; the first, where it is no primary one, follows an empty one."""

    def make(path: Path) -> Path:
        whole = units if isinstance(units[0], fits.PrimaryHDU) else (fits.PrimaryHDU(), *units)
        fits.HDUList([unit.copy() for unit in whole]).writeto(path)
        content = path.read_bytes()  # astropy leaves out a scale that does not fit its data
        path.write_bytes(content.replace(b"ISCALE  =", b"BSCALE  =").replace(b"IZERO   =", b"BZERO   ="))
        with warnings.catch_warnings(), fits.open(path, "update", do_not_scale_image_data=True) as file:
            warnings.simplefilter("ignore")
            for unit in file:
                unit.add_checksum()
        return path

    return make


def with_cards(unit: Any, **cards: Any) -> Any:
    unit.header["OBJECT"] = ("M 31", "what was seen")
    unit.header["CTYPE1"], unit.header["CRVAL1"], unit.header["CD1_1"] = "RA---TAN", 10.684708, -7.2e-5
    unit.header["HIERARCH ESO DET EXP"] = 12.5
    unit.header["HISTORY"] = "bias taken off"
    for key, value in cards.items():
        unit.header[key] = value
    return unit


def packed(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """The same file in gzip."""

    def make_packed(path: Path) -> Path:
        plain = make(path.with_name("plain" + "".join(path.suffixes[:-1])))
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
        return path

    return make_packed


def mrc_of(pixels: np.ndarray, *, stack: bool = False, volumes: bool = False, swapped: bool = False) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        with mrcfile.new(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file.set_data(pixels)
            file.voxel_size = 1.34
            if stack:
                file.set_image_stack()
            if volumes:
                file.set_volume()
                file.set_data(pixels)
            file.header.origin.x = 12.5
            file.add_label("aligned by hand")
            file.header.exttyp = b"FEI1"
            file.set_extended_header(np.frombuffer(b"FEI1 words of the microscope".ljust(96), "V1"))
        if swapped:
            content = path.read_bytes()
            with mrcfile.open(path) as file:
                header = file.header.copy()
                data = file.data.copy()
            turned = header.byteswap().view(header.dtype.newbyteorder())
            turned.machst = mrcfile.utils.machine_stamp_from_byte_order(">")
            path.write_bytes(turned.tobytes() + content[1024 : 1024 + 96] + data.byteswap().tobytes())
        return path

    return make


def nifti_of(
    pixels: np.ndarray, slope: float = 1, intercept: float = 0, kind: Any = nibabel.Nifti1Image
) -> Callable[[Path], Path]:
    """`pixels` are as they are stored, with x first."""

    def make(path: Path) -> Path:
        affine = np.array([[0, -0.9, 0, 20], [0.8, 0, 0, -30], [0, 0, 3.3, 5], [0, 0, 0, 1]])
        image = kind(pixels, affine)
        image.header["descrip"] = b"scanner 7"
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_slope_inter(slope, intercept)
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"words of the scanner"))
        nibabel.save(image, path)
        content = bytearray(path.read_bytes())
        if slope != 1 or intercept:  # nibabel divides what it is given by the slope
            place = int(image.header.get_data_offset()) or len(content) - pixels.nbytes
            content[place:] = pixels.tobytes("F")
            path.write_bytes(content)
        return path

    return make


def dicom_of(pixels: np.ndarray, *, bits: int, syntax: str = "", **fields: Any) -> Callable[[Path], Path]:
    """`pixels`: (H, W), (N, H, W), or with three samples last; `syntax`: pydicom's name of a compression."""

    def make(path: Path) -> Path:
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        made = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3.4"
        made.PatientName, made.PixelSpacing, made.ImageType = "Doe^Jane", [0.7, 0.9], ["ORIGINAL", "PRIMARY", "AXIAL"]
        color = pixels.shape[-1] == 3
        size = pixels.shape[-3:-1] if color else pixels.shape[-2:]
        made.Rows, made.Columns, made.SamplesPerPixel = *size, 3 if color else 1
        made.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
        if color:
            made.PlanarConfiguration = 0
        if pixels.ndim > 2 + color:
            made.NumberOfFrames = pixels.shape[0]
        made.BitsAllocated, made.BitsStored, made.HighBit = 8 * pixels.itemsize, bits, bits - 1
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        made["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
        for key, value in fields.items():
            setattr(made, key, value)
        if syntax.startswith("JPEGL") or syntax.startswith("JPEGB"):  # pydicom only reads these
            encode = imagecodecs.ljpeg_encode if syntax.startswith("JPEGL") else imagecodecs.jpeg8_encode
            made.PixelData = pydicom.encaps.encapsulate([encode(frame) for frame in pixels])
            made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
            made.PhotometricInterpretation = "YBR_FULL_422" if color else "MONOCHROME2"
            meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        elif syntax:
            made.compress(getattr(pydicom.uid, syntax), generate_instance_uid=False)
        made.save_as(path, enforce_file_format=True)
        return path

    return make


def exr_of(*parts: tuple[str, dict[str, np.ndarray]]) -> Callable[[Path], Path]:
    """`parts`: each one's compression, and its channels."""

    def make(path: Path) -> Path:
        made = [
            OpenEXR.Part({"compression": getattr(OpenEXR, f"{kind}_COMPRESSION"), "owner": "the studio"}, channels, f"part{i}")
            for i, (kind, channels) in enumerate(parts)
        ]
        OpenEXR.File(made).write(str(path))
        return path

    return make


def light(dtype: str, *names: str) -> dict[str, np.ndarray]:
    return {name: counts(HEIGHT, WIDTH, dtype=dtype, most=100) / np.dtype(dtype).type(8) for name in names}


TABLE = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.arange(5))], name="STARS")
NANS = counts(HEIGHT, WIDTH, dtype="float32")
NANS[3:5, 7] = np.nan

SAMPLES: dict[str, Callable[[Path], Path]] = {
    "cube.fits": fits_of(with_cards(fits.PrimaryHDU(counts(3, HEIGHT, WIDTH)))),
    "units.fits": fits_of(
        with_cards(fits.PrimaryHDU(counts(HEIGHT, WIDTH, dtype="float64"))),
        TABLE,
        with_cards(fits.ImageHDU(NANS, name="ERR")),
        fits.ImageHDU(np.arange(9.0), name="SPECTRUM"),
        with_cards(fits.ImageHDU(counts(2, HEIGHT, WIDTH, dtype="int16"), name="RAW"), ISCALE=0.25, IZERO=-7.5, BLANK=130),
    ),
    "bytes.fit": fits_of(fits.PrimaryHDU(counts(HEIGHT, WIDTH, dtype="uint8", most=255))),
    "packed.fits.gz": packed(fits_of(fits.PrimaryHDU(counts(HEIGHT, WIDTH, dtype="uint32")))),
    "tiles.fits": fits_of(
        with_cards(fits.CompImageHDU(counts(2, HEIGHT, WIDTH), name="RICE")),
        with_cards(fits.CompImageHDU(counts(HEIGHT, WIDTH, dtype="float32"), name="QUANTIZED", compression_type="RICE_1")),
        TABLE,
        fits.ImageHDU(counts(HEIGHT, WIDTH, dtype="int32"), name="PLAIN"),
        with_cards(
            fits.CompImageHDU(
                counts(HEIGHT, WIDTH, dtype="int16"),
                name="H",
                compression_type="HCOMPRESS_1",
                tile_shape=(16, 16),
                hcomp_scale=2,
            )
        ),
    ),
    "bytes.mrc": mrc_of(counts(HEIGHT, WIDTH, dtype="int8", most=127)),
    "words.mrc": mrc_of(counts(4, HEIGHT, WIDTH, dtype="int16"), stack=True),
    "floats.mrc": mrc_of(counts(4, HEIGHT, WIDTH, dtype="float32")),
    "halves.mrc": mrc_of(counts(HEIGHT, WIDTH, dtype="float16", most=40)),
    "volumes.mrc": mrc_of(counts(2, 3, HEIGHT, WIDTH, dtype="uint16")),
    "swapped.mrc": mrc_of(counts(2, HEIGHT, WIDTH, dtype="float32"), swapped=True),
    "packed.mrc.gz": packed(mrc_of(counts(2, HEIGHT, WIDTH, dtype="float32"), stack=True)),
    "head.nii": nifti_of(counts(3, HEIGHT, WIDTH, dtype="int16").T),
    "scaled.nii": nifti_of(counts(3, HEIGHT, WIDTH, dtype="int16").T, slope=0.37, intercept=-1024),
    "times.nii.gz": nifti_of(counts(2, 3, HEIGHT, WIDTH, dtype="float32").T),
    "second.nii": nifti_of(counts(3, HEIGHT, WIDTH, dtype="uint8", most=255).T, kind=nibabel.Nifti2Image),
    "light.exr": exr_of(("ZIP", {**light("float16", "R", "G", "B"), "A": np.ones((HEIGHT, WIDTH), np.float16)})),
    "layers.exr": exr_of(
        ("DWAA", {**light("float32", "diffuse.R", "Y"), "Z": np.ones((HEIGHT, WIDTH), np.float32)}),
        ("PIZ", {**light("float16", "glow.G"), "id": np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH)}),
    ),
    "ct.dcm": dicom_of(
        counts(HEIGHT, WIDTH, dtype="int16") - 500, bits=12, RescaleSlope=0.5, RescaleIntercept=-1024, PixelPaddingValue=-380
    ),
    "frames.dcm": dicom_of(counts(3, HEIGHT, WIDTH), bits=16, PhotometricInterpretation="MONOCHROME1"),
    "bytes.dcm": dicom_of(counts(HEIGHT, WIDTH, dtype="uint8", most=255), bits=8),
    "runs.dcm": dicom_of(counts(2, HEIGHT, WIDTH), bits=12, syntax="RLELossless"),
    "waves.dcm": dicom_of(counts(40, 64), bits=12, syntax="JPEG2000Lossless"),
    "jpeg.dcm": dicom_of(counts(2, 32, 48, 3, dtype="uint8", most=255), bits=8, syntax="JPEGBaseline8Bit"),
    "lossless.dcm": dicom_of(counts(2, 32, 48), bits=12, syntax="JPEGLosslessSV1"),
}
"""Name of a file → what makes it at a path."""


def arrays(path: Path) -> list[np.ndarray]:
    """All arrays of pictures, as the format's own library gives their values."""
    name = path.name
    if ".fit" in name:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a wrong checksum is a warning
            with fits.open(path, checksum=True) as file:
                return [unit.data.copy() for unit in file if unit.is_image and unit.data is not None and unit.data.ndim > 1]
    if ".mrc" in name:
        assert mrcfile.validate(path)
        with mrcfile.open(path) as file:
            return [file.data.copy()]
    if ".exr" in name:
        parts = OpenEXR.File(str(path), separate_channels=True).parts
        found = [
            channel.pixels for part in parts for key, channel in sorted(part.channels.items()) if key not in ("A", "Z", "id")
        ]
        assert len({part.header["owner"] for part in parts}) == 1
        return found
    if ".dcm" in name:
        header, pixels = pydicom.dcmread(path), pydicom.pixels.pixel_array(path)
        if "RescaleSlope" not in header:
            return [pixels]
        return [np.where(pixels == header.PixelPaddingValue, np.nan, pydicom.pixels.apply_rescale(pixels, header))]
    if ".nii" in name:
        return [np.asarray(nibabel.load(path).dataobj)]
    raise ValueError(name)


def make(folder: Path, name: str) -> Path:
    """The sample of this name in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, on odd headers
        return SAMPLES[name](folder / name)
