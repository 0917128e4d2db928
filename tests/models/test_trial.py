"""A shipped model is tried on the picture itself: what it cannot remove, or ruins, it does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unnoise import images
from unnoise.models import select, trial
from unnoise.models.inspection import inspect_file
from unnoise.models.trial import SIDE_PIXELS, Trial, best_trial, try_model
from unnoise.quality.mc_sure import Judgement
from unnoise.quality.verdict import Verdict

Array = NDArray[np.uint8]


def _chart(sigma: float, blur: float = 0.0, side: int = 192) -> Array:
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(side, side, 3))
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0))
    clean = np.kron(draw.uniform(40, 210, (3, 3, 3)), np.ones((side // 3, side // 3, 1)))
    return np.clip(np.rint(clean + sigma * noise / noise.std()), 0, 255).astype(np.uint8)


def _judged(gain: float | None, verdict: Verdict) -> Judgement:
    facts = dict.fromkeys(("uncertainty", "shaken", "replayed", "left", "lost"))
    return Judgement(gain=gain, verdict=verdict, level=0.02, correlation=0.0, **facts)


def test_white_noise_on_a_chart_fits_and_the_gain_is_told() -> None:
    tried = try_model("fast", _chart(8))
    assert tried.fits
    assert "fits this noise" in tried.sentence
    assert tried.judgement.gain is not None
    assert tried.judgement.gain > 4


def test_very_coarse_noise_does_not_fit() -> None:
    tried = try_model("fast", _chart(6, blur=3.0))
    assert not tried.fits
    assert "fits" not in tried.sentence


def test_the_middle_is_tried() -> None:
    """The border would be ruined by a model; the middle holds noise alone."""
    picture = np.random.default_rng(1).integers(0, 256, (480, 480, 3), np.uint8)
    inner = slice((480 - SIDE_PIXELS) // 2, (480 + SIDE_PIXELS) // 2)
    picture[inner, inner] = _chart(8, side=480)[inner, inner]
    assert try_model("fast", picture) == try_model("fast", picture[inner, inner])


@pytest.mark.parametrize(
    ("first", "other", "winner"),
    [
        ((4.0, Verdict.TRUST), (9.0, Verdict.TRUST), "default"),
        ((0.5, Verdict.LEAVES_NOISE), (4.0, Verdict.TRUST), "tm-bsn"),
        ((0.5, Verdict.LEAVES_NOISE), (0.7, Verdict.LEAVES_NOISE), "default"),
        ((-3.0, Verdict.WORSE), (0.2, Verdict.LEAVES_NOISE), "tm-bsn"),
        ((None, Verdict.UNKNOWN), (4.0, Verdict.TRUST), "default"),
    ],
)
def test_another_model_is_taken_where_the_first_fails_and_it_is_clearly_better(
    monkeypatch: pytest.MonkeyPatch, first: tuple[float, Verdict], other: tuple[float, Verdict], winner: str
) -> None:
    results = {"default": first, "tm-bsn": other}
    monkeypatch.setattr(trial, "try_model", lambda name, picture: Trial(name, _judged(*results[name])))
    assert best_trial("default", _chart(8)).name == winner


def test_auto_takes_what_did_best_on_most_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        images.write(tmp_path / f"{number}.png", images.Picture(_chart(8, side=48)))
    monkeypatch.setattr(select, "choose", lambda pixels: "default")
    monkeypatch.setattr(trial, "best_trial", lambda name, picture: Trial("tm-bsn", _judged(3.0, Verdict.TRUST)))
    assert select.choose_for(sorted(tmp_path.glob("*.png"))) == "tm-bsn"
    monkeypatch.setattr(trial, "best_trial", lambda name, picture: Trial(name, _judged(3.0, Verdict.TRUST)))
    assert select.choose_for(sorted(tmp_path.glob("*.png"))) == "default"


def test_inspect_says_fits_only_where_the_model_was_tried_and_did(tmp_path: Path) -> None:
    for name, picture, fits in (("fine.png", _chart(8), True), ("coarse.png", _chart(6, blur=3.0), False)):
        images.write(tmp_path / name, images.Picture(picture))
        report = inspect_file(tmp_path / name, tries_model=True)
        assert report.advice.model_fits is fits
        assert any("fits this noise" in reason for reason in report.advice.reasons) is fits
        untried = inspect_file(tmp_path / name)
        assert not any("fits" in reason for reason in untried.advice.reasons)
