"""Reports as notebooks show them."""

from __future__ import annotations

import numpy as np
import pytest

import unnoise
from unnoise.noise.report import NoiseReport


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return np.random.default_rng(0).normal(120, 12, (96, 96)).round().astype(np.uint8)


def test_a_noise_report_shows_its_tables_and_its_plot(noisy: np.ndarray) -> None:
    report = unnoise.inspect(noisy)
    shown = report._repr_html_()
    assert shown.startswith("<pre")
    assert report.level_text() in shown
    assert report.plot(title="mine").get_suptitle().startswith("mine")
    assert NoiseReport.model_validate_json(report.to_json()) == report


def test_a_stack_s_report_shows_its_channels_and_the_plot_of_its_middle(noisy: np.ndarray) -> None:
    report = unnoise.inspect(np.stack([noisy, noisy // 2] * 3).reshape(3, 2, 96, 96), axes="TCYX")
    shown = report._repr_html_()
    assert "channel 1: noise level" in shown
    assert report.middle().level_text() in shown
    assert report.plot(title="stack").get_suptitle().startswith("stack")


def test_a_report_shows_its_verdict_and_its_panels(noisy: np.ndarray) -> None:
    _, report = unnoise.load("fast").denoise(noisy, report=True)
    shown = report._repr_html_()
    assert report.sentence()[:20] in shown
    assert '<img src="data:image/png;base64,iVBOR' in shown
    assert len(report.plot().axes) >= 6
