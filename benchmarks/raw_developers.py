"""Our DNGs in raw developers: the colors of the original, and how much noise is gone, as a table and a CSV file.

    python benchmarks/raw_developers.py polyu:DIR --scenes 3 --out docs/results/raw_developers.csv

A scene without noise becomes a camera raw file with noise as at ISO 6400, as a mosaic of RGGB, GBRG and X-Trans.
`unnoise denoise` makes a linear DNG of it, and of Bayer mosaics another mosaic, at strength 0 and 1. LibRaw (rawpy),
dcraw, darktable and RawTherapee develop the original, the results, and the same scene without noise. A row of the table
says by how much the mean of a color differs from the original's at most, and from that without noise (developers cut off
noise below black, so dark originals come out too bright). It says by how many dB the noise is weaker than the original's:
in the whole picture, where lost detail counts too, and in its plainest quarter. The noise of a linear DNG is what differs
from the linear DNG of the scene without noise. Developers that are not installed are left out, by name.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from rows import keep, tell

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from images.camera_raw_files import MATRIX, NEUTRAL, dng_file, mosaic_of, noisy, stored, with_exif

SIDE = 576
"""Pixels. LibRaw takes X-Trans from 520 pixels on."""
EDGE = 16
"""Pixels at the border that are not compared: developers crop it each in its own way."""
SRGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
BLOCK = 8
PLAIN_SHARE = 0.25
PATTERNS = ("RGGB", "GBRG", "X-Trans")
Pixels = np.ndarray[Any, Any]


def by_rawpy(path: Path, folder: Path) -> Pixels:
    import rawpy

    with rawpy.imread(str(path)) as file:
        made: Pixels = file.postprocess(use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0.0, output_bps=16)
    return made


def by_dcraw(path: Path, folder: Path) -> Pixels:
    said = subprocess.run(["dcraw", "-6", "-w", "-W", "-c", str(path)], capture_output=True, check=True).stdout
    head = said.split(b"\n", 3)
    width, height = map(int, head[1].split())
    return np.frombuffer(head[3], ">u2").reshape(height, width, 3)


def by_darktable(path: Path, folder: Path) -> Pixels:
    core = ["--configdir", folder, "--cachedir", folder, "--library", ":memory:", "-t", "1", "--disable-opencl"]
    # its own choice of a tone curve is another for mosaics than for pixels that have all colors
    depth = ["--conf", "plugins/imageio/format/tiff/bpp=16", "--conf", "plugins/darkroom/workflow=none"]
    return _written(path, folder, ["darktable-cli", path, folder / "developed.tif", "--core", *core, *depth])


def by_rawtherapee(path: Path, folder: Path) -> Pixels:
    return _written(path, folder, ["rawtherapee-cli", "-Y", "-o", folder / "developed.tif", "-t", "-b16", "-c", path])


def _written(path: Path, folder: Path, command: list[Any]) -> Pixels:
    result = folder / "developed.tif"
    result.unlink(missing_ok=True)
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if not result.exists():
        raise SystemExit(f"{command[0]} did not develop {path.name}:\n{said.stdout}{said.stderr}")
    return tifffile.imread(result)[..., :3]


DEVELOPERS: dict[str, tuple[str, Callable[[Path, Path], Pixels]]] = {
    "rawpy": ("", by_rawpy),
    "dcraw": ("dcraw", by_dcraw),
    "darktable": ("darktable-cli", by_darktable),
    "rawtherapee": ("rawtherapee-cli", by_rawtherapee),
}
"""Name → the program that has to be installed, and what develops a file to sRGB of 16 bits."""


def scene_of(path: Path) -> Pixels:
    """A picture in sRGB as the camera's colors (H, W, 3) in linear light, before white balance."""
    from unnoise import images

    coded = images.read(path).pixels.astype(np.float64) / 255
    coded = np.pad(coded, [(0, SIDE - coded.shape[0]), (0, SIDE - coded.shape[1]), (0, 0)], mode="reflect")
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    to_camera = np.array(MATRIX).reshape(3, 3) @ SRGB_TO_XYZ
    to_camera /= to_camera.sum(1, keepdims=True)  # white is white
    return np.clip(linear @ to_camera.T, 0, 1) * NEUTRAL


def denoised(source: Path, target: Path, kind: str, strength: int, model: str) -> Path:
    options = ["--model", model, "--strength", str(strength), *(["--mosaic"] if kind == "mosaic" else [])]
    program = "from unnoise.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", program, "denoise", str(source), "-o", str(target), *options], check=True, capture_output=True
    )
    return target


