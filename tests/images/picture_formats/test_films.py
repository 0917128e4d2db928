"""Films: every frame is read as it is shown, and written with its time."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageSequence

from images.exif_blocks import exif_block
from images.picture_formats.samples import HEIGHT, WIDTH, photo
from images.test_stacks import copy
from unnoise import images
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images import png, tags
from unnoise.images.picture_formats.avif_film import without_orientation
from unnoise.images.picture_formats.png_film import over

TIMES = [40, 120, 400]
"""Milliseconds; multiples of ten, for GIF."""


def frames(alpha: bool = False) -> list[Image.Image]:
    """Pictures that differ in a part, so that encoders store that part alone."""
    made = []
    for number in range(3):
        pixels = photo(channels=4 if alpha else 3)
        pixels[5 : 9 + number, 4:20, :3] = 250 - 60 * number
        if alpha:
            pixels[..., 3] = np.where(pixels[..., 3] > 200, 255, 0)
            pixels[2 * number : 2 * number + 3, :6, 3] = 0
        made.append(Image.fromarray(pixels))
    return made


def film(path: Path, *, alpha: bool = False, **options: Any) -> Path:
    first, *others = frames(alpha)
    first.save(path, save_all=True, append_images=others, duration=TIMES, **options)
    return path


def shown(path: Path) -> list[np.ndarray]:
    """What Pillow shows, one frame after the other."""
    with Image.open(path) as image:
        return [np.array(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def times(path: Path) -> list[int]:
    with Image.open(path) as image:
        return [round(frame.info["duration"]) for frame in ImageSequence.Iterator(image) if frame.load() or True]


MAKERS: dict[str, dict[str, Any]] = {
    ".png": {"loop": 3, "disposal": 0},
    ".webp": {"loop": 3, "lossless": True},
    ".gif": {"loop": 3},
}


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", MAKERS)
def test_all_frames_come_back_with_their_times(tmp_path: Path, suffix: str, alpha: bool) -> None:
    source = film(tmp_path / f"a{suffix}", alpha=alpha, **MAKERS[suffix])
    read = copy(source, tmp_path / f"b{suffix}")
    assert len(read) == 3
    for before, after, seen in zip(shown(source), shown(tmp_path / f"b{suffix}"), read, strict=True):
        visible = before[..., 3] > 0
        np.testing.assert_array_equal(after[..., 3], before[..., 3])
        limit = 24 if suffix == ".gif" else 0  # more than 256 colors become the nearest
        assert np.abs(after[visible].astype(int) - before[visible]).max() <= limit
        np.testing.assert_array_equal(seen[..., :3][visible], before[visible][:, :3])
    assert times(tmp_path / f"b{suffix}") == TIMES
    with Image.open(source) as old, Image.open(tmp_path / f"b{suffix}") as new:
        assert new.info["loop"] == old.info["loop"]


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("blend", [0, 1])
def test_animated_png_is_composed_as_libpng_does(tmp_path: Path, disposal: int, blend: int) -> None:
    source = film(tmp_path / "a.png", alpha=True, disposal=[0, disposal, disposal], blend=blend)
    with images.open(source) as opened:
        found = [frame.picture().pixels for frame in opened]
        np.testing.assert_array_equal(opened[1].picture().pixels, found[1])  # also out of turn
    wanted_frames = imagecodecs.apng_decode(source.read_bytes())  # Pillow does not undo frames as it should
    for seen, wanted in zip(found, wanted_frames, strict=True):
        visible = wanted[..., 3] > 0
        np.testing.assert_array_equal(seen[..., 3], wanted[..., 3])
        assert np.abs(seen[visible].astype(int) - wanted[visible]).max() <= 1


def test_laying_over_follows_the_formula_of_alpha() -> None:
    random = np.random.default_rng(0)
    below, above = random.integers(0, 65536, (2, 9, 7, 4)).astype(np.uint16)
    above[0, :, 3], below[1, :, 3] = 0, 0
    b, a = below / 65535, above / 65535
    alpha = a[..., 3:] + b[..., 3:] * (1 - a[..., 3:])
    light = a[..., :3] * a[..., 3:] + b[..., :3] * b[..., 3:] * (1 - a[..., 3:])
    made = over(below, above) / 65535
    np.testing.assert_allclose(made[..., 3:], alpha, atol=1e-5)
    np.testing.assert_allclose(made[..., :3] * alpha, light, atol=2e-5)
    np.testing.assert_array_equal(over(below, above)[0], below[0])


def test_an_animated_png_keeps_sixteen_bits_and_its_chunks(tmp_path: Path) -> None:
    pixels = np.stack([photo("uint16", seed=n) for n in range(3)])
    data = bytes(imagecodecs.apng_encode(pixels, delay=80))
    extra = png.chunk(b"tEXt", b"Title\0a film") + png.chunk(b"gAMA", (45455).to_bytes(4, "big"))
    (tmp_path / "a.png").write_bytes(data[:33] + extra + data[33:])
    copy(tmp_path / "a.png", tmp_path / "b.png")
    made = (tmp_path / "b.png").read_bytes()
    np.testing.assert_array_equal(imagecodecs.apng_decode(made), pixels)
    assert extra in made
    with images.open(tmp_path / "b.png") as opened:
        assert opened[0].metadata.film.seconds == (Fraction(8, 100),) * 3


def test_a_lossy_webp_film_stays_about_as_large(tmp_path: Path) -> None:
    source = film(tmp_path / "a.webp", quality=60)
    copy(source, tmp_path / "b.webp")
    assert (tmp_path / "b.webp").stat().st_size < 2.5 * source.stat().st_size
    for before, after in zip(shown(source), shown(tmp_path / "b.webp"), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 4


def test_a_webp_film_keeps_its_metadata(tmp_path: Path) -> None:
    exif = exif_block()
    said = {"exif": exif, "xmp": b"<x:xmpmeta/>", "icc_profile": b"profile", "background": (1, 2, 3, 200)}
    source = film(tmp_path / "a.webp", lossless=True, **said)
    copy(source, tmp_path / "b.webp")
    with Image.open(tmp_path / "b.webp") as image:
        assert image.info["background"] == (1, 2, 3, 200)
        assert (image.info["exif"], image.info["xmp"], image.info["icc_profile"]) == (exif, b"<x:xmpmeta/>", b"profile")


def test_a_sequence_of_avif_stays_one(tmp_path: Path) -> None:
    source = film(tmp_path / "a.avif", quality=70, subsampling="4:2:0", exif=exif_block())
    copy(source, tmp_path / "b.avif")
    assert times(tmp_path / "b.avif") == TIMES
    for before, after in zip(shown(source), shown(tmp_path / "b.avif"), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 3
    assert (tmp_path / "b.avif").stat().st_size < 2 * source.stat().st_size
    with Image.open(source) as old, Image.open(tmp_path / "b.avif") as new:
        assert old.info["exif"]
        assert new.info["exif"].removeprefix(b"Exif\0\0") == old.info["exif"].removeprefix(b"Exif\0\0")


def test_the_orientation_does_not_make_pillow_write_exif_anew() -> None:
    block = exif_block(">", orientation=6)
    made = without_orientation(block)
    assert len(made) == len(block)
    assert sum(a != b for a, b in zip(made, block, strict=True)) == 2
    assert tags.orientation(made) == 1


def test_a_deep_sequence_of_avif_is_read_and_refused_by_name_as_a_target(tmp_path: Path) -> None:
    pixels = np.stack([photo("uint16", bits=10, seed=n) for n in range(2)])
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=10, pixelformat="444"))
    with pytest.raises(UsageError, match=r"b\.avif would be a sequence of AVIF with 10 bits, .* write \.png"):
        copy(tmp_path / "a.avif", tmp_path / "b.avif")
    copy(tmp_path / "a.avif", tmp_path / "b.png")
    assert len(imagecodecs.apng_decode((tmp_path / "b.png").read_bytes())) == 2


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_one_kind_of_film_becomes_another(tmp_path: Path, suffix: str) -> None:
    source = film(tmp_path / "a.png", loop=0)
    copy(source, tmp_path / f"b{suffix}")
    assert times(tmp_path / f"b{suffix}") == TIMES


def test_other_formats_say_that_times_stay_behind(tmp_path: Path) -> None:
    source = film(tmp_path / "a.gif", loop=0)
    with pytest.warns(UnnoiseWarning, match="the times of its pictures stays behind"):
        copy(source, tmp_path / "b.tif")
    with pytest.raises(UsageError, match=r"b\.bmp can hold one picture only"), pytest.warns(UnnoiseWarning):
        copy(source, tmp_path / "b.bmp")


def test_comments_and_xmp_of_a_gif_stay(tmp_path: Path) -> None:
    made = io.BytesIO()
    frames()[0].quantize(16).save(made, "GIF", comment=b"by hand")
    data = made.getvalue()
    xmp = b"<x:xmpmeta>words</x:xmpmeta>"
    block = b"\x21\xff\x0bXMP DataXMP" + xmp + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    place = 13 + (3 << (data[10] & 7) + 1)
    (tmp_path / "a.gif").write_bytes(data[:place] + block + data[place:])
    copy(tmp_path / "a.gif", tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as image:
        assert image.info["comment"] == b"by hand"
        assert image.size == (WIDTH, HEIGHT)
    assert block in (tmp_path / "b.gif").read_bytes()
    with images.open(tmp_path / "b.gif") as opened:
        assert opened[0].metadata.xmp == xmp


def test_an_animation_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    for suffix, options in MAKERS.items():
        data = film(tmp_path / f"a{suffix}", **options).read_bytes()
        for share in (0.3, 0.6, 0.9):
            path = tmp_path / f"cut{suffix}"
            path.write_bytes(data[: int(len(data) * share)])
            with pytest.raises(UnnoiseError, match=rf"cut\{suffix} cannot be decoded"):
                copy(path, tmp_path / "out.npy")
