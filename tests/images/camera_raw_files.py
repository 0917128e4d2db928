"""Camera raw files made by hand: DNGs of a known scene, with a mosaic or with all colours. (DNG 1.4.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

MATRIX = (0.9, -0.3, -0.1, -0.45, 1.3, 0.15, -0.1, 0.25, 0.6)
"""XYZ to the camera's colours."""
NEUTRAL = (0.5, 1.0, 0.65)
BLACK, WHITE = 512, 16383
PATTERNS = {
    "RGGB": [[0, 1], [1, 2]],
    "GBRG": [[1, 2], [0, 1]],
    "X-Trans": [
        [1, 1, 0, 1, 1, 2],
        [1, 1, 2, 1, 1, 0],
        [2, 0, 1, 0, 2, 1],
        [1, 1, 2, 1, 1, 0],
        [1, 1, 0, 1, 1, 2],
        [0, 2, 1, 2, 0, 1],
    ],
}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" rating="5"/>'


def scene(height: int, width: int, period: float = 23) -> np.ndarray:
    """Smooth colours and a few edges, in the camera's linear light, white 1."""
    rows, columns = np.mgrid[:height, :width]
    light = 0.15 + 0.12 * np.sin(rows / period)[..., None] * np.cos(
        columns[..., None] / (period * (0.75 + 0.25 * np.arange(3)))
    )
    light[height // 4 : height // 2, width // 4 : width // 2] *= (1.4, 0.5, 0.4)
    light[-height // 3 :, -width // 3 :] = 0.45
    made: np.ndarray = light * NEUTRAL
    return made


def mosaic_of(light: np.ndarray, pattern: str) -> np.ndarray:
    """The one colour that each pixel sees."""
    cell = np.array(PATTERNS[pattern])
    height, width = light.shape[:2]
    index = np.tile(cell, (height // len(cell) + 1, width // len(cell) + 1))[:height, :width]
    made: np.ndarray = np.take_along_axis(light, index[..., None], -1)[..., 0]
    return made


def noisy(light: np.ndarray, seed: int = 0) -> np.ndarray:
    """Noise as at ISO 6400: 1,700 electrons at white, and read noise of seven."""
    made: np.ndarray = light + np.random.default_rng(seed).normal(size=light.shape) * np.sqrt(light / 1700 + 0.004**2)
    return made


def stored(light: np.ndarray) -> np.ndarray:
    """As 14 bits in 16."""
    return np.clip(np.rint(light * (WHITE - BLACK) + BLACK), 0, WHITE).astype(np.uint16)


def _rational(values: Any) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(value * 10_000), 10_000))


def dng_file(
    path: Path, pixels: np.ndarray, pattern: str | None = None, extra: Any = (), levels: Any = None, **options: Any
) -> Path:
    """A DNG of a mosaic, or of pixels (H, W, 3) that have all colours."""
    tags: list[Any] = [
        (271, 2, None, "Maker", True),
        (272, 2, None, "Model", True),
        (274, 3, 1, 6, True),
        (700, 1, len(XMP), XMP, True),
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, None, "Maker Model", True),
        (50721, 10, 9, _rational(MATRIX), True),
        (50728, 5, 3, _rational(NEUTRAL), True),
        (50730, 10, 1, (25, 100), True),  # BaselineExposure
        (50736, 5, 4, (24, 1, 70, 1, 28, 10, 28, 10), True),  # LensInfo
        (50778, 3, 1, 21, True),
        *(levels or [(50714, 3, 1, BLACK, True), (50717, 4, 1, WHITE, True)]),
        *extra,
    ]
    if pattern:
        cell = PATTERNS[pattern]
        tags += [
            (33421, 3, 2, (len(cell),) * 2, True),
            (33422, 1, len(cell) ** 2, bytes(color for row in cell for color in row), True),
        ]
    photometric = 32803 if pattern else 34892
    options = {"photometric": photometric, "metadata": None, "extratags": tags, "software": False} | options
    if not pattern and pixels.ndim == 3:
        options["planarconfig"] = "contig"
    tifffile.imwrite(path, pixels, **options)
    return path


def with_exif(path: Path) -> Path:
    """The same file with a directory of EXIF: exposure, lens and a maker's note."""
    from unnoise.images import tags

    def ascii_of(words: bytes) -> tags.Value:
        return tags.Value(2, words + b"\0")

    exif: dict[int, Any] = {
        33434: tags.rational(1, 60),
        33437: tags.rational(28, 10),
        34855: tags.short(6400),
        36867: ascii_of(b"2024:05:06 07:08:09"),
        42036: ascii_of(b"Lens 24-70mm f/2.8"),
    }
    data = path.read_bytes()
    file = tags.File.of(data)
    assert file is not None
    place = next(file.directories())[0]
    end = len(data) + len(data) % 2
    path.write_bytes(
        data[:4] + end.to_bytes(4, "little") + data[8:] + b"\0" * (len(data) % 2) + file.grown(place, {tags.EXIF: exif}, end, 0)
    )
    return path