@dataclass(frozen=True)
class Developed:
    """A picture beside what it would be without noise, cut to the same middle."""

    pixels: Pixels
    clean: Pixels

    def power(self, plain: Pixels | None = None) -> float:
        """Of the noise: in all blocks, or in those that `plain` chooses."""
        blocks = in_blocks(self.pixels - self.clean)
        return float((blocks**2).mean(axis=(1, 3, 4))[plain if plain is not None else ...].mean())


def in_blocks(pixels: Pixels) -> Pixels:
    """(H, W, 3) → (rows, BLOCK, columns, BLOCK, 3), with the axes of rows and columns first and third."""
    rows, columns = (length // BLOCK for length in pixels.shape[:2])
    return pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)


def cut(parts: list[Pixels]) -> list[Pixels]:
    """To the same size, without a border. RawTherapee leaves out more of a mosaic, evenly at all sides."""
    height, width = (min(each.shape[axis] for each in parts) - 2 * EDGE for axis in (0, 1))
    corners = [((each.shape[0] - height) // 2, (each.shape[1] - width) // 2) for each in parts]
    return [
        each[top : top + height, left : left + width].astype(np.float64)
        for each, (top, left) in zip(parts, corners, strict=True)
    ]


def compared(source: Pixels, source_clean: Pixels, result: Pixels, result_clean: Pixels) -> dict[str, str]:
    parts = cut([source, source_clean, result, result_clean])
    first, second = Developed(*parts[:2]), Developed(*parts[2:])
    means = [part.mean((0, 1)) for part in parts]
    to_source, to_clean = (float(np.abs(means[2] / means[which] - 1).max()) for which in (0, 1))
    variances = in_blocks(parts[1]).var(axis=(1, 3)).sum(axis=-1)
    plain = variances <= np.quantile(variances, PLAIN_SHARE)
    gains = [10 * np.log10(first.power(part) / second.power(part)) for part in (None, plain)]
    found = {"color": f"{to_source:.4f}", "color_to_clean": f"{to_clean:.4f}"}
    return found | {"whole_db": f"{gains[0]:.2f}", "plain_db": f"{gains[1]:.2f}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="pairs as `unnoise evaluate --data` takes them; the clean pictures become scenes")
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--model", default="default")
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=PATTERNS)
    parser.add_argument("--developers", nargs="+", choices=list(DEVELOPERS), default=list(DEVELOPERS))
    parser.add_argument("--pictures", type=Path, help="a folder for what was developed, to be looked at")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    here = [name for name in options.developers if not DEVELOPERS[name][0] or shutil.which(DEVELOPERS[name][0])]
    for name in set(options.developers) - set(here):
        print(f"{DEVELOPERS[name][0]} is not installed, so it is left out.")
    names = sorted(Path(options.data.partition(":")[2]).glob("*_mean.JPG"))
    rows: list[dict[str, Any]] = []
    for scene in names[:: max(1, len(names) // options.scenes)][: options.scenes]:
        for pattern in options.patterns:
            with tempfile.TemporaryDirectory() as folder:
                rows += of_scene(scene, pattern, Path(folder), here, options)
    keep(rows, options.out)


def of_scene(scene: Path, pattern: str, folder: Path, developers: list[str], options: Any) -> list[dict[str, Any]]:
    light = mosaic_of(scene_of(scene), pattern)
    source = with_exif(dng_file(folder / "source.dng", stored(noisy(light)), pattern))
    clean = with_exif(dng_file(folder / "clean.dng", stored(light), pattern))
    kinds = ["linear"] if pattern == "X-Trans" else ["linear", "mosaic"]
    results = {
        (kind, strength): denoised(source, folder / f"{kind}{strength}.dng", kind, strength, options.model)
        for kind in kinds
        for strength in (0, 1)
    }
    references = {"mosaic": clean, "linear": denoised(clean, folder / "clean-linear.dng", "linear", 0, options.model)}
    rows = []
    for name in developers:
        develop = DEVELOPERS[name][1]
        shown = {"source": develop(source, folder)}
        best = {kind: develop(path, folder) for kind, path in references.items()}
        for (kind, strength), path in results.items():
            second = shown[f"{kind}{strength}"] = develop(path, folder)
            row = {"scene": scene.stem[:24], "pattern": pattern, "developer": name, "kind": kind, "strength": strength}
            rows.append(row | compared(shown["source"], best["mosaic"], second, best[kind]))
            tell(rows[-1])
        shown["clean"] = best["mosaic"]
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            height, width = (min(each.shape[axis] for each in shown.values()) for axis in (0, 1))
            beside = np.concatenate([each[:height, :width] for each in shown.values()], axis=1)
            tifffile.imwrite(options.pictures / f"{scene.stem[:24]}-{pattern}-{name}.tif", beside)
    return rows


if __name__ == "__main__":
    main()
