"""BM3D: against the package of its authors where it is installed, and by what must hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from skimage import data

from command_line import call
from unnoise import images, load
from unnoise.denoisers.classical.bm3d import BM3D
from unnoise.denoisers.classical.noise import Noise, measure
from unnoise.errors import UnnoiseWarning, UsageError
from unnoise.regions import RegionSource

PICTURES = {
    "camera": lambda: data.camera()[150:342, 150:342],
    "astronaut": lambda: data.astronaut()[:192, 130:322].mean(2),
    "coins": lambda: data.coins()[:192, :192],
    "brick": lambda: data.brick()[:192, :192],
    "cat": lambda: data.cat()[50:242, 100:292].mean(2),
}


def picture(name: str) -> np.ndarray:
    return PICTURES[name]() / 255.0


def psnr(restored: Any, clean: Any) -> float:
    return float(-10 * np.log10(np.square(np.asarray(restored) - np.asarray(clean)).mean()))


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """(H, W) → (1, 1, H, W), (H, W, 3) → (1, 3, H, W)."""
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    return torch.from_numpy(planes.copy()).float()[None]


def noisy_colors(sigma: float = 0.1, side: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    clean = tensor(data.cat()[60 : 60 + side, 120 : 120 + side] / 255)
    return clean, clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_it_equals_the_package_of_its_authors(name: str) -> None:
    """Within 0.1 dB at each level, with the level given. benchmarks/classical_bm3d.py compares their times."""
    package = pytest.importorskip("bm3d", reason="its licence is non-commercial: install bm3d yourself")
    profile = package.BM3DProfile()
    profile.num_threads = 1
    clean = picture(name)
    for level in (10, 25, 50):
        noisy = clean + np.random.default_rng(level).normal(0, level / 255, clean.shape)
        ours = BM3D(channels=1)(tensor(noisy), Noise.white(level / 255, 1))[0, 0]
        assert psnr(ours, clean) > psnr(package.bm3d(noisy, level / 255, profile), clean) - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_it_equals_the_package_on_correlated_noise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 0.1 dB in the mean of the levels, and 0.3 at each, with the spectrum given."""
    package = pytest.importorskip("bm3d", reason="its licence is non-commercial: install bm3d yourself")
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # NumPy 2.4 dropped a name that the package asks for
    clean, apart = picture(name), []
    taps = np.exp(-(np.arange(-4, 5.0) ** 2) / (2 * 0.8**2))
    kernel = np.outer(taps, taps) / np.square(taps).sum()
    spectrum = np.abs(np.fft.fft2(kernel, clean.shape)) ** 2
    correlation = torch.from_numpy(np.fft.ifft2(np.abs(np.fft.fft2(kernel, (18, 18))) ** 2).real[:9, :9].copy())
    for level in (10, 25, 50):
        white = np.fft.fft2(np.random.default_rng(level).normal(0, level / 255, clean.shape))
        noisy = clean + np.fft.ifft2(white * np.fft.fft2(kernel, clean.shape)).real
        told = Noise(torch.tensor([level / 255], dtype=torch.float64), correlation[None])
        ours = psnr(BM3D(channels=1)(tensor(noisy), told)[0, 0], clean)
        profile = package.BM3DProfile()
        profile.num_threads = 1
        apart.append(ours - psnr(package.bm3d(noisy, (level / 255) ** 2 * clean.size * spectrum, profile), clean))
    assert np.mean(apart) > -0.1
    assert min(apart) > -0.3


@pytest.mark.parametrize(("name", "level", "published"), [("camera", 25, 29.84), ("brick", 50, 30.15)])
def test_it_is_as_good_as_the_package_was(name: str, level: int, published: float) -> None:
    """The figures of bm3d 4.0.3 for these very pictures, for those who do not have it."""
    clean = picture(name)
    noisy = clean + np.random.default_rng(level).normal(0, level / 255, clean.shape)
    restored = BM3D(channels=1)(tensor(noisy), Noise.white(level / 255, 1))[0, 0]
    assert psnr(restored, clean) > published - 0.1


@pytest.mark.parametrize(("correlated_", "published"), [(False, 43.04), (True, 31.89)])
def test_plain_sky_is_as_good_as_the_package_was(correlated_: bool, published: float) -> None:
    """Blocks of plain areas that look alike overlap, and so does their noise; the figures are of bm3d 4.0.3."""
    side = 96 if correlated_ else 128
    clean = data.camera()[:side, :side] / 255
    taps = np.exp(-(np.arange(-4, 5.0) ** 2) / (2 * 0.8**2)) if correlated_ else np.ones(1)
    kernel = np.outer(taps, taps) / np.square(taps).sum()
    white = np.fft.fft2(np.random.default_rng(0).normal(0, 25 / 255, clean.shape))
    noisy = clean + np.fft.ifft2(white * np.fft.fft2(kernel, clean.shape)).real
    correlation = torch.from_numpy(correlate2d(kernel, kernel)[len(kernel) - 1 :, len(kernel) - 1 :].copy())
    told = Noise(torch.tensor([25 / 255], dtype=torch.float64), correlation[None])
    assert psnr(BM3D(channels=1)(tensor(noisy), told)[0, 0], clean) > published - 0.1


def test_a_picture_without_structure_becomes_flat() -> None:
    noisy = 0.4 + 0.1 * torch.randn(1, 1, 70, 60, generator=torch.Generator().manual_seed(1))
    restored = BM3D(channels=1)(noisy, Noise.white(0.1, 1))
    assert float(restored.std()) < 0.015
    assert abs(float(restored.mean() - noisy.mean())) < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (3, 20), (8, 8), (9, 31), (20, 7)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    flat = torch.full((2, 3, *size), 0.3)
    restored = BM3D()(flat, Noise.white(0.1, 3))
    torch.testing.assert_close(restored, flat, atol=2e-3, rtol=0)  # the Wiener filter shrinks even the mean a little


