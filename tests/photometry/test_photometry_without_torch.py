"""Photometry gives the same for arrays of every kind, and loads no torch before it gets a tensor."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unnoise.photometry
from photometry.array_kinds import KINDS, assert_kinds_agree, pictures
from unnoise.inference.blending import keep_detail
from unnoise.photometry import bias_correction, bias_correction_bands
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.clipping import Clipping, find_clipped, keep_clipped, measure_clipping
from unnoise.photometry.normalization import CONSTANT_SCALE, Normalization, Scale, measure_scale
from unnoise.photometry.photometry import Photometry
from unnoise.photometry.rescaling import choose_rescaling
from unnoise.photometry.srgb import srgb_decode, srgb_encode
from unnoise.photometry.transfer_function import is_linear
from unnoise.regions import RegionSource

few = settings(max_examples=10, deadline=None)
clippings = st.builds(Clipping, black=st.booleans(), white=st.booleans())


def _noisy_and_clean(generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A ramp with and without noise, clipped, in float32."""
    clean = np.linspace(0, 1, shape[-1]) * np.ones(shape)
    noisy = (clean + generator.normal(0.02, 0.08, shape)).clip(0, 1)
    return noisy.astype(np.float32), clean.astype(np.float32)


@few
@given(pictures(), st.floats(-0.5, 0.4), st.floats(0.5, 2))
def test_normalization(picture: np.ndarray, low: float, high: float) -> None:
    scale = Scale(low, high)
    assert_kinds_agree(scale.forward, picture)
    assert_kinds_agree(lambda x: scale.inverse(scale.forward(x) * 0.9, x), picture)
    assert_kinds_agree(lambda x: scale.inverse(scale.forward(x), x), picture.astype(np.float64))
    assert_kinds_agree(CONSTANT_SCALE.forward, picture)
    assert_kinds_agree(lambda x: CONSTANT_SCALE.inverse(x, x), picture)
    scales = [measure_scale(RegionSource.of(kind(picture))) for kind in KINDS.values()]
    assert scales[0] == scales[1] == scales[2]


@few
@given(pictures())
def test_srgb(picture: np.ndarray) -> None:
    assert_kinds_agree(srgb_decode, picture)
    assert_kinds_agree(srgb_encode, picture)


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.25, 0.5]), st.integers(100, 200))
def test_the_transfer_function_that_noise_tells(seed: int, exponent: float, side: int) -> None:
    generator = np.random.default_rng(seed)
    clean = np.linspace(0.1, 0.8, side)[:, None] * np.ones(side)
    noisy = clean + 0.05 * clean**exponent * generator.standard_normal(clean.shape)
    picture = noisy[None, None].astype(np.float32)
    found = [is_linear(RegionSource.of(kind(picture))) for kind in KINDS.values()]
    assert found == [found[1]] * 3
    if exponent == 0.5 or exponent == 0:
        assert found[0] == (exponent == 0.5)


@few
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 30), st.booleans())
def test_measured_clipping(seed: int, mean: float, counts: bool) -> None:
    generator = np.random.default_rng(seed)
    values = generator.poisson(mean, (1, 1, 90, 90)) if counts else generator.normal(mean, 2 * mean, (1, 1, 90, 90)).clip(0)
    picture = (values / values.max()).astype(np.float32)
    found = [measure_clipping(RegionSource.of(kind(picture))) for kind in KINDS.values()]
    assert found == [found[1]] * 3


@few
@given(pictures(side=30), clippings)
def test_clipped_regions(picture: np.ndarray, clipping: Clipping) -> None:
    assert_kinds_agree(lambda x: find_clipped(x, clipping), picture, tolerance=0)
    assert_kinds_agree(lambda x: keep_clipped(x, x * 0.5, find_clipped(x, clipping)), picture, tolerance=0)


@few
@given(pictures(), clippings, st.sampled_from(["srgb", "linear"]))
def test_bias_correction_in_float64(picture: np.ndarray, clipping: Clipping, curve: Any) -> None:
    """Any picture, without rounding to float32: there, a variance is a small difference of large sums, and its digits differ."""
    values = picture.astype(np.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bias_correction, "_as_float32", lambda x: x)
        correct = BiasCorrection(curve=curve).measure_cells
        assert_kinds_agree(lambda x, y: correct(x, y, clipping), values, 0.9 * values + 0.02, tolerance=1e-9)


