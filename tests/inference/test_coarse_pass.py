"""A large picture that is bounded strip by strip becomes what it becomes as a whole, for any height of strips and chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise import images
from unnoise.inference import coarse_pass, sources
from unnoise.inference.blending import blend_stored
from unnoise.inference.do_no_harm import Guard
from unnoise.inference.sources import source_of_file, source_of_tensor
from unnoise.inference.stores import PixelStore, TensorStore
from unnoise.regions import RegionSource

SIZE = 1300, 260


def picture(seed: int, grey: bool) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture (H, W, 3), and a restoration that has lost much at every scale."""
    draw = np.random.default_rng(seed)
    coarse = np.kron(draw.uniform(-0.05, 0.05, (-(-SIZE[0] // 50), -(-SIZE[1] // 50), 3)), np.ones((50, 50, 1)))
    clean = 0.5 + coarse[: SIZE[0], : SIZE[1]]
    clean[200:700] += 0.1 * np.sin(np.arange(SIZE[1]) / 2)[None, :, None]
    noisy = clean + 0.02 * draw.normal(size=(*SIZE, 3))
    if grey:
        noisy = np.repeat(noisy[..., :1], 3, axis=2)
    return noisy.astype(np.float32), np.full((*SIZE, 3), 0.5, np.float32)


@settings(max_examples=6, deadline=None)
@given(
    strip=st.sampled_from([1, 100, 300]),
    chunk=st.sampled_from([1, 400, 10_000]),
    detail=st.sampled_from([0.0, 0.75]),
    grey=st.booleans(),
    seed=st.integers(0, 99),
)
def test_strips_agree_with_the_whole(strip: int, chunk: int, detail: float, grey: bool, seed: int) -> None:
    noisy, restored = picture(seed, grey)
    tensor, form = images.to_tensor(noisy)
    guards = [Guard.of(RegionSource.of(tensor))]
    assert guards[0].kept is None
    whole = TensorStore(images.to_tensor(restored)[0])
    blend_stored(source_of_tensor(tensor, form), whole, 1.0, detail, guards)
    result, layout, pixels = restored.copy(), images.Layout("rgb"), images.Scratch.of(noisy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "STRIP_PIXELS", strip * SIZE[1])
        patch.setattr(coarse_pass, "CHUNK_PIXELS", chunk * SIZE[1])
        blend_stored(source_of_file(pixels, layout, None), PixelStore(pixels, result, layout), 1.0, detail, guards)
    assert np.abs(whole.tensor[0].permute(1, 2, 0).numpy() - restored).mean() > 0.01  # much came back
    np.testing.assert_allclose(result, whole.tensor[0].permute(1, 2, 0).numpy(), atol=2e-6)


def test_rows_are_read_once_and_in_order() -> None:
    noisy, restored = (images.to_tensor(x)[0] for x in picture(0, False))
    seen: list[slice] = []

    def read(rows: slice) -> tuple[object, object]:
        seen.append(rows)
        return noisy[..., rows, :], restored[..., rows, :]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse_pass, "CHUNK_PIXELS", 256 * SIZE[1])
        bounds = coarse_pass.CoarsePass(SIZE, [Guard.of(RegionSource.of(noisy))], read, 128)
        for top in range(0, SIZE[0], 128):
            bounds.at(slice(max(top - 32, 0), min(top + 160, SIZE[0])))
            assert seen[-1].stop <= top + 256 + 256 + 128 + 128  # no further ahead than it says
    assert [rows.start for rows in seen] == list(range(0, SIZE[0], 128))
