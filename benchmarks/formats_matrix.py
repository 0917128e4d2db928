"""The matrix of formats, types of pixel and channels in docs/formats.md: each cell is tried.

python benchmarks/formats_matrix.py            # says whether the page is right
python benchmarks/formats_matrix.py --write    # puts it right
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from unnoise import images
from unnoise.errors import UnnoiseError
from unnoise.images import Layout, Metadata, Picture, vips

PAGE = Path(__file__).parents[1] / "docs" / "formats.md"
BEGIN, END = "<!-- the matrix begins: benchmarks/formats_matrix.py makes it -->", "<!-- the matrix ends -->"
SUFFIXES = {
    "PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "TIFF": ".tif", "AVIF": ".avif", "HEIC": ".heic", "JPEG XL": ".jxl",
    "JPEG 2000": ".jp2", "GIF": ".gif", "BMP": ".bmp", "TGA": ".tga", "Netpbm": ".pam", "PFM": ".pfm", "PSD": ".psd",
    "Radiance HDR": ".hdr", "NumPy": ".npy", "Zarr": ".zarr",
}  # fmt: skip
TYPES = ("uint8", "uint16", "float16", "float32")
LAYOUTS = {
    "grey": Layout("grey"), "grey, alpha": Layout("grey", 1), "RGB": Layout("rgb"), "RGBA": Layout("rgb", 1),
    "CMYK": Layout("cmyk"), "5 channels": Layout("channels"),
}  # fmt: skip
COUNTS = {"grey": 1, "grey, alpha": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "5 channels": 5}
SHAPE = (24, 32)
EXACT, LOSSY, REFUSED = "=", "≈", "–"
LOSSY_MEAN = 0.05
"""Mean difference in 0..1 that a codec may make."""
HALF_A_STEP = 0.5 / 255


def picture(dtype: str, channels: str) -> Picture:
    """A ramp over a part of the range, with few colors, so that a GIF can hold it."""
    count = COUNTS[channels]
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    values = np.stack([(rows // 4 + columns // 4 + c) % 14 / 20 + 0.2 for c in range(count)], axis=-1)
    if LAYOUTS[channels].alpha:
        values[..., -1] = columns > 5
    values = values[..., 0] if count == 1 else values
    made = values.astype(dtype) if dtype[0] == "f" else np.rint(values * np.iinfo(dtype).max).astype(dtype)
    return Picture(made, Metadata(), None, LAYOUTS[channels])


def unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float64) / (np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1)


def read_back(path: Path) -> Picture:
    with images.open(path, axes="YXC" if path.suffix in (".npy", ".zarr") and _axes(path) == 3 else None) as opened:
        return opened[0].picture()


def _axes(path: Path) -> int:
    if path.suffix == ".npy":
        return int(np.load(path, mmap_mode="r").ndim)
    import zarr

    return int(zarr.open(path, mode="r").ndim)


def cell(folder: Path, name: str, dtype: str, channels: str) -> tuple[str, Path | None]:
    """What becomes of a picture: `=`, `≈`, `–`, or the type that it gets; and the file, if there is one."""
    path, made = (
        folder / f"{dtype}-{COUNTS[channels]}-{channels[:2]}{SUFFIXES[name]}".replace(",", ""),
        picture(dtype, channels),
    )
    try:
        images.write(path, made)
    except UnnoiseError:
        return REFUSED, None
    again = read_back(path)
    pixels = again.pixels
    if pixels.shape != made.shape and made.pixels.ndim == 2 and pixels.ndim == 3:
        pixels = pixels[..., 0]  # WebP has no grey
    if pixels.shape != made.shape and made.layout == Layout("grey", 1) and pixels.shape[2:] == (4,):
        pixels = np.stack([pixels[..., 0], pixels[..., -1]], axis=-1)
    if pixels.shape != made.shape:
        raise AssertionError(f"{path.name} became {pixels.shape}")
    shown = made.pixels
    if made.layout.alpha:  # what is hidden has no color
        pixels, shown = (np.where(part[..., -1:] > 0, part, 0) for part in (pixels, shown))
    if pixels.dtype == made.dtype and np.array_equal(pixels, shown):
        return EXACT, path
    difference = np.abs(unit(pixels) - unit(shown))
    bits = {"uint8": "8 bits", "uint16": "16 bits"}.get(pixels.dtype.name, pixels.dtype.name)
    if pixels.dtype != made.dtype and difference.max() <= HALF_A_STEP + 1e-6:
        return bits, path
    if difference.mean() > LOSSY_MEAN:
        raise AssertionError(f"{path.name} differs by {difference.mean():.3f}")
    return LOSSY + (f" {bits}" if pixels.dtype != made.dtype else ""), path


def metadata_of(folder: Path, name: str) -> str:
    """Which of EXIF, XMP and profile such a file gives back."""
    from unnoise.images import tags

    block = tags.build({271: tags.Value(2, b"Camera\0")})
    wanted = Metadata(block, b"<x:xmpmeta/>", vips.srgb_profile(), resolution=(10.0, 10.0))
    path = folder / f"said{SUFFIXES[name]}"
    source = picture("float32" if name in ("PFM", "Radiance HDR") else "uint8", "RGB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images.write(path, Picture(source.pixels, wanted, None, source.layout))
    found = read_back(path).metadata
    kept = [
        *(["EXIF"] if tags.first(found.exif).get(271) == tags.first(block)[271] else []),
        *(["XMP"] if found.xmp == wanted.xmp else []),
        *(["ICC"] if found.icc == wanted.icc else ["sRGB"] if name == "JPEG XL" else []),
        *(["resolution"] if found.resolution and abs(found.resolution[0] - 10) < 0.2 else []),
    ]
    return ", ".join(kept) or REFUSED


def stacks_of(folder: Path, name: str) -> str:
    """Whether two pages of a TIFF go into one such file."""
    import tifffile

    source, path = folder / "two.tif", folder / f"two{SUFFIXES[name]}"
    tifffile.imwrite(source, np.stack([picture("uint8", "grey").pixels] * 2), photometric="minisblack", metadata=None)
    if path == source:
        path = folder / "copy.tif"
    try:
        with images.open(source) as opened, images.create(path, opened) as made:
            for frame in opened:
                made.add(frame)[...] = frame[...]
    except UnnoiseError:
        return "films" if name in ("PNG", "WebP", "AVIF", "GIF") else REFUSED
    return "✓"


def row(folder: Path, name: str) -> dict[str, str]:
    """One line of the matrix."""
    made = {"format": name}
    for channels in LAYOUTS:
        found = [cell(folder, name, dtype, channels)[0] for dtype in TYPES]
        made[channels] = found[0] if len(set(found)) == 1 else " / ".join(found)
    return made | {"metadata": metadata_of(folder, name), "stacks": stacks_of(folder, name)}


def table(rows: list[dict[str, str]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(each.values()) + " |" for each in rows)])


def on_page() -> dict[str, str]:
    """Each line of the matrix on the page, by format."""
    text = PAGE.read_text(encoding="utf-8")
    lines = text[text.index(BEGIN) : text.index(END)].splitlines()
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    options: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = table([row(_inside(folder, name), name) for name in SUFFIXES])
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    if options.write:
        PAGE.write_text(f"{text[:start]}\n\n{made}\n\n{text[end:]}", encoding="utf-8")
    elif text[start:end].strip() != made:
        raise SystemExit("The matrix in docs/formats.md is out of date; run this with --write.")
    print(made)


def _inside(folder: str, name: str) -> Path:
    made = Path(folder) / name.replace(" ", "-")
    made.mkdir()
    return made


if __name__ == "__main__":
    main()
