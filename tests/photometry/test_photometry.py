"""What the noise of a picture tells about its photometry."""

from __future__ import annotations

import pytest

from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.normalization import CONSTANT_SCALE
from unnoise.photometry.photometry import Photometry

CODED = Photometry(bias_correction=BiasCorrection(curve="srgb"))


@pytest.mark.parametrize(
    ("share", "curve", "added", "negative"),
    [(1.0, "srgb", False, False), (0.0, "linear", True, False), (0.3, "linear", True, False), (-1.0, "srgb", False, True)],
)
def test_noise_tells_where_means_are_right(share: float, curve: str, added: bool, negative: bool) -> None:
    told = CODED.with_bent_noise(share)
    assert told.bias_correction is not None
    assert (told.bias_correction.curve, told.has_added_noise, told.is_negative) == (curve, added, negative)


@pytest.mark.parametrize(
    "measured",
    [
        Photometry(transfer_function="linear"),
        Photometry(bias_correction=BiasCorrection(curve="linear")),
        Photometry(normalization=CONSTANT_SCALE),
    ],
)
def test_pictures_in_proportion_to_light_stay_as_they_are(measured: Photometry) -> None:
    assert measured.with_bent_noise(-1.0) is measured


def test_without_a_bias_correction_there_is_none_afterwards() -> None:
    assert Photometry().with_bent_noise(0.0).bias_correction is None
