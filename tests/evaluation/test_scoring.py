"""Evaluating a model: what it is shown, what it scores, and what the record says."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reference import data_dir
from unnoise.errors import UsageError
from unnoise.evaluation.datasets import DataSet, Entry, open_set
from unnoise.evaluation.metrics import psnr
from unnoise.evaluation.protocols import lookup as protocol
from unnoise.evaluation.scoring import Evaluation, evaluate
from unnoise.images import to_tensor

GENERATOR = np.random.default_rng(0)


class Judged:
    """A model that does `how` to each image, and remembers what it was given."""

    def __init__(self, how: Callable[[np.ndarray], np.ndarray] = lambda image: image) -> None:
        self.how = how
        self.seen: list[tuple[np.ndarray, dict[str, Any]]] = []

    def denoise(self, image: np.ndarray, /, **options: Any) -> np.ndarray:
        self.seen.append((image, options))
        return self.how(image)


def make_pairs(folder: Path, count: int = 3, dtype: type = np.uint8, shape: tuple[int, ...] = (16, 20, 3)) -> DataSet:
    """Noisy and clean pictures of `shape` in files."""
    white = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    for number in range(count):
        clean = GENERATOR.random(shape)
        noisy = np.clip(clean + 0.1 * GENERATOR.standard_normal(shape), 0, 1)
        for name, image in (("noisy", noisy), ("clean", clean)):
            (folder / name).mkdir(exist_ok=True)
            scaled = np.rint(image * white) if white > 1 else image
            np.save(folder / name / f"{number}.npy", scaled.astype(dtype))
    return open_set(f"pairs:{folder}")


def by_skimage(restored: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """PSNR and SSIM of 8-bit images as the default protocol has them."""
    similarity = structural_similarity(
        restored, clean, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return peak_signal_noise_ratio(clean, restored), similarity


def test_input_and_result_are_scored_side_by_side(tmp_path: Path) -> None:
    pictures = make_pairs(tmp_path)
    outcome = evaluate(Judged(lambda image: 0.913 * image), pictures)
    for pair, image in zip(pictures, outcome.images, strict=True):
        assert pair.clean is not None
        darker = np.rint(0.913 * pair.noisy.astype(np.float32)).astype(np.uint8)
        assert image.name == pair.name
        assert (image.noisy.psnr, image.noisy.ssim) == pytest.approx(by_skimage(pair.noisy, pair.clean), abs=1e-6)
        assert (image.restored.psnr, image.restored.ssim) == pytest.approx(by_skimage(darker, pair.clean), abs=1e-6)
    for score, images in (
        (outcome.noisy, [i.noisy for i in outcome.images]),
        (outcome.restored, [i.restored for i in outcome.images]),
    ):
        assert score.psnr == pytest.approx(np.mean([image.psnr for image in images]))
        assert score.ssim == pytest.approx(np.mean([image.ssim for image in images]))
    assert outcome.seconds == pytest.approx(sum(image.seconds for image in outcome.images))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_model_sees_float32_in_0_to_1_of_any_depth(dtype: type, tmp_path: Path) -> None:
    model = Judged()
    (pair,) = pictures = make_pairs(tmp_path, 1, dtype)
    evaluate(model, pictures)
    ((seen, _),) = model.seen
    white = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, pair.noisy / white, rtol=1e-6)


def test_rounding_is_left_to_the_protocol(tmp_path: Path) -> None:
    pictures = make_pairs(tmp_path, 1)
    shifted = Judged(lambda image: image + np.float32(0.3 / 255))  # less than half a level: nothing after rounding
    for name, is_same in (("default", True), ("ap-bsn", True), ("at-bsn", False)):
        (image,) = evaluate(shifted, pictures, name).images
        assert (image.noisy == image.restored) is is_same


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_not_scored(channels: int, tmp_path: Path) -> None:
    make_pairs(tmp_path, 1, shape=(12, 13, channels))
    (with_alpha,) = evaluate(Judged(), f"pairs:{tmp_path}").images
    for path in tmp_path.glob("*/*.npy"):
        np.save(path, np.load(path)[..., :-1])
    (without,) = evaluate(Judged(), f"pairs:{tmp_path}").images
    assert with_alpha.noisy == without.noisy


def test_grey_pictures_need_no_channel_axis(tmp_path: Path) -> None:
    (image,) = evaluate(Judged(), make_pairs(tmp_path, 1, shape=(16, 17))).images
    assert math.isfinite(image.restored.ssim)


def test_options_reach_the_model_and_the_record(tmp_path: Path) -> None:
    model = Judged()
    outcome = evaluate(model, make_pairs(tmp_path, 1), refine=True, tile=64, precision=None, where=Path("x"))
    assert model.seen[0][1] == {"refine": True, "tile": 64, "precision": None, "where": Path("x")}
    assert outcome.options == {"refine": True, "tile": 64, "precision": None, "where": "x"}


def test_the_record_says_what_was_judged_on_what(tmp_path: Path) -> None:
    make_pairs(tmp_path, 1)
    model = Judged()
    outcome = evaluate(model, f"pairs:{tmp_path}", "amsnet")
    assert (outcome.model, outcome.data, outcome.protocol) == ("Judged", f"pairs:{tmp_path}", "amsnet")
    model.recipe = SimpleNamespace(name="at-bsn")  # type: ignore[attr-defined]
    assert evaluate(model, f"pairs:{tmp_path}").model == "at-bsn"
    assert evaluate(model, f"pairs:{tmp_path}", name="runs/mine").model == "runs/mine"


def test_a_limited_set_is_spread_over_the_whole() -> None:
    from unnoise.evaluation.datasets import DataSet, Entry

    whole = DataSet("set", [Entry(str(number), Path("a"), Path("b")) for number in range(192)])
    assert [entry.name for entry in whole.spread(6).entries] == ["0", "32", "64", "96", "128", "160"]
    assert len(whole.spread(500)) == 192


@pytest.mark.parametrize(("limit", "expected"), [(None, 3), (1, 1), (2, 2), (9, 3)])
def test_a_limit_ends_it_early_and_progress_counts_to_it(limit: int | None, expected: int, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    model = Judged()
    outcome = evaluate(model, make_pairs(tmp_path), limit=limit, progress=lambda *step: told.append(step))
    assert [image.name for image in outcome.images] == ["0", "1", "2"][:expected]
    assert len(model.seen) == expected
    assert told == [(done, expected) for done in range(expected + 1)]


def test_one_picture_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unnoise import images

    files: list[str] = []
    read = images.read
    monkeypatch.setattr(images, "read", lambda path: (files.append(Path(path).stem), read(path))[1])
    seen_at = Judged(lambda image: (files.append("denoised"), image)[1])
    evaluate(seen_at, make_pairs(tmp_path))
    assert files == [step for name in "012" for step in (name, name, "denoised")]


def test_json_round_trips_even_infinity_and_nan(tmp_path: Path) -> None:
    make_pairs(tmp_path, 1, shape=(9, 30))  # too low for the window
    np.save(tmp_path / "noisy" / "0.npy", np.load(tmp_path / "clean" / "0.npy"))
    outcome = evaluate(Judged(), f"pairs:{tmp_path}")
    text = outcome.to_json()
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert parsed["restored"] == parsed["images"][0]["noisy"] == {"psnr": "Infinity", "ssim": "NaN"}
    again = Evaluation.from_json(text)
    assert again.restored.psnr == math.inf
    assert math.isnan(again.images[0].noisy.ssim)
    assert again.to_json() == text


def test_the_table_shows_pictures_and_means(tmp_path: Path) -> None:
    outcome = evaluate(Judged(lambda image: 0.913 * image), make_pairs(tmp_path), limit=2)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(outcome.table())
    shown = console.export_text()
    for score in (outcome.noisy, outcome.restored, *(image.restored for image in outcome.images)):
        assert f"{score.psnr:.2f}" in shown
        assert f"{score.ssim:.3f}" in shown
    assert f"{outcome.restored.psnr - outcome.noisy.psnr:.2f}" in shown
    assert "mean of 2" in shown
    assert outcome.table().row_count == 3
    assert outcome.table(per_image=False).row_count == 1


def test_what_cannot_be_scored_is_refused_before_any_denoising(tmp_path: Path) -> None:
    model = Judged()
    pictures = make_pairs(tmp_path)
    with pytest.raises(UsageError, match="no clean pictures"):
        evaluate(model, f"folder:{tmp_path}/noisy")
    with pytest.raises(UsageError, match="no clean pictures"):
        evaluate(model, DataSet("half", [*pictures.entries, Entry("x", tmp_path / "x.npy")]))
    with pytest.raises(UsageError, match="no scoring protocol named 'x'"):
        evaluate(model, pictures, "x")
    with pytest.raises(UsageError, match="limit of 0"):
        evaluate(model, pictures, limit=0)
    with pytest.raises(UsageError, match="method denoise is needed, got str"):
        evaluate("fast", pictures)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no data set named 'x'"):
        evaluate(model, "x:y")
    assert not model.seen


def test_a_result_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\(1, 3, 15, 20\) and \(1, 3, 16, 20\)"):
        evaluate(Judged(lambda image: image[1:]), make_pairs(tmp_path))


def test_importing_it_imports_no_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys, unnoise.evaluation.scoring; sys.exit('torch' in sys.modules)"], check=True
    )


@pytest.mark.data
def test_the_noisy_sidd_blocks_score_as_is_known() -> None:
    scores = []
    for pair in open_set(f"sidd-val:{data_dir('sidd_val')}"):
        assert pair.clean is not None
        scores += protocol("default").score(to_tensor(pair.noisy)[0], to_tensor(pair.clean)[0])
    assert np.mean([score.psnr for score in scores]) == pytest.approx(24.78, abs=0.005)
    assert np.mean([score.ssim for score in scores]) == pytest.approx(0.363, abs=0.0005)


@pytest.mark.data
def test_the_noisy_polyu_crops_score_as_is_known() -> None:
    decibels = []
    for pair in open_set(f"polyu:{data_dir('polyu')}"):
        assert pair.clean is not None
        decibels.append(psnr(to_tensor(pair.noisy)[0], to_tensor(pair.clean)[0]).item())
    assert np.mean(decibels) == pytest.approx(35.97, abs=0.005)


@pytest.mark.data
@pytest.mark.parametrize("name", ["default", "ap-bsn", "at-bsn"])
def test_real_pairs_score_as_by_scikit_image(name: str) -> None:
    """PSNR to 1e-6 dB and SSIM to 1e-5, in each protocol."""
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "win_size": 11}
    for spec in (f"polyu:{data_dir('polyu')}", f"sidd-val:{data_dir('sidd_val')}"):
        for pair in open_set(spec).spread(2):
            assert pair.clean is not None
            (found,) = protocol(name).score(to_tensor(pair.noisy)[0], to_tensor(pair.clean)[0])
            assert found.psnr == pytest.approx(peak_signal_noise_ratio(pair.clean, pair.noisy, data_range=255), abs=1e-6)
            both = [rgb2ycbcr(each)[..., :1] if name == "at-bsn" else each.astype(float) for each in (pair.noisy, pair.clean)]
            options: dict[str, Any] = {} if name == "ap-bsn" else gaussian
            expected = structural_similarity(*both, channel_axis=-1, data_range=255, **options)
            assert found.ssim == pytest.approx(expected, abs=1e-5)
