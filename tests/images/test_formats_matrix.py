"""Every cell of the matrix in docs/formats.md is true, and such a file can be denoised, at strength 0 and at 1."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade import Affine, model_of
from unnoise.batch.one_file import denoise_file

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = [
    "PNG", "JPEG", "WebP", "TIFF", "AVIF", "HEIC", "JPEG XL", "JPEG 2000", "GIF", "BMP", "TGA", "Netpbm", "PFM", "PSD",
    "Radiance HDR", "NumPy", "Zarr",
]  # fmt: skip
CODEC_ERROR = 0.03
"""Mean difference in 0..1 that a lossy codec may make when it encodes again."""


@pytest.fixture(name="matrix")
def _matrix(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("formats_matrix")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_each_row_is_as_the_page_says(matrix: Any, tmp_path: Path, name: str) -> None:
    assert list(matrix.SUFFIXES) == NAMES
    row = matrix.row(tmp_path, name)
    assert "| " + " | ".join(row.values()) + " |" == matrix.on_page()[name]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("AVIF", "HEIC") else name for name in NAMES]
)
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_each_cell_can_be_denoised(matrix: Any, tmp_path: Path, name: str) -> None:
    model = model_of(Affine(0.5), normalization={}, bias_correction={})
    done = 0
    for channels in matrix.LAYOUTS:
        for dtype in matrix.TYPES:
            what, source = matrix.cell(tmp_path, name, dtype, channels)
            if source is None:
                continue
            before = matrix.read_back(source)
            axes = "YXC" if source.suffix in (".npy", ".zarr") and before.pixels.ndim == 3 else None
            for strength in (0.0, 1.0):
                target = source.with_name(f"{strength}{source.suffix}")
                denoise_file(
                    model, source, target, strength=strength, axes=axes, precision="float32", overwrite=True, force=True
                )
                after = matrix.read_back(target)
                assert (after.shape, after.dtype, after.layout) == (before.shape, before.dtype, before.layout)
                difference = np.abs(matrix.unit(after.pixels) - matrix.unit(before.pixels))
                if strength == 0:
                    lossy = matrix.LOSSY in what or (name in ("AVIF", "HEIC") and what != matrix.EXACT)
                    assert difference.mean() <= (CODEC_ERROR if lossy else 0), (source.name, what)
                else:
                    assert difference.max() > 0.02, (source.name, what)
            done += 1
    assert done >= 2
