"""Ultra HDR, motion photos and their like: what follows the picture and belongs to it goes along, and is found where it is."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from images.test_stacks import copy, noise
from unnoise.errors import UnnoiseWarning
from unnoise.images import read, write
from unnoise.images.jpeg import segment

image: Any = pytest.importorskip("PIL.Image")

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def smooth(size: int) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.stack([rows * 4, columns * 4, rows + columns], axis=-1).astype(np.uint8)


def bare(pixels: np.ndarray, quality: int = 90) -> bytes:
    made = io.BytesIO()
    image.fromarray(pixels).save(made, "JPEG", quality=quality)
    return made.getvalue()


def xmp(length: int) -> bytes:
    """As Android writes it: the length of the map alone says where it lies."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
        b' xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
        b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="a title">'
        b"<Container:Directory><rdf:Seq>"
        b'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
        b'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="'
        + str(length).encode()
        + b'"/></rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>'
    )


def mpf(order: str, sizes: tuple[int, int], offset: int) -> bytes:
    entries = struct.pack(order + "IIIHH", 0x030000, sizes[0], 0, 0, 0) + struct.pack(
        order + "IIIHH", 0, sizes[1], offset, 0, 0
    )
    directory = struct.pack(order + "H", 3)
    directory += struct.pack(order + "HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(order + "HHII", 0xB001, 4, 1, 2)
    directory += struct.pack(order + "HHII", 0xB002, 7, 32, 8 + 2 + 36 + 4) + struct.pack(order + "I", 0)
    return b"MPF\0" + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + directory + entries


def ultra_hdr(path: Path, order: str) -> bytes:
    """Returns the gain map."""
    gain = bare(smooth(16))
    gain = gain[:2] + segment(0xE1, XMP_HEAD + b'<x hdrgm:Version="1.0" hdrgm:GainMapMax="2.3"/>') + gain[2:]
    picture = bare(noise((64, 64, 3), "uint8"))
    before = segment(0xE1, XMP_HEAD + xmp(len(gain)))
    size = 2 + len(before) + len(segment(0xE2, mpf(order, (0, 0), 0))) + len(picture) - 2
    place = 2 + len(before) + 4 + 4  # where offsets count from
    whole = picture[:2] + before + segment(0xE2, mpf(order, (size, len(gain)), size - place)) + picture[2:]
    assert len(whole) == size
    path.write_bytes(whole + gain)
    return gain


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_gain_map_of_an_ultra_hdr_jpeg_stays_and_is_found(tmp_path: Path, order: str) -> None:
    gain = ultra_hdr(tmp_path / "a.jpg", order)
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture.with_pixels(smooth(64)))  # far fewer bytes than the noise had
    data = (tmp_path / "b.jpg").read_bytes()
    assert len(data) != (tmp_path / "a.jpg").stat().st_size
    assert data[-len(gain) :] == gain  # where GContainer's length says
    assert f'Item:Length="{len(gain)}"'.encode() in data
    mpo = pytest.importorskip("PIL.MpoImagePlugin")
    with mpo.MpoImageFile(tmp_path / "b.jpg") as seen:  # which finds the second picture by MPF
        assert (seen.format, seen.n_frames) == ("MPO", 2)
        assert np.abs(np.asarray(seen).astype(int) - smooth(64)).mean() < 6
        seen.seek(1)
        assert seen.size == (16, 16)
        assert np.abs(np.asarray(seen).astype(int) - smooth(16)).mean() < 6
    at = data.index(b"MPF\0") + 4
    first, second = (struct.unpack(order + "III", data[at + 50 + 16 * i : at + 62 + 16 * i]) for i in (0, 1))
    assert first[1:] == (len(data) - len(gain), 0)
    assert second[1:] == (len(gain), len(data) - len(gain) - at)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_a_file_without_the_gain_map_does_not_speak_of_it(tmp_path: Path, suffix: str) -> None:
    ultra_hdr(tmp_path / "a.jpg", "<")
    with pytest.warns(UnnoiseWarning, match=rf"b\{suffix} does not hold all that its source does: a gain map"):
        copy(tmp_path / "a.jpg", tmp_path / f"b{suffix}")
    said = read(tmp_path / f"b{suffix}").metadata.xmp
    for words in (b"hdrgm", b"GainMap", b"Container"):
        assert words not in said
    assert b'dc:title="a title"' in said
    assert said.endswith(b"</rdf:Description></rdf:RDF></x:xmpmeta>")


def test_films_of_motion_photos_stay_behind_the_picture(tmp_path: Path) -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 3
    words = f'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(film)}"/>'.encode()
    picture = bare(noise((32, 32, 3), "uint8"))
    (tmp_path / "a.jpg").write_bytes(picture[:2] + segment(0xE1, XMP_HEAD + words) + picture[2:] + film)
    copy(tmp_path / "a.jpg", tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert data[-len(film) :] == film
    assert words in data


@pytest.mark.parametrize(
    ("trailer", "words"), [(None, "another picture of the file"), (b"AXS!notes", "data behind the picture")]
)
def test_what_is_left_behind_is_named(tmp_path: Path, trailer: bytes | None, words: str) -> None:
    """A preview would show the noise; notes may hold places that are no longer right."""
    (tmp_path / "a.jpg").write_bytes(bare(noise((32, 32, 3), "uint8")) + (trailer or bare(noise((16, 16, 3), "uint8"))))
    with pytest.warns(UnnoiseWarning, match=words):
        copy(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes().endswith(b"\xff\xd9")


@pytest.mark.parametrize("progressive", [False, True])
def test_the_end_of_the_picture_is_found(tmp_path: Path, progressive: bool) -> None:
    made = io.BytesIO()
    image.fromarray(noise((64, 64, 3), "uint8")).save(made, "JPEG", progressive=progressive, restart_marker_rows=1)
    (tmp_path / "a.jpg").write_bytes(made.getvalue() + b"\xff\xd8\xff\xd9")
    with pytest.warns(UnnoiseWarning):
        copy(tmp_path / "a.jpg", tmp_path / "b.jpg")
    (tmp_path / "a.jpg").write_bytes(made.getvalue() + bytes(100))  # padding is nothing
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy(tmp_path / "a.jpg", tmp_path / "c.jpg")
