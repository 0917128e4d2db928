"""Pictures in memory and pictures read by region give the same result: channels, ranges and progress."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handmade import model_of
from unnoise import images
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UsageError
from unnoise.inference import sources
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import source_of_file
from unnoise.inference.stores import PixelStore
from unnoise.models.model import Model
from unnoise.schemes.pd_blind_spot import PDBlindSpot


class Watched(images.Scratch):
    """It keeps how large the largest region was."""

    largest = 0

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        part = super().region(rows, columns)
        self.largest = max(self.largest, part.shape[0] * part.shape[1])
        return part


def restore_by_regions(
    model: Model, pixels: images.Scratch, options: InferenceSettings, name: str = "The image"
) -> NDArray[Any]:
    """As files are restored, into an array."""
    layout = images.Layout.of(pixels.shape)
    restored = np.zeros(pixels.shape, pixels.dtype)
    source = source_of_file(pixels, layout, options.normalization, name=name)
    Pipeline(model.network, model.recipe.scheme, options).run(source, PixelStore(pixels, restored, layout))
    return restored


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
    if channels in (2, 4):
        pixels[..., -1] = pixels.max()  # alpha of 0 makes a gap, which `missing_values` finds
    whole = model.denoise(pixels, tile=tile, precision="float32")
    settings_ = InferenceSettings(tile=tile, precision="float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "STRIP_PIXELS", strip)
        joined = restore_by_regions(model, images.Scratch.of(pixels), settings_)
    assert joined.dtype == whole.dtype
    assert np.array_equal(joined, whole)


def test_no_region_is_much_larger_than_a_tile() -> None:
    model = model_of(DBSN(features=4, modules=1), scheme={"name": "pd-blind-spot", "infer_stride": 2}, denoiser="dbsn")
    pixels = Watched.of(_noise((300, 280, 3), "uint16"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "STRIP_PIXELS", 1000)
        patch.setattr(sources, "HELD_PIXELS", 0)  # as of a large picture
        restore_by_regions(model, pixels, InferenceSettings(tile=32, precision="float32"))
    assert 0 < pixels.largest <= (32 + 2 * 20) ** 2


def test_values_that_are_no_picture_are_refused_by_name() -> None:
    model = model_of(DBSN(features=4, modules=1))
    pixels = _noise((20, 20), "float32")
    pixels[15, 3] = np.nan
    with pytest.raises(UsageError, match=r"^scan\.tif has 1 value"):
        restore_by_regions(model, images.Scratch.of(pixels), InferenceSettings(), "scan.tif")


def test_grey_goes_through_a_colour_network_and_colour_through_a_grey_one() -> None:
    torch.manual_seed(0)
    scheme, colour, grey = PDBlindSpot(), DBSN(features=4, modules=1), DBSN(channels=1, features=4, modules=1)
    settings = InferenceSettings(precision="float32")
    picture = torch.rand(2, 1, 12, 10)
    expected = Pipeline(colour, scheme, settings).restore(picture.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
    assert torch.allclose(Pipeline(colour, scheme, settings).restore(picture), expected, atol=1e-6)
    bands = torch.rand(2, 5, 12, 10)
    expected = torch.cat([Pipeline(grey, scheme, settings).restore(bands[:, k : k + 1]) for k in range(5)], dim=1)
    assert torch.allclose(Pipeline(grey, scheme, settings).restore(bands), expected, atol=1e-6)


def test_progress_and_mode_are_left_as_they_were() -> None:
    network = DBSN(features=4, modules=1).train()
    seen: list[tuple[int, int]] = []
    Pipeline(network, PDBlindSpot(), InferenceSettings(tile=16)).restore(
        torch.rand(2, 3, 40, 20), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(k + 1, 12) for k in range(12)]
    assert network.training


def test_values_are_those_of_the_network() -> None:
    """In 0..1 outside, in the network's own range inside."""
    network = DBSN(features=4, modules=1)
    for parameter in network.parameters():
        parameter.data.zero_()
    network.tail[-1].bias.data.fill_(51.0)  # type: ignore[union-attr]
    result = Pipeline(network, PDBlindSpot(), InferenceSettings(precision="float32")).restore(torch.rand(1, 3, 8, 8))
    assert torch.allclose(result, torch.full_like(result, 51 / 255))
