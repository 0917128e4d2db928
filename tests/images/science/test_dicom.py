"""DICOM: besides pixels only what says that they were derived changes, and bits beside the pixels stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from images.science.samples import counts, dicom_of, make
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.errors import UnnoiseError, UsageError

CHANGED = {"SOPInstanceUID", "DerivationDescription", "SourceImageSequence", "ImageType", "PixelData"}


@pytest.mark.parametrize("name", ["ct.dcm", "frames.dcm", "bytes.dcm", "runs.dcm", "jpeg.dcm"])
def test_little_but_the_pixels_changes(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    redrawn(source, tmp_path / "out.dcm", lambda pixels: pixels[::-1])
    old, new = pydicom.dcmread(source), pydicom.dcmread(tmp_path / "out.dcm")
    changed = {element.keyword for element in new if element.keyword not in old or old[element.tag].value != element.value}
    decoded = {"PhotometricInterpretation"} if name == "jpeg.dcm" else set()
    assert changed == CHANGED | decoded
    assert {element.keyword for element in old} <= {element.keyword for element in new}
    assert new.SOPInstanceUID == new.file_meta.MediaStorageSOPInstanceUID != old.SOPInstanceUID
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert new.DerivationDescription.startswith("Denoised by unnoise")
    assert list(new.ImageType) == ["DERIVED", "PRIMARY", "AXIAL"]
    assert list(new.PixelSpacing) == [0.7, 0.9]


def test_bits_above_those_of_the_picture_stay(tmp_path: Path) -> None:
    words = counts(8, 10, most=4095) | np.uint16(0xA000)  # an overlay in the upper bits, as old scanners have it
    source = dicom_of(words, bits=12)(tmp_path / "a.dcm")
    with images.open(source) as opened:
        np.testing.assert_array_equal(opened[0].picture().pixels, words & 0x0FFF)
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels // 2)
    after = np.frombuffer(pydicom.dcmread(tmp_path / "b.dcm").PixelData, "<u2").reshape(words.shape)
    np.testing.assert_array_equal(after, (words & 0x0FFF) // 2 | 0xA000)


def test_equal_results_have_equal_names(tmp_path: Path) -> None:
    source = make(tmp_path, "frames.dcm")
    for name, factor in (("b", 1), ("c", 1), ("d", 2)):
        redrawn(source, tmp_path / f"{name}.dcm", lambda pixels, factor=factor: pixels // factor)
    names = [pydicom.dcmread(tmp_path / f"{name}.dcm").SOPInstanceUID for name in "bcd"]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("fields", [{"PhotometricInterpretation": "HSV"}, {"BitsAllocated": 64}, {"HighBit": 9}])
def test_other_pixels_are_refused_by_name(tmp_path: Path, fields: dict[str, object]) -> None:
    source = dicom_of(counts(8, 10), bits=12, **fields)(tmp_path / "a.dcm")
    with pytest.raises(UsageError, match=r"a\.dcm has .* not supported"):
        images.open(source)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian"])
def test_floats_stay_floats(tmp_path: Path, dtype: str, syntax: str) -> None:
    source, values = tmp_path / "a.dcm", np.random.default_rng(0).normal(1000, 30, (3, 20, 30)).astype(dtype)
    made = pydicom.dcmread(dicom_of(counts(3, 20, 30), bits=16)(source))
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    made.BitsAllocated = 8 * values.itemsize
    setattr(made, "FloatPixelData" if dtype == "float32" else "DoubleFloatPixelData", values.tobytes())
    made.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
    made.save_as(source)
    with images.open(source) as opened:
        np.testing.assert_array_equal(opened[2].picture().pixels, values[2])
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels / 2)
    after = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.pixel_array, values / 2)
    assert after.SOPInstanceUID != made.SOPInstanceUID


@pytest.mark.parametrize("implicit", [True, False])
def test_files_of_old_archives_without_a_preamble(tmp_path: Path, implicit: bool) -> None:
    source, bare = dicom_of(counts(20, 30), bits=16)(tmp_path / "a.dcm"), tmp_path / "bare.dcm"
    made = pydicom.dcmread(source)
    made.preamble, made.file_meta = None, pydicom.dataset.FileMetaDataset()
    made.save_as(bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    assert bare.read_bytes()[128:132] != b"DICM"
    redrawn(bare, tmp_path / "b.dcm", lambda pixels: pixels // 2)
    after = pydicom.dcmread(tmp_path / "b.dcm", force=True)
    after.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    np.testing.assert_array_equal(after.pixel_array, counts(20, 30) // 2)


def test_a_preamble_that_looks_like_a_tiff(tmp_path: Path) -> None:
    """Many scanners write one, so that viewers of TIFF show something."""
    source = dicom_of(counts(20, 30), bits=16)(tmp_path / "a.dcm")
    content = bytearray(source.read_bytes())
    content[:8] = b"II*\0T\0\0\0"
    source.write_bytes(content)
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels)
    assert (tmp_path / "b.dcm").read_bytes()[:8] == content[:8]
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, counts(20, 30))


def test_a_deflated_file(tmp_path: Path) -> None:
    source = dicom_of(counts(20, 30), bits=16)(tmp_path / "a.dcm")
    made = pydicom.dcmread(source)
    made.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    made.save_as(source)
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels // 2)
    after = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.pixel_array, counts(20, 30) // 2)
    assert after.file_meta.TransferSyntaxUID == pydicom.uid.DeflatedExplicitVRLittleEndian


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    source = dicom_of(counts(20, 30), bits=16)(tmp_path / "a.dcm")
    made = pydicom.dcmread(source)
    del made.PhotometricInterpretation
    made.save_as(tmp_path / "b.dcm")
    with pytest.raises(UsageError, match="does not say its PhotometricInterpretation"):
        images.open(tmp_path / "b.dcm")
    del made.PixelData
    made.save_as(tmp_path / "c.dcm")
    with pytest.raises(UsageError, match=r"c\.dcm has no pixels"):
        images.open(tmp_path / "c.dcm")
    (tmp_path / "d.dcm").write_bytes(b"words of a letter" * 30)
    with pytest.raises(UnnoiseError, match=r"d\.dcm"):
        images.open(tmp_path / "d.dcm")


def test_images_from_which_the_source_was_derived_stay_named(tmp_path: Path) -> None:
    source = dicom_of(counts(20, 30), bits=16)(tmp_path / "a.dcm")
    for name in ("b", "c"):
        redrawn(source, tmp_path / f"{name}.dcm", lambda pixels: pixels // 2)
        source = tmp_path / f"{name}.dcm"
    named = [item.ReferencedSOPInstanceUID for item in pydicom.dcmread(source).SourceImageSequence]
    assert named == ["1.2.3.4", pydicom.dcmread(tmp_path / "b.dcm").SOPInstanceUID]
