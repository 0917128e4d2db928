"""Restored by regions, a picture is what it is when restored as a whole array, whatever its type and channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handmade import model_of
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UsageError
from unnoise.inference import stream
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.stream import InMemory, restore_regions


class Watched(InMemory):
    """It keeps how large the largest region was."""

    largest = 0

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        part = super().region(rows, columns)
        self.largest = max(self.largest, part.shape[0] * part.shape[1])
        return part


def _noise(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    values = np.random.default_rng(seed).uniform(-0.2, 1.1, shape)
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    return (values.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 50),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    tile=st.sampled_from([None, 16, 21]),
    own=st.sampled_from([1, 3]),
    strip=st.sampled_from([2**20, 100]),
)
def test_regions_give_what_the_whole_array_gives(
    height: int, width: int, channels: int | None, dtype: str, tile: int | None, own: int, strip: int
) -> None:
    torch.manual_seed(0)
    scheme = {"name": "pd-blind-spot", "train_stride": 2, "infer_stride": 2}
    model = model_of(DBSN(channels=own, features=4, modules=1), scheme=scheme, denoiser="dbsn")
    pixels = _noise((height, width) if channels is None else (height, width, channels), dtype)
    whole = model.denoise(pixels, tile=tile, precision="float32")
    before, stream.STRIP = stream.STRIP, strip
    try:
        strips = list(
            restore_regions(
                model.network, model.recipe.scheme, InMemory(pixels), InferenceSettings(tile=tile, precision="float32")
            )
        )
    finally:
        stream.STRIP = before
    assert [rows.start for rows, _ in strips] == [0, *(rows.stop for rows, _ in strips[:-1])]
    joined = np.concatenate([part for _, part in strips])
    assert joined.dtype == whole.dtype
    assert np.array_equal(joined, whole)


def test_no_region_is_much_larger_than_a_tile() -> None:
    model = model_of(DBSN(features=4, modules=1), scheme={"name": "pd-blind-spot", "infer_stride": 2}, denoiser="dbsn")
    pixels = Watched(_noise((300, 280, 3), "uint16"))
    before, stream.STRIP = stream.STRIP, 1000
    try:
        for _ in restore_regions(model.network, model.recipe.scheme, pixels, InferenceSettings(tile=32, precision="float32")):
            pass
    finally:
        stream.STRIP = before
    assert pixels.largest <= (32 + 2 * 20) ** 2


def test_values_that_are_no_picture_are_refused_by_name() -> None:
    model = model_of(DBSN(features=4, modules=1))
    pixels = _noise((20, 20), "float32")
    pixels[15, 3] = np.nan
    with pytest.raises(UsageError, match=r"^scan\.tif has 1 value"):
        list(restore_regions(model.network, model.recipe.scheme, InMemory(pixels), InferenceSettings(), name="scan.tif"))