@few
@given(st.integers(0, 2**32 - 1), clippings, st.sampled_from(["srgb", "linear"]))
def test_bias_correction(seed: int, clipping: Clipping, curve: Any) -> None:
    """A noisy picture and its restoration, whose difference is well above float32's rounding."""
    generator = np.random.default_rng(seed)
    rows, columns = generator.integers(1, 100, 2)
    noisy, clean = _noisy_and_clean(generator, (2, 3, rows, columns))
    assert_kinds_agree(lambda x, y: BiasCorrection(curve=curve)(x, y, clipping), noisy, clean)


@few
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 90), min_size=1, max_size=4), st.booleans())
def test_bias_correction_of_bands(seed: int, heights: list[int], two_curves: bool) -> None:
    noisy, restored = _noisy_and_clean(np.random.default_rng(seed), (2, 3, sum(heights), 50))
    corrections = [BiasCorrection(curve="srgb"), BiasCorrection(curve="linear" if two_curves else "srgb")]
    photometry = [Photometry(bias_correction=each) for each in corrections]

    def correct(noisy: Any, restored: Any) -> Any:
        def bands() -> Iterator[tuple[slice, Any]]:
            stops = np.cumsum(heights).tolist()
            for start, stop in zip([0, *stops], stops, strict=False):
                yield slice(start, stop), restored[..., start:stop, :]

        views = [RegionSource.of(noisy[number : number + 1, ...]) for number in range(2)]
        result = restored * 0
        for rows, band in bias_correction_bands.correct_bands(photometry, views, bands()):
            result[..., rows, :] = band
        return result

    assert_kinds_agree(correct, noisy, restored)


@few
@given(pictures(), st.sampled_from([1e-9, 1.0, 1e9]), st.sampled_from([0.0, 1e7]))
def test_rescaling(picture: np.ndarray, factor: float, shift: float) -> None:
    values = picture.astype(np.float64) * factor + shift
    rescaling = choose_rescaling(float(values.min()), float(values.max()))
    if rescaling:
        assert_kinds_agree(rescaling.forward, values)
        assert_kinds_agree(lambda x: rescaling.inverse(rescaling.forward(x), x.dtype) * rescaling.factor, values)


@few
@given(pictures(), st.floats(0.1, 1))
def test_detail(picture: np.ndarray, detail: float) -> None:
    class Level:
        """Noise that grows with brightness."""

        def at(self, restored: Any) -> Any:
            return 0.02 + 0.05 * abs(restored)

    restored = (0.8 * picture + 0.1).astype(np.float32)
    assert_kinds_agree(lambda x, y: keep_detail(x, y, detail, Level()), picture, restored)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_are_flipped_and_turned(kind: str) -> None:
    values = np.arange(12.0, dtype=np.float32).reshape(1, 1, 3, 4)
    source = RegionSource.of(KINDS[kind](values))
    part = source.flip().read(slice(0, 2), slice(1, 4))
    np.testing.assert_array_equal(np.asarray(part), values[..., ::-1][..., 0:2, 1:4])
    part = source.rotate().read(slice(1, 4), slice(0, 2))
    np.testing.assert_array_equal(np.asarray(part), np.rot90(values, 1, (-2, -1))[..., 1:4, 0:2])


def test_a_photometry_is_decided_alike() -> None:
    picture = np.random.default_rng(0).poisson(20, (1, 1, 100, 100)).astype(np.float32) / 60
    decided = [
        Photometry.decide(RegionSource.of(kind(picture)), BiasCorrection(), Normalization(of="picture"))
        for kind in KINDS.values()
    ]
    assert decided[0] == decided[1] == decided[2]


def test_no_module_of_photometry_loads_torch() -> None:
    code = "import sys\n"
    for path in sorted(Path(unnoise.photometry.__path__[0]).glob("[a-z]*.py")):
        code += f"import unnoise.photometry.{path.stem}\nassert 'torch' not in sys.modules, {path.stem!r}\n"
    code += """
import numpy as np
from unnoise.photometry.photometry import Photometry, BiasCorrection, Normalization
from unnoise.regions import RegionSource
picture = np.random.default_rng(0).random((1, 1, 64, 64), np.float32)
photometry = Photometry.decide(RegionSource.of(picture), BiasCorrection(), Normalization(of="picture"))
shown = photometry.normalization.forward(picture)
photometry.bias_correction(picture, photometry.normalization.inverse(shown, picture), photometry.clipping)
assert 'torch' not in sys.modules
"""
    assert code.count("import unnoise.photometry.") >= 9
    subprocess.run([sys.executable, "-c", code], check=True)
