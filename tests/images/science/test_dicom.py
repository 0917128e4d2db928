"""DICOM: besides pixels only what says that they were derived changes, and bits beside the pixels stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from images.science.samples import counts, dicom_of, make
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.errors import UsageError

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


@pytest.mark.parametrize("fields", [{"PhotometricInterpretation": "PALETTE COLOR"}, {"BitsAllocated": 64}, {"HighBit": 9}])
def test_other_pixels_are_refused_by_name(tmp_path: Path, fields: dict[str, object]) -> None:
    source = dicom_of(counts(8, 10), bits=12, **fields)(tmp_path / "a.dcm")
    with pytest.raises(UsageError, match=r"a\.dcm has .* not supported"):
        images.open(source)
