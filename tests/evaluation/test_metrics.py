"""PSNR and SSIM against scikit-image and torchmetrics, and the protocols against the same, step by step."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.evaluation import metrics, protocols
from unnoise.evaluation.metrics import GAUSSIAN, UNIFORM, SSIMWindow, psnr, ssim

GAUSSIAN_OF_SKIMAGE = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
SIZES = st.tuples(st.integers(1, 4), st.integers(11, 40), st.integers(11, 40))
SHAPES = [(3, 11, 11), (3, 48, 33), (1, 12, 90), (4, 25, 17)]


def photographs(channels: int, height: int, width: int, seed: int = 0, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Smooth clean images in 0..1 and noisy ones that leave that range in places, (B, C, H, W) float32 both."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, channels, 6, 6, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return clean + 0.1 * torch.randn(clean.shape, generator=generator), clean


def array(image: Tensor) -> np.ndarray:
    """(1, C, H, W) → (H, W, C) float64."""
    return image[0].permute(1, 2, 0).double().numpy()


def by_skimage(restored: np.ndarray, clean: np.ndarray, window: SSIMWindow, data_range: float) -> float:
    options = GAUSSIAN_OF_SKIMAGE if window is GAUSSIAN else {}
    return float(structural_similarity(restored, clean, channel_axis=-1, data_range=data_range, **options))


@pytest.mark.parametrize("window", [GAUSSIAN, UNIFORM])
@settings(max_examples=25, deadline=None)
@given(size=SIZES, seed=st.integers(0, 99), data_range=st.sampled_from([1.0, 255.0]))
def test_ssim_is_that_of_scikit_image(window: SSIMWindow, size: tuple[int, int, int], seed: int, data_range: float) -> None:
    restored, clean = (image * data_range for image in photographs(*size, seed))
    expected = by_skimage(array(restored), array(clean), window, data_range)
    assert ssim(restored, clean, window=window, data_range=data_range).item() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(size=SIZES, seed=st.integers(0, 99), data_range=st.sampled_from([1.0, 255.0]))
def test_psnr_is_that_of_scikit_image(size: tuple[int, int, int], seed: int, data_range: float) -> None:
    restored, clean = (image * data_range for image in photographs(*size, seed))
    expected = peak_signal_noise_ratio(array(clean), array(restored), data_range=data_range)
    assert psnr(restored, clean, data_range).item() == pytest.approx(expected, abs=1e-9)


def test_both_agree_with_torchmetrics() -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio as their_psnr
    from torchmetrics.functional.image import structural_similarity_index_measure as their_ssim

    restored, clean = (image.double() for image in photographs(3, 40, 28, batch=3))
    expected = their_psnr(restored, clean, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(restored, clean), expected, rtol=0, atol=1e-5)  # theirs takes the logarithm in float32
    whole = their_ssim(restored, clean, data_range=1.0, reduction="none", return_full_image=True)[1]
    torch.testing.assert_close(ssim(restored, clean), whole[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["default", "amsnet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_rounding_protocols_score_8_bit_images(name: str, shape: tuple[int, int, int]) -> None:
    restored, clean = photographs(*shape)
    x, y = (np.rint(np.clip(array(image), 0, 1) * 255).astype(np.uint8) for image in (restored, clean))
    (score,) = protocols.lookup(name).score(restored, clean)
    assert score.psnr == pytest.approx(peak_signal_noise_ratio(y, x), abs=1e-6)
    assert score.ssim == pytest.approx(by_skimage(x, y, GAUSSIAN, 255), abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_ap_bsn_rounds_half_up_and_takes_the_uniform_window(shape: tuple[int, int, int]) -> None:
    restored, clean = photographs(*shape)
    x, y = (np.clip(np.floor(array(image) * 255 + 0.5), 0, 255) for image in (restored, clean))
    (score,) = protocols.lookup("ap-bsn").score(restored, clean)
    assert score.psnr == pytest.approx(peak_signal_noise_ratio(y, x, data_range=255), abs=1e-6)
    assert score.ssim == pytest.approx(by_skimage(x, y, UNIFORM, 255), abs=1e-6)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] == 3])
def test_at_bsn_rounds_nothing_and_takes_ssim_on_studio_range_luma(shape: tuple[int, int, int]) -> None:
    restored, clean = photographs(*shape)
    x, y = array(restored), array(clean)
    x_luma, y_luma = (rgb2ycbcr(image)[..., :1] for image in (x, y))
    (score,) = protocols.lookup("at-bsn").score(restored, clean)
    assert score.psnr == pytest.approx(peak_signal_noise_ratio(y, x, data_range=1), abs=1e-6)
    assert score.ssim == pytest.approx(by_skimage(x_luma, y_luma, GAUSSIAN, 255), abs=1e-6)


def test_at_bsn_takes_grey_images_as_they_are() -> None:
    restored, clean = photographs(1, 20, 30)
    assert protocols.lookup("at-bsn").score(restored, clean)[0].ssim == pytest.approx(ssim(restored, clean).item(), abs=1e-12)


@pytest.mark.parametrize("name", protocols.names())
def test_each_image_of_a_batch_is_scored_by_itself(name: str) -> None:
    restored, clean = photographs(3, 24, 31, batch=3)
    scores = protocols.lookup(name).score(restored, clean)
    alone = [protocols.lookup(name).score(restored[i : i + 1], clean[i : i + 1])[0] for i in range(3)]
    assert scores == alone
    assert len({score.psnr for score in scores}) == 3


@pytest.mark.parametrize("name", protocols.names())
def test_identical_images_score_infinity_and_one(name: str) -> None:
    image = torch.randint(256, (2, 3, 16, 16)) / 255
    for score in protocols.lookup(name).score(image, image):
        assert score.psnr == math.inf
        assert score.ssim == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("name", "side"), [("default", 11), ("ap-bsn", 7), ("amsnet", 11), ("at-bsn", 11)])
def test_an_image_smaller_than_the_window_has_a_psnr_but_no_ssim(name: str, side: int) -> None:
    scores = {width: protocols.lookup(name).score(*photographs(3, 30, width))[0] for width in (side - 1, side)}
    assert math.isnan(scores[side - 1].ssim)
    assert math.isfinite(scores[side - 1].psnr)
    assert math.isfinite(scores[side].ssim)


def test_a_half_counts_up_in_ap_bsn_and_to_even_by_default() -> None:
    restored, clean = torch.full((1, 1, 11, 11), 2.5 / 255, dtype=torch.float64), torch.full((1, 1, 11, 11), 2 / 255)
    assert protocols.lookup("default").score(restored, clean)[0].psnr == math.inf
    assert protocols.lookup("ap-bsn").score(restored, clean)[0].psnr == pytest.approx(20 * math.log10(255), abs=1e-4)


@pytest.mark.parametrize("name", protocols.names())
def test_only_at_bsn_counts_what_lies_beyond_white(name: str) -> None:
    clean = torch.ones(1, 3, 12, 12)
    psnr_beyond = protocols.lookup(name).score(clean + 0.1, clean)[0].psnr
    assert psnr_beyond == (pytest.approx(20, abs=1e-4) if name == "at-bsn" else math.inf)


def test_half_precision_is_computed_in_double() -> None:
    restored, clean = (image.half() for image in photographs(3, 20, 20))
    for measure in (psnr, ssim):
        assert measure(restored, clean).dtype == torch.float64
        torch.testing.assert_close(measure(restored, clean), measure(restored.double(), clean.double()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shapes", [((1, 3, 9, 9), (1, 3, 9, 8)), ((3, 9, 9), (3, 9, 9)), ((2, 3, 9, 9), (1, 3, 9, 9))])
def test_shapes_that_do_not_match_are_quoted(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    restored, clean = (torch.zeros(shape) for shape in shapes)
    for measure in (psnr, ssim, protocols.lookup("default").score):
        with pytest.raises(UsageError) as error:
            measure(restored, clean)
        assert all(str(shape) in str(error.value) for shape in shapes)


def test_an_unknown_protocol_lists_the_names() -> None:
    with pytest.raises(UsageError, match=r"'dnd'.*default, ap-bsn, amsnet, at-bsn"):
        protocols.lookup("dnd")


def test_listing_the_protocols_imports_no_torch() -> None:
    heavy = "'torch' in sys.modules or 'torchmetrics' in sys.modules"
    code = f"import sys, unnoise.evaluation.protocols as p; p.names(); sys.exit({heavy})"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Window", SSIMWindow),
        ("Protocol", protocols.ScoringProtocol),
        ("Score", protocols.Score),
        ("protocol", protocols.lookup),
        ("protocols", protocols.names),
    ],
)
def test_old_names_still_work_and_warn(old: str, new: object) -> None:
    with pytest.warns(DeprecationWarning, match=rf"metrics\.{old} is now called"):
        assert getattr(metrics, old) is new
