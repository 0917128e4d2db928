"""DICOM palettes, read as pydicom reads them, and written with their palette or as RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, pixel_array

from images.science.samples import dicom_of
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.science.dicom_palette import Palette

NAMES = ("Red", "Green", "Blue")


def palette_fields(entries: int, first: int, table: np.ndarray) -> dict[str, Any]:
    """`table` (N, 3)."""
    fields: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR", "SamplesPerPixel": 1}
    for index, name in enumerate(NAMES):
        content = table[:, index].tobytes()
        fields[f"{name}PaletteColorLookupTableDescriptor"] = [entries % 65536, first, 8 * table.itemsize]
        fields[f"{name}PaletteColorLookupTableData"] = content + b"\0" * (len(content) % 2)
    return fields


def palette_file(path: Path, numbers: np.ndarray, entries: int, first: int, depth: str, **more: Any) -> Path:
    table = np.random.default_rng(entries).integers(0, np.iinfo(depth).max, (entries, 3), dtype=depth)
    bits = 8 * numbers.itemsize
    return dicom_of(numbers, bits=bits, **(palette_fields(entries, first, table) | more))(path)


def drawn(dtype: str, low: int, high: int, *outer: int) -> np.ndarray:
    return np.random.default_rng(high).integers(low, high, (*outer, 20, 30)).astype(dtype)


CASES = {
    "bytes": (drawn("uint8", 0, 256), 256, 0, "uint8"),
    "words of color": (drawn("uint8", 0, 256), 256, 0, "uint16"),
    "few colors, from 20 on": (drawn("uint8", 0, 256), 100, 20, "uint16"),
    "numbers of 16 bits": (drawn("uint16", 0, 65536, 2), 65536, 0, "uint16"),
}


@pytest.mark.parametrize("name", CASES)
def test_colors_are_those_of_pydicom_and_unchanged_ones_stay_a_palette(tmp_path: Path, name: str) -> None:
    numbers = CASES[name][0]
    source = palette_file(tmp_path / "a.dcm", *CASES[name])
    header = pydicom.dcmread(source)
    expected = apply_color_lut(header.pixel_array, header)
    with images.open(source) as opened:
        found = np.stack([frame.picture().pixels for frame in opened])
        assert opened[0].layout.colours == "rgb"
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    redrawn(source, tmp_path / "same.dcm", lambda pixels: pixels)
    same = pydicom.dcmread(tmp_path / "same.dcm")
    assert same.PhotometricInterpretation == "PALETTE COLOR"
    np.testing.assert_array_equal(same.pixel_array, numbers)
    redrawn(source, tmp_path / "turned.dcm", lambda pixels: pixels[:, ::-1])
    turned = pydicom.dcmread(tmp_path / "turned.dcm")
    assert turned.PhotometricInterpretation == "PALETTE COLOR"
    np.testing.assert_array_equal(apply_color_lut(turned.pixel_array, turned), expected[..., ::-1, :])


@pytest.mark.parametrize("name", CASES)
def test_other_colors_become_rgb_without_a_palette(tmp_path: Path, name: str) -> None:
    source = palette_file(tmp_path / "a.dcm", *CASES[name], PixelPaddingValue=0)
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels // 2 + 1)
    old, new = pydicom.dcmread(source), pydicom.dcmread(tmp_path / "b.dcm")
    assert (new.PhotometricInterpretation, new.SamplesPerPixel, new.PlanarConfiguration) == ("RGB", 3, 0)
    assert not [element.keyword for element in new if "Palette" in element.keyword]
    np.testing.assert_array_equal(new.pixel_array, apply_color_lut(old.pixel_array, old) // 2 + 1)
    assert list(new.PixelSpacing) == [0.7, 0.9]


def test_more_colors_than_256_of_8_bits(tmp_path: Path) -> None:
    """pydicom takes the number modulo 256 there: see findings."""
    numbers = drawn("uint16", 0, 600)
    table = np.arange(3 * 500).reshape(500, 3).astype(np.uint8)
    source = dicom_of(numbers, bits=16, **palette_fields(500, 0, table))(tmp_path / "a.dcm")
    with images.open(source) as opened:
        np.testing.assert_array_equal(opened[0].picture().pixels, table[np.minimum(numbers, 499)])


def test_segmented_palettes(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, end in zip(NAMES, (255, 128, 64), strict=True):
        fields[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        ramp = np.array([0, 1, 0, 1, 255, 257 * end], "<u2")  # one discrete value, then a straight line
        fields[f"Segmented{name}PaletteColorLookupTableData"] = ramp.tobytes()
    numbers = drawn("uint8", 0, 256)
    source = dicom_of(numbers, bits=8, **fields)(tmp_path / "a.dcm")
    header = pydicom.dcmread(source)
    expected = apply_color_lut(header.pixel_array, header)
    with images.open(source) as opened:
        np.testing.assert_array_equal(opened[0].picture().pixels, expected)
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels + 1)
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, expected + 1)


def test_a_color_twice_in_the_palette_keeps_its_number() -> None:
    palette = Palette(np.array([[1, 1, 1], [2, 2, 2], [1, 1, 1], [3, 3, 3]], np.uint8), 10)
    before = np.array([[10, 12, 11, 13]], np.uint8)
    after = palette.presented(before)
    after[0, 3] = 2
    numbers = palette.numbers(after, before)
    assert numbers is not None
    assert numbers.tolist() == [[10, 12, 11, 11]]
    assert palette.numbers(after + 4, before) is None


def test_damaged_palettes_and_those_with_transparency_are_told(tmp_path: Path) -> None:
    numbers, entries, first, depth = CASES["bytes"]
    short = palette_file(tmp_path / "a.dcm", numbers, entries, first, depth, GreenPaletteColorLookupTableData=b"12")
    with pytest.raises(UnnoiseError, match=r"a\.dcm cannot be decoded \(its palette ends before color 256\)"):
        images.open(short)
    clear = palette_file(tmp_path / "b.dcm", numbers, entries, first, depth, AlphaPaletteColorLookupTableData=bytes(256))
    with pytest.raises(UsageError, match=r"b\.dcm has a palette with transparency"):
        images.open(clear)


@pytest.mark.parametrize("bits", [12, 16])
def test_colors_of_16_bits(tmp_path: Path, bits: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**bits, (20, 30, 3)).astype(np.uint16)
    source = dicom_of(pixels, bits=bits)(tmp_path / "a.dcm")
    with images.open(source) as opened:
        found = opened[0].picture().pixels
    assert found.max() > 65000
    assert (found.argmax(), found.argmin()) == (pixels.argmax(), pixels.argmin())
    redrawn(source, tmp_path / "b.dcm", lambda pixels: pixels)
    np.testing.assert_array_equal(pixel_array(tmp_path / "b.dcm"), pixels)