def test_colors_gain_by_their_common_structure() -> None:
    clean, noisy = noisy_colors()
    together = BM3D()(noisy, Noise.white(0.1, 3))
    apart = torch.cat([BM3D(channels=1)(noisy[:, c : c + 1], Noise.white(0.1, 1)) for c in range(3)], dim=1)
    assert psnr(together, clean) > psnr(apart, clean) + 0.5


def test_grey_in_three_channels_is_restored_as_grey() -> None:
    clean = tensor(picture("coins")[:64, :64])
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    three = BM3D()(noisy.expand(-1, 3, -1, -1), Noise.white(0.1, 3))
    torch.testing.assert_close(three, BM3D(channels=1)(noisy, Noise.white(0.1, 1)).expand(-1, 3, -1, -1))


def test_tiles_agree_with_the_whole_picture() -> None:
    clean = tensor(data.cat()[100:140, 60:300, 1] / 255)
    grey = (clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))[0, 0].clamp(0, 1).numpy()
    model = load("bm3d").applied({"scheme.level": 0.1})
    whole, tiled = (model.denoise(grey, tile=tile, precision="float32") for tile in (None, 96))
    difference = np.abs(whole - tiled)
    assert difference.mean() < 1e-4
    assert difference.max() < 0.02  # where two blocks are as near, rounding decides


def correlated(shape: tuple[int, ...], sigma: float) -> torch.Tensor:
    """Noise of one standard deviation, whose neighbours have a correlation of 2/3."""
    white = torch.randn(*shape[:-2], shape[-2] + 2, shape[-1] + 2, generator=torch.Generator().manual_seed(3))
    return sigma * white.unfold(-2, 3, 1).unfold(-2, 3, 1).sum((-1, -2)) / 3


def test_the_spectrum_of_correlated_noise_is_worth_much() -> None:
    clean = tensor(picture("camera"))
    noisy = clean + correlated(clean.shape, 0.1)
    reach = torch.tensor([1, 2 / 3, 1 / 3], dtype=torch.float64)
    told = Noise(torch.tensor([0.1], dtype=torch.float64), (reach[:, None] * reach)[None])
    network = BM3D(channels=1)
    assert psnr(network(noisy, told), clean) > psnr(network(noisy, told.as_white()), clean) + 1
    measured = measure(RegionSource.of(noisy))
    assert measured is not None
    assert float(measured.correlation[0, 0, 1]) == pytest.approx(2 / 3, abs=0.1)


def test_noise_that_colors_have_in_common_is_measured() -> None:
    """Demosaicking makes the channels' noise alike, so brightness has more of it than three independent ones leave."""
    clean = tensor(data.cat()[60:188, 120:248] / 255)
    noisy = clean + 0.1 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    found = measure(RegionSource.of(noisy))
    assert found is not None
    assert found.opponents is not None
    assert found.opponents.sigma[0] > 0.08
    assert found.opponents.sigma[1:].max() < 0.02
    network = BM3D()
    independent = Noise(found.sigma, found.correlation)
    assert psnr(network(noisy, found), clean) > psnr(network(noisy, independent), clean) + 1


def test_a_channel_without_noise_comes_back_as_it_is() -> None:
    clean, noisy = noisy_colors(side=48)
    noisy[:, 1] = clean[:, 1]
    noise = Noise(torch.tensor([0.1, 0.1, 0.1], dtype=torch.float64), torch.ones(3, 1, 1, dtype=torch.float64))
    silent = Noise(torch.tensor([0.1, 0.0, 0.0], dtype=torch.float64), noise.correlation)
    assert BM3D()(noisy, replace(noise, opponents=silent)).isfinite().all()
    four = torch.cat([noisy, clean[:, :1]], dim=1)
    told = Noise(torch.tensor([0.1, 0.0, 0.1, 0.0], dtype=torch.float64), torch.ones(4, 1, 1, dtype=torch.float64))
    restored = BM3D(channels=4)(four, told)
    torch.testing.assert_close(restored[:, [1, 3]], four[:, [1, 3]], atol=1e-4, rtol=0)
    assert psnr(restored[:, 0], clean[:, 0]) > psnr(noisy[:, 0], clean[:, 0]) + 5


def test_a_clean_looking_picture_stays_and_a_warning_says_so() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    with pytest.warns(UnnoiseWarning, match="stays as it is"):
        assert torch.equal(BM3D()(flat), flat)


def test_it_works_from_the_command_line_like_any_model(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clean, noisy = noisy_colors(side=128)
    source = tmp_path / "cat.png"
    images.write(source, images.Picture((noisy[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()))
    status, _, err = call(monkeypatch, capfd, "denoise", source, "-o", tmp_path / "out.png", "--model", "bm3d")
    assert status == 0, err
    before, after = (tensor(images.read(path).pixels / 255) for path in (source, tmp_path / "out.png"))
    assert psnr(after, clean) > psnr(before, clean) + 6


def test_it_cannot_be_trained(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    images.write(tmp_path / "a.png", images.Picture(np.zeros((64, 64, 3), np.uint8)))
    call_ = "train", tmp_path, "--recipe", "amsnet-quick", "--denoiser", "bm3d", "--steps", "1", "--out", tmp_path / "run"
    status, _, err = call(monkeypatch, capfd, *call_)
    assert (status, "has no weights to train" in err) == (2, True), err
    with pytest.raises(UsageError, match="has no weights to train"):
        load("bm3d").recipe.scheme.bind(None, None)  # type: ignore[arg-type]
