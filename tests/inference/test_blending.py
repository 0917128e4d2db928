"""How much of a restoration is wanted: nothing, all, and what lies between; detail that comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handmade import Affine, model_of
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UsageError
from unnoise.inference.blending import blend, blend_stored, keep_detail
from unnoise.inference.sources import source_of_file
from unnoise.inference.stores import PixelStore
from unnoise.noise.residual_level import ResidualLevel

HALF = model_of(Affine(factor=0.5))

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9) | st.tuples(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4])
)
arrays = st.one_of(
    hnp.arrays(np.uint8, shapes),
    hnp.arrays(np.uint16, shapes),
    hnp.arrays(np.float64, shapes, elements=st.floats(-0.4, 1.4)),
    hnp.arrays(np.float32, shapes, elements=st.floats(-0.25, 1.25, width=32)),
)


@given(arrays)
def test_strength_zero_gives_back_the_bits(image: np.ndarray[Any, Any]) -> None:
    result = HALF.denoise(image, strength=0)
    assert result.dtype == image.dtype
    assert result.tobytes() == np.ascontiguousarray(image).tobytes()
    assert not np.shares_memory(result, image)


@given(st.floats(0, 1))
def test_strength_mixes(strength: float) -> None:
    image = np.full((4, 5), 0.8, np.float32)
    assert HALF.denoise(image, strength=strength) == pytest.approx(0.8 - 0.4 * strength, abs=1e-6)


@pytest.mark.parametrize("option", ["strength", "detail"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_are_checked(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=option):
        HALF.denoise(np.zeros((3, 3), np.uint8), **{option: value})


def _picture() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy, clean, and restored by a smoother that takes the right half's texture with the noise; (1, 3, 96, 192)."""
    draw = torch.Generator().manual_seed(1)
    clean = torch.full((1, 3, 96, 192), 0.5)
    plain = clean.clone()
    clean[..., 96:] += 0.15 * torch.randn(1, 1, 96, 96, generator=draw)
    noisy = clean + 0.03 * torch.randn(clean.shape, generator=draw)
    return noisy, clean, plain


def test_detail_comes_back_where_it_was_lost_and_no_noise_elsewhere() -> None:
    noisy, clean, restored = _picture()
    kept = blend(noisy, restored, detail=1.0)
    before, after = ((x - clean).square().mean((0, 1, 2)) for x in (restored, kept))
    assert after[:80].mean() - before[:80].mean() < 0.1 * 0.03**2
    assert after[112:].mean() < 0.1 * before[112:].mean()
    half = blend(noisy, restored, detail=0.5)
    assert torch.allclose(half, restored.lerp(kept, 0.5), atol=1e-6)


def test_a_recipe_says_how_much_comes_back(tmp_path: Path) -> None:
    """Arrays and files alike; a call may say otherwise."""
    noisy = (_picture()[0][0].movedim(0, -1) * 255).round().clamp(0, 255).byte().numpy()
    plain = model_of(Affine(factor=0.0, shift=0.5))  # grey, whatever it is shown
    keeping = plain.applied({"detail": 0.5})
    expected = plain.denoise(noisy, detail=0.5)
    assert np.abs(expected[:, 112:] - plain.denoise(noisy)[:, 112:].astype(float)).mean() > 5
    np.testing.assert_array_equal(keeping.denoise(noisy), expected)
    np.testing.assert_array_equal(keeping.denoise(noisy, detail=0), plain.denoise(noisy))
    np.save(tmp_path / "a.npy", noisy)
    for model, options in ((keeping, {}), (plain, {"detail": 0.5})):
        denoise_file(model, tmp_path / "a.npy", tmp_path / "b.npy", overwrite=True, **options)
        np.testing.assert_allclose(np.load(tmp_path / "b.npy").astype(float), expected, atol=1)


def test_the_level_of_known_noise_is_found() -> None:
    draw = torch.Generator().manual_seed(0)
    clean = torch.linspace(0.1, 0.9, 256).expand(1, 3, 128, 256)
    sigma = 0.02 + 0.04 * clean
    level = ResidualLevel.measure(clean + sigma * torch.randn(clean.shape, generator=draw), clean)
    assert torch.allclose(level.at(clean), sigma, rtol=0.12)


@pytest.mark.parametrize(("strength", "detail"), [(1.0, 0.0), (0.3, 0.0), (1.0, 0.7), (0.6, 1.0)])
def test_strips_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch, strength: float, detail: float) -> None:
    monkeypatch.setattr("unnoise.inference.sources.STRIP_PIXELS", 11 * 192)
    noisy, _, restored = (x[0].permute(1, 2, 0).numpy() for x in _picture())
    level = ResidualLevel.in_windows(*(images.to_tensor(x)[0] for x in (noisy, restored)))
    whole = blend(*(images.to_tensor(x)[0] for x in (noisy, restored)), strength, detail, level)
    result, layout = restored.copy(), images.Layout("rgb")
    pixels = images.Scratch.of(noisy)
    blend_stored(source_of_file(pixels, layout, None), PixelStore(pixels, result, layout), strength, detail)
    assert np.allclose(result, whole[0].permute(1, 2, 0).numpy(), atol=1e-6)


def test_a_picture_without_noise_stays_as_it_is_restored() -> None:
    picture = torch.full((1, 1, 40, 40), 0.5)
    assert torch.equal(keep_detail(picture, picture, 1.0, ResidualLevel.measure(picture, picture)), picture)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_files_at_strength_zero_hold_the_same_pixels(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65535, (20, 30, 3)).astype(np.uint16)
    images.write(tmp_path / f"a{suffix}", images.Picture(pixels))
    denoise_file(HALF, tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", strength=0)
    assert np.array_equal(images.read(tmp_path / f"b{suffix}").pixels, pixels)
