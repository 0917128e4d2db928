"""MASH, Self2Self and Pixel-Refilling: their losses and parts against plain loops."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise import denoisers, recipes
from unnoise.errors import UsageError
from unnoise.models.model import fresh
from unnoise.schemes.mash import MASH, flat_tiles, probe, shuffled
from unnoise.schemes.pixel_refilling import PixelRefilling, auxiliary_picture
from unnoise.schemes.self2self import Self2Self


def _draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_loss_of_mash() -> None:
    noisy = torch.rand(2, 3, 8, 9, generator=_draws())
    scheme = MASH(visible=0.3)
    visible = scheme.mask(noisy, _draws(7))
    assert abs(visible.mean().item() - 0.3) < 0.1
    predicted = noisy * visible * 2 + 0.1
    expected = ((predicted - noisy).abs() * (1 - visible)).mean()
    torch.testing.assert_close(scheme.loss(lambda x: 2 * x + 0.1, noisy, _draws(7)), expected)


def test_mash_shuffles_after_a_while_and_only_within_flat_tiles() -> None:
    noisy = 0.5 + 0.01 * torch.rand(1, 3, 10, 14, generator=_draws())
    noisy[..., 1, 5] = 5.0  # the tile in the middle above
    flat = flat_tiles(noisy, 4, 0.5)
    assert flat[0, 0].int().tolist() == [[1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    mixed = shuffled(noisy, flat, 4, _draws(2))
    for top in (0, 4, 8):
        for left in (0, 4, 8, 12):
            one, other = noisy[0, :, top : top + 4, left : left + 4], mixed[0, :, top : top + 4, left : left + 4]
            if (top, left) == (0, 4) or top + 4 > 10 or left + 4 > 14:
                assert torch.equal(one, other)
                continue
            assert not torch.equal(one, other)
            # whole pixels move, with all channels
            pixels, moved = (sorted(map(tuple, part.flatten(1).T.tolist())) for part in (one, other))
            assert pixels == moved
    scheme = MASH(visible=0.5)
    early, late = (scheme.at(share).loss(lambda x: x, noisy, _draws(1)) for share in (0.0, 0.5))
    assert not torch.equal(early, late)
    assert torch.equal(late, MASH(visible=0.5, shuffle=False).at(0.5).loss(lambda x: x, noisy, _draws(1))) is False


class _Linear(nn.Conv2d):
    """The best linear prediction is learned within a hundred steps."""

    value_range = (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__(1, 1, 5, padding=2)
        nn.init.zeros_(self.weight)


def test_the_probe_tells_correlated_noise() -> None:
    white = torch.randn(1, 1, 64, 64, generator=_draws())
    blurred = F.avg_pool2d(F.pad(white, (1, 1, 1, 1), mode="circular"), 3, stride=1)
    found = [
        probe(_Linear(), 0.1 * noise / noise.std(), steps=100, learning_rate=0.02)  # type: ignore[arg-type]
        for noise in (white, blurred)
    ]
    assert [(scheme.visible, scheme.shuffle) for scheme in found] == [(0.9, False), (0.1, True)]


def test_the_loss_of_self2self() -> None:
    noisy = torch.rand(1, 3, 8, 9, generator=_draws())
    scheme = Self2Self(visible=0.7)
    visible = scheme.mask(noisy, _draws(4))

    def network(x: Tensor, shown: Tensor, generator: torch.Generator) -> Tensor:
        assert torch.equal(shown, visible)
        return x + 0.2

    total, count = 0.0, 0
    for y, m in zip(noisy.flatten().tolist(), visible.flatten().tolist(), strict=True):
        if not m:
            total, count = total + (0.2 - y) ** 2, count + 1
    assert scheme.loss(network, noisy, _draws(4)).item() == pytest.approx(total / count, rel=1e-5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="self2self-unet"):
        scheme.check(denoisers.lookup("dncnn"))


def test_the_auxiliary_picture_written_out() -> None:
    noisy = torch.rand(1, 2, 17, 22, generator=_draws(3))
    padded = F.pad(noisy, (0, 0, 0, 1), mode="replicate")  # to 18 rows: patches begin at 0, 1, 2 … 14
    small = F.avg_pool2d(noisy, 2)
    candidates = [small[0, :, i : i + 4, j : j + 4] for i in range(small.shape[-2] - 3) for j in range(small.shape[-1] - 3)]
    total, count = torch.zeros_like(padded), torch.zeros_like(padded)
    for i in range(padded.shape[-2] - 3):
        for j in range(padded.shape[-1] - 3):
            mine = padded[0, :, i : i + 4, j : j + 4]
            best = min(candidates, key=lambda other: float((other - mine).square().sum()))
            total[0, :, i : i + 4, j : j + 4] += best
            count[0, :, i : i + 4, j : j + 4] += 1
    expected = (total / count)[..., :17, :22]
    # of the padding no patch is needed at a step of one pixel
    found = auxiliary_picture(noisy, 4)
    assert found.shape == noisy.shape
    torch.testing.assert_close(found[..., :13, :], expected[..., :13, :])


def test_the_loss_of_pixel_refilling() -> None:
    noisy = torch.rand(1, 3, 24, 24, generator=_draws(5))
    scheme = PixelRefilling(visible=0.3, stride=2, consistency=0.2)

    def network(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1)

    visible = scheme.mask(noisy, _draws(9))
    filled = noisy * visible + auxiliary_picture(noisy) * (1 - visible)
    predicted = torch.zeros_like(noisy)
    for i in (0, 1):
        for j in (0, 1):
            predicted[..., i::2, j::2] = network(filled[..., i::2, j::2])
    hidden = 1 - visible
    expected = ((predicted - noisy) * hidden).abs().mean() + 0.2 * ((predicted - network(filled)) * hidden).abs().mean()
    torch.testing.assert_close(scheme.loss(network, noisy, _draws(9)), expected)


@pytest.mark.parametrize("name", ["mash-quick", "self2self-quick", "pixel-refilling-quick"])
def test_recipes_make_a_model_that_denoises(name: str) -> None:
    noisy = torch.rand(40, 33, 3).numpy()
    model = fresh(recipes.load(name, {"scheme.predictions": 2}))
    loss = model.recipe.scheme.at(0.5).loss(model.network, torch.rand(1, 3, 32, 32), _draws())
    loss.backward()
    assert torch.isfinite(loss)
    assert model.denoise(noisy).shape == noisy.shape


def test_published_settings() -> None:
    with torch.device("meta"):
        assert denoisers.create("dbsn", features=64, modules=4).parameter_count() == 504_803  # Pixel-Refilling's 0.5 million
    assert recipes.load("mash").scheme.visible == 0.1  # type: ignore[attr-defined]
    assert recipes.load("self2self").scheme.predictions == 100  # type: ignore[attr-defined]
