"""ICC profiles within JPEG XL: libjxl, by pillow-jxl-plugin and imagecodecs, reads what we write."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401 (registers the format)
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unnoise.errors import UnnoiseError
from unnoise.images import Metadata, Picture, read, write
from unnoise.images.picture_formats import jpeg_xl_header
from unnoise.images.picture_formats.boxes import boxes
from unnoise.images.picture_formats.jpeg_xl_header import RGB_SPACE
from unnoise.images.picture_formats.jpeg_xl_profile import profile_within, with_profile

ADOBE = bytes(imagecodecs.cms_profile("adobergb"))
GRAY = bytes(imagecodecs.cms_profile("gray", gamma=1.8))


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize(
    ("pixels", "icc"),
    [
        (noise(20, 30, 3), ADOBE),
        (noise(20, 30, 4), ADOBE),
        (noise(20, 30, 3, dtype="uint16"), ADOBE),
        (noise(20, 30), GRAY),
        (noise(20, 30, 2), GRAY),
    ],
)
def test_a_profile_is_read_by_libjxl_and_stays(tmp_path: Path, pixels: np.ndarray, icc: bytes) -> None:
    write(tmp_path / "a.jxl", Picture(pixels, Metadata(icc=icc)))
    content = (tmp_path / "a.jxl").read_bytes()
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(content).reshape(pixels.shape), pixels)
    if pixels.dtype == np.uint8:  # the plugin takes no RGB of 16 bits
        assert Image.open(io.BytesIO(content)).info["icc_profile"] == icc
    again = read(tmp_path / "a.jxl")
    assert again.metadata.icc == icc
    write(tmp_path / "b.jxl", again)
    assert (tmp_path / "b.jxl").read_bytes() == content


def test_a_camera_s_jpeg_packed_into_jpeg_xl_keeps_its_profile(tmp_path: Path) -> None:
    made = io.BytesIO()
    Image.fromarray(noise(64, 48, 3)).save(made, "JPEG", quality=95, icc_profile=ADOBE)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode_jpeg(made.getvalue()))
    write(tmp_path / "b.tif", read(tmp_path / "a.jxl"))
    write(tmp_path / "c.jxl", read(tmp_path / "a.jxl"))
    assert read(tmp_path / "b.tif").metadata.icc == ADOBE
    np.testing.assert_array_equal(read(tmp_path / "c.jxl").pixels, read(tmp_path / "b.tif").pixels)
    assert Image.open(tmp_path / "c.jxl").info["icc_profile"] == ADOBE


def packed(icc: bytes) -> tuple[bytes, jpeg_xl_header.Header]:
    """The codestream that libjxl makes of a JPEG with this profile, by its own encoder of profiles."""
    made = io.BytesIO()
    Image.fromarray(noise(16, 24, 3)).save(made, "JPEG", icc_profile=icc)
    found = boxes(bytes(imagecodecs.jpegxl_encode_jpeg(made.getvalue())))
    parts = (content[4:] if kind == b"jxlp" else content for kind, content, _ in found if kind in (b"jxlc", b"jxlp"))
    stream = b"".join(parts)
    return stream, jpeg_xl_header.parse(stream)


def of_size(icc: bytes) -> bytes:
    return len(icc).to_bytes(4, "big") + icc[4:]


CURVE = np.rint(np.linspace(0, 1, 1024) ** 2.2 * 65535).astype(np.uint16)
POINTS = [0.6, 0.33, 1, 0.3, 0.6, 1, 0.15, 0.06, 1]
CURVES = bytes(imagecodecs.cms_profile("rgb", whitepoint=(0.3127, 0.329, 1.0), primaries=POINTS, transferfunction=CURVE))
CHANCE = np.random.default_rng(0).integers(0, 256, 9000).astype(np.uint8).tobytes()
PROFILES = {
    "a short one": ADOBE,
    "curves of 1024 numbers": CURVES,
    "text": of_size(ADOBE + b"Copyright (c) somebody, all rights reserved. " * 40),
    "chance": of_size(ADOBE + CHANCE),
    "repeats": of_size(ADOBE + CHANCE[:500] * 9),
    "one value": of_size(ADOBE + bytes(4000)),
}


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_that_libjxl_wrote_come_back(name: str) -> None:
    stream, own = packed(PROFILES[name])
    assert own.icc
    assert profile_within(stream, own) == PROFILES[name]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(PROFILES)), st.data())
def test_damage_to_a_profile_is_told_or_harmless(name: str, data: st.DataObject) -> None:
    stream, own = PACKED[name]
    changed = bytearray(stream[: data.draw(st.integers(own.end // 8 + 1, min(len(stream), 900)))])
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(own.end // 8, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = profile_within(bytes(changed), own)
    except ValueError:
        return
    assert len(found) < 2**24


PACKED = {name: packed(icc) for name, icc in PROFILES.items()}


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=0, max_size=20_000), st.sampled_from([b"APPL", b"MSFT", b"SGI ", b"SUNW", b"none"]))
def test_profiles_of_any_size_and_platform(rest: bytes, platform: bytes) -> None:
    """libjxl gives back each byte of what is a profile by its header."""
    icc = bytearray(ADOBE + rest)
    icc[:4], icc[40:44] = len(icc).to_bytes(4, "big"), platform
    stream = bytes(imagecodecs.jpegxl_encode(noise(8, 9, 3), lossless=True, usecontainer=False))
    made = with_profile(stream, jpeg_xl_header.parse(stream), bytes(icc), RGB_SPACE)
    assert Image.open(io.BytesIO(made)).info["icc_profile"] == bytes(icc)
    own = jpeg_xl_header.parse(made)
    assert own.icc
    assert profile_within(made, own) == bytes(icc)
    with pytest.raises(ValueError, match="cannot be described otherwise"):
        with_profile(made, own, bytes(icc), RGB_SPACE)


def test_what_cannot_be_done_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "a.jxl", Picture(noise(20, 30, 3), Metadata(icc=ADOBE)))
    with pytest.raises(UnnoiseError, match=r"b\.jxl cannot be encoded here \(its ICC profile is of other colors than"):
        write(tmp_path / "b.jxl", Picture(noise(20, 30), Metadata(icc=ADOBE)))
    with pytest.raises(UnnoiseError, match=r"b\.jxl cannot be encoded here \(colors other than sRGB are encoded without loss"):
        write(tmp_path / "b.jxl", read(tmp_path / "a.jxl"), quality=80)
