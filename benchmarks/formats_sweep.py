"""Many small valid files of every kind, read and written again: what fails, and what is lost without a word.

    python benchmarks/formats_sweep.py --files 1500 --out docs/results/formats_sweep.csv

Each file is made by tifffile, imagecodecs, Pillow or pyvips, with a random type, compression, layout and metadata, and
goes through unchanged. Another library than ours reads both files. A row of the table says what came of each kind:
exact, within the codec's bound, refused in a sentence, lost (pixels, size, profile, EXIF or frames differ) or failed.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyvips
import tifffile
from PIL import Image

from rows import keep, tell

EXIF = Image.Exif()
EXIF[271], EXIF[306] = "Camera", "2026:01:02 03:04:05"
PROFILE = bytes(pyvips.Image.profile_load("srgb"))
SIZES = [(1, 1), (1, 40), (17, 23), (40, 33), (64, 64)]
TIFF_TYPES = ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64", "int64"]
TIFF_CODECS = [None, "lzw", "zlib", "zstd", "packbits", "lzma", "jpeg", "jpeg2000", "png", "webp", "jpegxl", "lerc", "jpegxr"]
PHOTOMETRICS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4, "palette": 1}
LOSSY_MEAN = 0.06
"""Mean difference, as a share of the range, by which a lossy file may differ when it is encoded again."""

Maker = Callable[[Path, random.Random], bool]
"""Writes a file. It tells whether the file was made with loss."""


def pixels(choose: random.Random, dtype: str, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    height, width = size or choose.choice(SIZES)
    rng = np.random.default_rng(choose.randrange(2**32))
    ramp = np.linspace(0.1, 0.8, width)[None, :, None] + rng.normal(0, 0.05, (height, width, channels))
    values = ramp.clip(0, 1)
    made = (
        values.astype(dtype)
        if dtype[0] == "f"
        else (values * np.iinfo(dtype).max).astype(dtype)
        if dtype != "bool"
        else values > 0.5
    )
    return made[..., 0] if channels == 1 else made


def tiff(path: Path, choose: random.Random) -> bool:
    dtype, photometric = choose.choice(TIFF_TYPES), choose.choice(list(PHOTOMETRICS))
    extra = tuple(choose.choice([0, 1, 2]) for _ in range(choose.choice([0, 0, 0, 1, 2])))
    samples = PHOTOMETRICS[photometric] + len(extra)
    if photometric == "palette":
        dtype, extra, samples = choose.choice(["uint8", "uint16"]), (), 1
    data = pixels(choose, dtype, samples)
    codec = choose.choice(TIFF_CODECS)
    options: dict[str, Any] = {"photometric": photometric, "compression": codec, "metadata": None}
    options["tile"] = choose.choice([None, None, (16, 16), (32, 16)])
    if samples > 1 and choose.random() < 0.4:
        data, options["planarconfig"] = np.moveaxis(data, -1, 0), "separate"
    if extra:
        options["extrasamples"] = extra
    if photometric == "palette":
        options["colormap"] = np.random.default_rng(1).integers(0, 2**16, (3, 2 ** (8 * data.itemsize))).astype(np.uint16)
    if choose.random() < 0.3:
        options["iccprofile"] = PROFILE
    if choose.random() < 0.3:
        options |= {"resolution": (300, 150), "resolutionunit": "INCH"}
    if codec in ("lzw", "zlib", "zstd") and choose.random() < 0.5:
        options["predictor"] = True
    with tifffile.TiffWriter(path, byteorder=choose.choice("<>"), bigtiff=choose.random() < 0.2) as file:
        for _ in range(choose.choice([1, 1, 3])):
            file.write(data, **options)
    tifffile.imread(path)
    return codec == "jpeg" and photometric == "rgb"


def pillow(name: str, modes: list[str], options: dict[str, list[Any]]) -> Maker:
    def make(path: Path, choose: random.Random) -> bool:
        mode = choose.choice(modes)
        image = Image.fromarray(pixels(choose, "uint8", {"RGBA": 4, "LA": 2, "L": 1, "1": 1}.get(mode, 3)))
        image = image.quantize(choose.choice([2, 16, 200])) if mode == "P" else image.convert(mode)
        said = {key: choose.choice(values) for key, values in options.items()}
        said = {key: value for key, value in said.items() if value is not None}
        if said.pop("film", False):
            others = [Image.fromarray(255 - np.array(image.convert("RGB"))).convert(image.mode) for _ in range(2)]
            said |= {"save_all": True, "append_images": others, "duration": [40, 80, 120]}
        image.save(path, name, **said)
        return name in ("JPEG", "WEBP", "AVIF") and not said.get("lossless")

    return make


def deep(suffix: str, encode: Callable[[np.ndarray, random.Random], bytes], kinds: list[tuple[str, int]]) -> Maker:
    def make(path: Path, choose: random.Random) -> bool:
        dtype, channels = choose.choice(kinds)
        path.write_bytes(encode(pixels(choose, dtype, channels), choose))
        return suffix == ".avif"

    return make


def vips(suffix: str, options: dict[str, list[Any]]) -> Maker:
    def make(path: Path, choose: random.Random) -> bool:
        data = pixels(choose, choose.choice(["uint8", "uint16"]) if suffix == ".png" else "uint8", choose.choice([1, 2, 3, 4]))
        said = {key: choose.choice(values) for key, values in options.items()}
        pyvips.Image.new_from_array(data).write_to_file(str(path), **said)
        return suffix in (".jpg", ".webp") and not said.get("lossless")

    return make


SAYS = {"exif": [None, EXIF.tobytes()], "icc_profile": [None, PROFILE]}
FILM = {"film": [0, 0, 1]}
CHROMA = {"quality": [50, 80, 95], "subsampling": ["4:4:4", "4:2:0"]}
DEPTHS = [("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1), ("uint16", 3), ("uint16", 4)]
ALL_MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]
RUNS = {"compression": [None, "tga_rle"], "orientation": [None, 1, -1]}
TILES = {"tile_size": [None, (32, 32)], "num_resolutions": [None, 1]}


def jxl(data: np.ndarray, choose: random.Random) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(data, lossless=True, usecontainer=choose.choice([True, False])))


def hdr(data: np.ndarray, choose: random.Random) -> bytes:
    return bytes(imagecodecs.rgbe_encode(data * 9, rle=choose.choice([True, False])))


KINDS: dict[str, tuple[str, Maker]] = {
    "tiff": (".tif", tiff),
    "png by Pillow": (".png", pillow("PNG", ALL_MODES, SAYS | FILM)),
    "png by libvips": (".png", vips(".png", {"interlace": [False, True], "compression": [1, 6]})),
    "png by imagecodecs": (".png", deep(".png", lambda data, _: imagecodecs.png_encode(data), DEPTHS)),
    "jpeg by Pillow": (".jpg", pillow("JPEG", ["L", "RGB", "CMYK"], SAYS | CHROMA | {"progressive": [0, 1]})),
    "webp by Pillow": (".webp", pillow("WEBP", ["RGB", "RGBA"], SAYS | FILM | {"quality": [50, 90], "lossless": [0, 1]})),
    "avif by Pillow": (".avif", pillow("AVIF", ["RGB", "RGBA"], SAYS | FILM | CHROMA)),
    "gif by Pillow": (".gif", pillow("GIF", ["L", "P", "1"], FILM | {"comment": [None, b"words"], "interlace": [0, 1]})),
    "bmp by Pillow": (".bmp", pillow("BMP", ["1", "L", "P", "RGB", "RGBA"], {"dpi": [None, (300, 300)]})),
    "tga by Pillow": (".tga", pillow("TGA", ["L", "LA", "P", "RGB", "RGBA"], RUNS)),
    "ppm by Pillow": (".ppm", pillow("PPM", ["1", "L", "RGB"], {})),
    "jp2 by Pillow": (".jp2", pillow("JPEG2000", ["L", "LA", "RGB", "RGBA"], TILES)),
    "jp2 by imagecodecs": (".jp2", deep(".jp2", lambda data, _: imagecodecs.jpeg2k_encode(data, reversible=True), DEPTHS)),
    "jxl by imagecodecs": (".jxl", deep(".jxl", jxl, [*DEPTHS, ("float32", 3)])),
    "hdr by imagecodecs": (".hdr", deep(".hdr", hdr, [("float32", 3)])),
}
"""Name of a kind → the suffix of its files, and what makes one."""


def seen(path: Path) -> list[np.ndarray]:
    """Each picture as tifffile, imagecodecs or Pillow shows it, palettes as colors."""
    data, suffix = path.read_bytes(), path.suffix
    if suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            found = [(page.asarray(), page.colormap, page.photometric.name == "PALETTE") for page in file.pages]
        return [colors.T[values] if indexed else values for values, colors, indexed in found]
    if suffix in (".jp2", ".jxl", ".hdr"):
        decode = {".jp2": imagecodecs.jpeg2k_decode, ".jxl": imagecodecs.jpegxl_decode, ".hdr": imagecodecs.rgbe_decode}[suffix]
        return [np.asarray(decode(data))]
    if suffix == ".png" and data[24] == 16:
        return [np.asarray(imagecodecs.png_decode(data))]
    frames = []
    with Image.open(io.BytesIO(data)) as image:
        cmyk = False
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            clear = image.mode in ("P", "PA", "RGBA", "LA") or "transparency" in image.info
            cmyk = image.mode == "CMYK"
            mode = "CMYK" if cmyk else "RGBA" if clear else "RGB"
            frames.append(np.array(image.convert(mode)))
    opaque = all(frame.shape[2] < 4 or frame.mean(axis=(0, 1))[3] == 255 for frame in frames)
    return [frame[..., :3] if opaque and not cmyk else frame for frame in frames]


def said(path: Path) -> dict[str, Any]:
    """Metadata that a copy must have too."""
    if path.suffix in (".jxl", ".hdr"):
        return {}
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            return {"profile": page.iccprofile, "resolution": page.resolution, "unit": page.resolutionunit}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            exif = image.getexif()
            made = {"EXIF": (exif.get(271), exif.get(306)), "profile": image.info.get("icc_profile")}
            made["resolution"] = (
                tuple(round(float(value)) for value in image.info.get("dpi", ())) if path.suffix != ".jp2" else ()
            )
            made["times"] = image.info.get("duration")
            return made


def outcome(source: Path, target: Path, lossy: bool, copy: Callable[[Path, Path], None]) -> tuple[str, str]:
    """What came of one file, and why."""
    from unnoise.errors import UnnoiseError

    try:
        copy(source, target)
    except UnnoiseError as error:
        return "refused", str(error).replace(str(source), "FILE").replace(str(target), "RESULT")
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    old, new = seen(source), seen(target)
    if len(old) != len(new):
        return "lost", f"{len(old)} pictures became {len(new)}"
    exact = True
    for before, after in zip(old, new, strict=True):
        if before.shape[:2] != after.shape[:2] or (source.suffix == ".tif" and before.shape != after.shape):
            return "lost", f"the size {before.shape} became {after.shape}"
        if before.shape[-1:] == (4,) and source.suffix != ".tif" and source.suffix not in (".jpg", ".jp2"):
            before, after = (np.where(part[..., 3:] > 0, part, 0) for part in (before, after))  # what is hidden has no color
        if before.shape != after.shape:
            return "lost", f"the channels {before.shape} became {after.shape}"
        if before.dtype == bool and after.dtype == np.uint8:  # of several samples: tifffile does not pack them
            before = before * np.uint8(255)
        if np.array_equal(before, after, equal_nan=before.dtype.kind == "f"):
            continue
        exact = False
        white = 1 if before.dtype.kind in "fb" else float(np.iinfo(before.dtype).max)
        difference = np.abs(before.astype(np.float64) - after.astype(np.float64)).mean() / white
        if not lossy or difference > LOSSY_MEAN:
            return "lost", f"pixels differ by {difference:.4f} of the range on average"
    for what, value in said(source).items():
        if value and any(np.ravel(np.array(value, object))) and said(target).get(what) != value:
            return "lost", f"its {what} became {str(said(target).get(what))[:40]}"
    return ("exact" if exact else "within bound"), ""


def copied(source: Path, target: Path) -> None:
    """Through by strips, as denoising does."""
    from unnoise import images

    with images.open(source) as opened, images.create(target, opened) as made:
        for frame in opened:
            canvas = made.add(frame)
            for top in range(0, frame.height, 16):
                canvas[top : top + 16] = frame.region(slice(top, top + 16), slice(None))


def sweep(folder: Path, kind: str, files: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Make `files` files of a kind. Returns how many came to what, and what is to be looked at."""
    suffix, make = KINDS[kind]
    choose, counts, notes = random.Random(f"{seed} {kind}"), Counter[str](), []
    while sum(counts.values()) < files:
        source, target = folder / f"in{suffix}", folder / f"out{suffix}"
        for path in (source, target):
            path.unlink(missing_ok=True)
        state = choose.getstate()
        try:
            lossy = make(source, choose)
        except Exception:  # encoders do not take every combination: such a file is not made
            if choose.getstate() == state:
                raise
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            what, why = outcome(source, target, lossy, copied)
        counts[what] += 1
        if what in ("lost", "failed", "refused"):
            notes.append(f"{kind}: {what}: {why}")
    return counts, notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    rows, notes = [], Counter[str]()
    share = {kind: 4 if kind == "tiff" else 1 for kind in options.kinds}
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            counts, found = sweep(Path(folder), kind, -(-options.files * share[kind] // sum(share.values())), options.seed)
            notes.update(found)
            row = {"kind": kind, "files": sum(counts.values())}
            row |= {what: counts[what] for what in ("exact", "within bound", "refused", "lost", "failed")}
            rows.append(row)
            tell(row, head=len(rows) == 1)
    for note, count in notes.most_common():
        print(f"{count} × {note}")
    keep(rows, options.out)


if __name__ == "__main__":
    main()
