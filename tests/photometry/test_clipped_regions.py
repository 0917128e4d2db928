"""Areas that are wholly black or white stay so, whatever the network, and all else is the network's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter

from handmade import model_of
from unnoise import images
from unnoise.denoisers.dbsn import DBSN
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import source_of_file
from unnoise.inference.stores import PixelStore
from unnoise.photometry.clipping import find_clipped


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 20), st.sampled_from([0.5, 0.95, 1.0]))
def test_what_is_clipped_all_around(seed: int, height: int, width: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([0.0, 1.0, 0.5], (height, width), p=[share, (1 - share) / 2, (1 - share) / 2]).astype(np.float32)
    low, high = minimum_filter(values, 5, mode="nearest"), maximum_filter(values, 5, mode="nearest")
    wanted = (low == high) & ((values == 0) | (values == 1))
    np.testing.assert_array_equal(find_clipped(torch.from_numpy(values)[None, None])[0, 0].numpy(), wanted)
    np.testing.assert_array_equal(find_clipped(1 - torch.from_numpy(values)[None, None])[0, 0].numpy(), wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_black_stays_black_and_white_stays_white(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a picture with both, restored whole or by strips; beyond two pixels from them the network's word counts."""
    torch.manual_seed(0)
    model = model_of(DBSN(features=4, modules=1))
    white = np.iinfo(dtype).max if dtype != "float32" else 1
    pixels = (np.random.default_rng(0).uniform(0.2, 0.8, (60, 50, 3)) * white).astype(dtype)
    pixels[10:30, 5:40] = 0
    pixels[30:50, 20:45, 1] = white
    restored = model.denoise(pixels, precision="float32")
    assert (restored[12:28, 7:38] == 0).all()
    assert (restored[32:48, 22:43, 1] == white).all()
    away = np.ones((60, 50), bool)
    away[10:50, 5:45] = False
    assert (restored[away] != pixels[away]).mean() > 0.9
    monkeypatch.setattr("unnoise.inference.sources.STRIP_PIXELS", 150)
    stored, layout, strips = images.Scratch.of(pixels), images.Layout("rgb"), np.zeros_like(pixels)
    pipeline = Pipeline(model.network, model.recipe.scheme, InferenceSettings(precision="float32"))
    pipeline.run(source_of_file(stored, layout, None), PixelStore(stored, strips, layout))
    np.testing.assert_array_equal(strips, restored)
