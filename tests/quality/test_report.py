"""The report: what it holds, what it draws, and where it lies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from handmade import model_of
from unnoise import images, recipes
from unnoise.batch.one_file import denoise_file
from unnoise.batch.run import plan
from unnoise.denoisers import create
from unnoise.errors import UsageError
from unnoise.inference.do_no_harm import Guard
from unnoise.inference.options import DenoiseOptions
from unnoise.inference.pipeline import Pipeline
from unnoise.models.judging import report_on
from unnoise.models.model import Model, fresh
from unnoise.quality.mc_sure import PROBES, Judgement
from unnoise.quality.report import LARGEST, Report, make, middle
from unnoise.quality.verdict import Verdict


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return model_of(create("dncnn", layers=3, features=4))


def _noise(side: int = 48) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.clip(np.random.default_rng(0).normal(120, 20, (side, side, 3)), 0, 255).astype(np.uint8)


def test_the_result_is_the_same_with_a_report(model: Model) -> None:
    restored, report = model.denoise(_noise(), report=True, precision="float32")
    assert np.array_equal(restored, model.denoise(_noise(), precision="float32"))
    assert isinstance(report, Report)
    assert report.restored == pytest.approx(restored / 255, abs=0.5 / 255 + 1e-6)
    assert report.noisy.shape == (48, 48, 3)
    assert report.unsure.shape == report.structure.shape == (48, 48)
    assert (report.unsure >= 0).all()
    assert Judgement.model_validate_json(report.to_json()) == report.judgement


def test_what_came_back_unchanged_leaves_its_noise(model: Model) -> None:
    _, report = model.denoise(_noise(), report=True, strength=0)
    assert report.judgement.gain == pytest.approx(0, abs=0.05)
    assert report.judgement.left == pytest.approx(1, abs=0.02)
    assert report.verdict is Verdict.LEAVES_NOISE
    assert report.sentence().startswith("It leaves noise: ")
    assert report.harm() is None


def test_of_a_tiny_picture_nothing_is_told(model: Model) -> None:
    _, report = model.denoise(_noise(12), report=True)
    assert report.judgement.gain is None
    assert "too little" in report.sentence()


def test_the_result_and_its_judgement_go_through_the_same_bound(model: Model) -> None:
    """A network that shifts all means does no harm behind the bound, and the report says so."""
    noisy = _noise(96)
    _, bounded = model.denoise(noisy, report=True, bounded=True)
    _, free = model.denoise(noisy, report=True, bounded=False)
    assert free.verdict is Verdict.WORSE
    assert "worse" in (free.harm() or "")
    assert bounded.judgement.drift == pytest.approx(0, abs=0.02)
    assert bounded.harm() is None
    assert bounded.judgement.level == free.judgement.level
    assert free.judgement.level * 255 == pytest.approx(20, rel=0.1)


def test_the_bound_is_asked_for_each_probe(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def apply(guard: Guard, noisy: Tensor, restored: Tensor, coarse: object = None) -> Tensor:
        asked.append(noisy)
        return restored

    monkeypatch.setattr(Guard, "apply", apply)
    pipeline = Pipeline(model.network, model.recipe.scheme, DenoiseOptions(bounded=True).settings(model.recipe))
    picture = torch.from_numpy(_noise(64)).permute(2, 0, 1)[None] / 255
    report_on(pipeline, picture, picture, middle(64, 64))
    assert len(asked) == 1 + 2 * PROBES


def test_a_report_of_a_stack_says_that_it_judges_the_first_picture_alone(model: Model, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = (1000 + rng.normal(0, 20, (3, 64, 64))).astype(np.uint16)
    np.save(tmp_path / "a.npy", counts)
    options: dict[str, object] = {"axes": "ZYX", "precision": "float32", "normalization": "picture"}
    report = denoise_file(model, tmp_path / "a.npy", tmp_path / "b.npy", report=True, **options)  # type: ignore[arg-type]
    assert report is not None
    assert report.sentence().startswith("Only the first of 3 pictures was judged. ")
    assert json.loads((tmp_path / "b.report.json").read_text())["pictures"] == 3
    written = [text.get_text() for axes in report.draw().axes for text in axes.texts]
    assert "judged: the first of 3 pictures" in written[0]
    _, alone = model.denoise(counts[0], report=True, precision="float32", normalization="picture")
    assert "Only the first" not in alone.sentence()


def test_levels_of_measurements_are_in_their_own_values(model: Model) -> None:
    """Photographs of 8 bits count steps of 255; counts of a 16-bit camera and volts do not."""
    rng = np.random.default_rng(0)
    counts = (1000 + rng.normal(0, 20, (96, 96))).astype(np.uint16)
    wide = (30_000 + rng.normal(0, 1000, (96, 96))).astype(np.uint16)
    for picture, normalization, level in (
        (_noise(96), "full", "20"),
        (counts, "picture", "20"),
        (wide, "full", "1000"),
        (counts / 65535 * 1e-6, "picture", str(20 / 65535 * 1e-6)),
    ):
        _, report = model.denoise(picture, report=True, normalization=normalization, precision="float32")
        shown = float(report._level_text(report.judgement.level).split()[0])
        assert shown == pytest.approx(float(level), rel=0.1), report.sentence()
        unit = "of 255" if picture.dtype == np.uint8 else "in the picture's own values"
        titles = [axes.get_title() for axes in report.draw().axes]
        assert len([title for title in titles if unit in title]) == 2
        removed = next(title for title in titles if title.startswith("removed"))
        residual = (report.noisy - report.restored).std()
        span = float(removed.split("±")[1].split()[0])
        assert span == pytest.approx(4 * residual * report.white * report.map_scale, rel=0.02)


def test_old_reports_can_still_be_read() -> None:
    fields = dict.fromkeys(("gain", "uncertainty", "shaken", "replayed", "left", "lost"), 1.0)
    assert Judgement(level=0.1, correlation=0.0, **fields).verdict is Verdict.UNKNOWN


def test_a_report_lies_beside_the_result_and_is_no_picture_to_denoise(model: Model, tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", images.Picture(_noise()))
    target = tmp_path / "a_denoised.png"
    denoise_file(model, tmp_path / "a.png", target, report=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.png",
        target.name,
        "a_denoised.report.png",
        "a_denoised.report.json",
    }
    assert "gain" in json.loads((tmp_path / "a_denoised.report.json").read_text())
    assert images.read(tmp_path / "a_denoised.report.png").pixels.std() > 10
    assert [job.source.name for job in plan([tmp_path], None, overwrite=True).jobs] == ["a.png"]


@pytest.mark.parametrize("shape", [(7, 9), (20, 30, 1), (16, 16, 4)])
def test_any_picture_can_be_drawn(model: Model, shape: tuple[int, ...]) -> None:
    _, report = model.denoise(np.random.default_rng(0).random(shape), report=True)
    report.draw()


def test_a_batch_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="batch of 2"):
        model.denoise(torch.zeros(2, 3, 8, 8), report=True)
    with pytest.raises(UsageError, match="batch of 2"):
        make(*2 * [torch.zeros(2, 3, 8, 8)], lambda x: x, [], varied="", part=middle(8, 8), noise=None)
    with pytest.raises(UsageError, match="batch of 2"):
        model.judge(*2 * [torch.zeros(2, 3, 8, 8)])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1000, 1000), (4000, 6000), (10, 10**6)])
def test_the_middle_of_large_pictures_is_judged(height: int, width: int) -> None:
    rows, columns = middle(height, width)
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
    assert (rows.stop - rows.start) * (columns.stop - columns.start) <= 1.01 * LARGEST + height + width
    assert abs(rows.start + rows.stop - height) <= 1
    if height * width <= LARGEST:
        assert (rows, columns) == (slice(0, height), slice(0, width))


@pytest.mark.parametrize(
    ("denoiser", "scheme", "refinement", "kind"),
    [
        ({"name": "dncnn", "layers": 3, "features": 4}, "distillation", "none", "flips"),
        ({"name": "dncnn", "layers": 3, "features": 4}, "asymmetric-mask", "none", "draws"),
        ({"name": "dbsn", "features": 4, "modules": 1}, "pd-blind-spot", {"name": "r3", "draws": 2}, "draws"),
        ({"name": "tmbsn", "features": 4, "groups": 1, "blocks": 1}, "risk-averaged-blind-spot", "none", "blind spots"),
    ],
)
def test_what_is_varied_is_what_the_scheme_offers(
    denoiser: dict[str, object], scheme: str, refinement: object, kind: str
) -> None:
    torch.manual_seed(0)
    fields = {"name": "tiny", "denoiser": denoiser, "scheme": scheme, "refinement": refinement}
    model = fresh(recipes.validate(fields, "tiny"))
    pipeline = Pipeline(model.network, model.recipe.scheme, DenoiseOptions().settings(model.recipe))
    picture = torch.rand(1, 3, 20, 24)
    report = report_on(pipeline, picture, picture, middle(20, 24))
    assert report.varied == kind
    assert report.unsure.shape == (20, 24)
    assert (report.unsure > 0).any()


def test_judging_afterwards_is_judging_at_once(model: Model) -> None:
    noisy = np.random.default_rng(0).normal(0.5, 0.1, (40, 50, 3)).clip(0, 1).astype(np.float32)
    result, report = model.denoise(noisy, report=True, precision="float32")
    again = model.judge(noisy, result, precision="float32")
    assert again.judgement.gain == pytest.approx(report.judgement.gain, abs=1e-3)
    np.testing.assert_allclose(again.restored, report.restored, atol=1e-6)
    with pytest.raises(UsageError, match="shape"):
        model.judge(noisy, result[:20])
