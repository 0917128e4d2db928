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


def test_a_report_shows_its_verdict_and_its_panels(noisy: np.ndarray) -> None:
    _, report = unnoise.load("fast").denoise(noisy, report=True)
    shown = report._repr_html_()
    assert report.sentence()[:20] in shown
    assert '<img src="data:image/png;base64,iVBOR' in shown
    assert len(report.plot().axes) >= 6
