"""Guards: equal channels stay equal, and a picture without noise is left unchanged, with a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import unnoise
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UnnoiseWarning
from unnoise.inference.do_no_harm import Guard
from unnoise.quality.verdict import Verdict
from unnoise.regions import RegionSource

STEP = 1 / 255


def noisy(channels: int = 3, sigma: float = 5, side: int = 128) -> torch.Tensor:
    pixels = 120 + sigma * np.random.default_rng(0).normal(size=(1, channels, side, side))
    return torch.from_numpy(np.round(pixels) / 255).float()


def test_equal_channels_stay_exactly_equal() -> None:
    picture = noisy(1).expand(-1, 3, -1, -1).contiguous()
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    coloured = torch.full_like(picture, 120 / 255) + torch.tensor([0.02, 0.0, -0.01])[:, None, None]
    result = guard.apply(picture, coloured)
    assert guard.grey
    assert torch.equal(result[:, 0], result[:, 1])
    assert torch.equal(result[:, 0], result[:, 2])
    assert result.std() < 0.3 * picture.std()


def test_a_mask_stays_as_it_is_and_a_sentence_says_why() -> None:
    mask = (torch.rand(1, 1, 64, 64) < 0.5).float()
    guard = Guard.of(RegionSource.of(mask), step=STEP)
    assert torch.equal(guard.apply(mask, torch.full_like(mask, 0.5)), mask)
    with pytest.warns(UnnoiseWarning, match=r"^mask.png has only two values, .*--force"):
        guard.warn("mask.png")


def test_force_restores_a_mask() -> None:
    mask = (torch.rand(1, 1, 64, 64) < 0.5).float()
    guard = Guard.of(RegionSource.of(mask), step=STEP, force=True)
    assert guard.kept is None
    assert not torch.equal(guard.apply(mask, torch.full_like(mask, 0.5)), mask)


def test_where_no_noise_can_be_told_the_picture_stays_bit_for_bit() -> None:
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    picture = torch.stack([x, y, (x + y) / 2]).div(255)[None]
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    assert guard.kept is not None
    assert "no noise can be told" in guard.kept
    assert torch.equal(guard.apply(picture, picture.clamp(0.2, 0.3)), picture)
    assert Guard.of(RegionSource.of(picture), step=STEP, force=True).kept is None


def test_of_a_photograph_no_word_is_said(recwarn: pytest.WarningsRecorder) -> None:
    guard = Guard.of(RegionSource.of(noisy()), step=STEP)
    guard.warn("The image")
    assert guard.kept is None
    assert guard.noise[0] is not None
    assert not recwarn.list


def test_the_plain_part_of_a_screenshot_stays_exact() -> None:
    picture = noisy(side=192)
    picture[..., :96] = 200 / 255
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    result = guard.apply(picture, torch.full_like(picture, 120 / 255) + (picture > 190 / 255) * (81 / 255))
    assert torch.equal(result[..., :80], picture[..., :80])
    assert result[..., 112:].std() < 0.5 * picture[..., 112:].std()


def test_of_a_picture_too_small_to_measure_no_more_than_its_differences_is_removed() -> None:
    picture = noisy(side=20)
    result = Guard.of(RegionSource.of(picture), step=STEP).apply(picture, torch.full_like(picture, 0.9))
    assert (result - picture).abs().mean() < 0.2 * (0.9 - picture).abs().mean()
    assert abs(float((result - picture).mean())) < 0.01


@pytest.mark.parametrize(("base", "sigma", "most"), [(500, 10, 1.0), (500, 100, 0.7), (3000, 100, 0.7), (30_000, 300, 0.9)])
def test_small_dark_pictures_of_16_bits_do_not_get_worse(base: int, sigma: int, most: float) -> None:
    """The network's mean drifts by some steps of 8 bits, which is far more than such a picture's noise."""
    draw = np.random.default_rng(1)
    row, column = np.mgrid[:16, :16] / 16
    clean = base * (1 + 0.3 * np.stack([row, column, row * column], axis=-1))
    picture = np.clip(np.rint(clean + draw.normal(0, sigma, clean.shape)), 0, 65535).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnnoiseWarning)
        result = unnoise.load("fast").denoise(picture)
    before, after = (float(np.sqrt(((each - clean) ** 2).mean())) for each in (picture, result))
    assert after <= most * before


def test_data_of_few_bits_in_rgb_of_sixteen_are_told_what_to_do() -> None:
    draw = np.random.default_rng(3)
    row, column = np.mgrid[:128, :128] / 128
    clean = 1500 * (1 + 0.5 * np.stack([np.sin(9 * row), np.cos(7 * column), row * column], axis=-1))
    picture = np.clip(np.rint(clean + draw.normal(0, 16, clean.shape)), 0, 4095).astype(np.uint16)
    model = unnoise.load("fast")
    with pytest.warns(UnnoiseWarning, match=r"its values reach \d{4} of 65535 only .* add --normalization picture") as said:
        np.testing.assert_array_equal(model.denoise(picture), picture)
    assert "--force" not in str(said[0].message)
    result = model.denoise(picture, normalization="picture")
    assert np.sqrt(((result - clean) ** 2).mean()) < 10


def test_a_noisy_palette_is_left_with_true_words_and_restored_by_force(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    rows, columns = np.mgrid[:128, :128]
    clean = np.stack([100 + 60 * np.sin(rows / 25), 110 + 50 * np.cos(columns / 30), 90 + rows / 3], axis=-1)
    shown = np.clip(np.rint(clean + draw.normal(0, 14, clean.shape)), 0, 255).astype(np.uint8)
    Image.fromarray(shown).quantize(64, dither=Image.Dither.NONE).save(tmp_path / "a.png")
    before = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    model = unnoise.load("fast")
    with pytest.warns(
        UnnoiseWarning, match="has only 64 colours, among which noise cannot be told from dither, so it was left"
    ):
        denoise_file(model, tmp_path / "a.png", tmp_path / "left.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "left.png").convert("RGB")), before)
    denoise_file(model, tmp_path / "a.png", tmp_path / "forced.png", force=True)
    with Image.open(tmp_path / "forced.png") as image:
        assert image.mode == "P"
        after = np.asarray(image.convert("RGB"))
    errors = [((each - clean) ** 2).mean() for each in (before, after)]
    assert 10 * np.log10(errors[0] / errors[1]) > 8


def _measurement(kind: str, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noisy and clean, (256, 256): a scene of plain places, fine texture and sharp edges."""
    row, column = np.mgrid[:256, :256]
    scene = 0.1 + 0.8 * ((row // 64 + column // 64) % 2)
    scene[:128, :128] += 0.06 * np.sin(2.2 * row[:128, :128]) * np.sin(1.9 * column[:128, :128])
    if kind == "photons":
        clean = 20_000 * scene
        return draw.poisson(clean).astype(np.float32), clean
    clean = 1000 + 4000 * scene
    return (clean + 12 * draw.standard_normal(clean.shape)).astype(np.float32), clean


@pytest.mark.parametrize("kind", ["photons", "electronics"])
def test_of_a_quiet_measurement_no_more_than_its_noise_is_removed(kind: str) -> None:
    noisy, clean = _measurement(kind, np.random.default_rng(0))
    tensor = torch.from_numpy(noisy)[None, None]
    guard = Guard.of(RegionSource.of(tensor), measured=True)
    blurred = torch.nn.functional.avg_pool2d(tensor, 5, 1, 2, count_include_pad=False)  # a network that erases structure
    before = float(np.mean((noisy - clean) ** 2))
    unbounded, bounded = (float(np.mean((x[0, 0].numpy() - clean) ** 2)) for x in (blurred, guard.apply(tensor, blurred)))
    assert unbounded > 50 * before
    assert bounded < 1.05 * before
    perfect = guard.apply(tensor, torch.from_numpy(clean).float()[None, None])
    assert float(np.mean((perfect[0, 0].numpy() - clean) ** 2)) < 0.15 * before  # noise is removed


def test_each_channel_of_a_measurement_has_noise_of_its_own() -> None:
    draw = np.random.default_rng(0)
    planes = [100 + 2 * draw.standard_normal((128, 128)), 5000 + 300 * draw.standard_normal((128, 128))]
    guard = Guard.of(RegionSource.of(torch.from_numpy(np.stack(planes)).float()[None]), measured=True)
    levels = [noise.level for noise in guard.noise if noise]
    assert levels == pytest.approx([2, 300], rel=0.05)


def test_noise_of_few_photons_bounds_nothing() -> None:
    counts = torch.from_numpy(np.random.default_rng(0).poisson(0.5, (1, 1, 96, 96))).float()
    guard = Guard.of(RegionSource.of(counts), measured=True)
    assert guard.kept is None
    assert guard.noise == (None,)


def test_a_file_without_a_value_is_copied(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    tifffile.imwrite(tmp_path / "empty.tif", np.full((40, 50), np.nan, np.float32))
    denoise_file(unnoise.load("fast"), tmp_path / "empty.tif", tmp_path / "result.tif")
    assert np.isnan(tifffile.imread(tmp_path / "result.tif")).all()
    assert not [each for each in recwarn.list if "NaN" in str(each.message) or issubclass(each.category, RuntimeWarning)]


def test_the_report_of_a_picture_that_was_left_says_so() -> None:
    zone_plate = 50_000 * _structures()["zone plate"] + 5000
    noisy = np.rint(zone_plate + np.random.default_rng(0).normal(0, 30, zone_plate.shape)).astype(np.uint16)
    with pytest.warns(UnnoiseWarning, match="no noise can be told"):
        restored, report = unnoise.load("fast").denoise(noisy, report=True)
    assert (restored == noisy).all()
    assert report.verdict is Verdict.NO_NOISE


def _structures() -> dict[str, np.ndarray]:
    """Fine structure everywhere, in 0..1."""
    y, x = np.mgrid[:192, :192].astype(float)
    return {
        "stripes": 0.5 + 0.5 * np.sin(2 * np.pi * (x + 0.4 * y) / 6),
        "checkers": (x // 4 + y // 4) % 2,
        "zone plate": 0.5 + 0.5 * np.cos(np.pi * ((x - 96) ** 2 + (y - 96) ** 2) / 300),
        "waves": 0.5 + 0.25 * np.sin(2 * np.pi * x / 40) + 0.25 * np.sin(2 * np.pi * y / 33),
        "slope": x / 192,
    }


@pytest.mark.parametrize("kind", _structures())
@pytest.mark.parametrize("sigma", [100, 1000])
def test_measurements_of_fine_structure_do_not_come_out_worse(kind: str, sigma: float) -> None:
    clean = 10_000 + 30_000 * _structures()[kind]
    taken = np.rint(clean + np.random.default_rng(0).normal(0, sigma, clean.shape)).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnnoiseWarning)  # some are left as they are
        restored = unnoise.denoise(taken, model="fast")
    before, after = (np.sqrt(np.mean((x - clean) ** 2)) for x in (taken, restored))
    assert after < 1.05 * before
