"""Stacks and channels are learned from, whatever they come as, and never lie in memory as a whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from unnoise import recipes
from unnoise.errors import UsageError
from unnoise.models.model import fresh
from unnoise.photometry.normalization import Normalization
from unnoise.recipes import auto
from unnoise.training import pool_pictures
from unnoise.training.adapt import adapt
from unnoise.training.image_pool import from_arrays, from_files
from unnoise.training.options import TrainingStatus
from unnoise.training.train import train

NORMALIZATION = Normalization()
TINY = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1, "channels": 1},
    "scheme": {"name": "pd-blind-spot", "train_stride": 1, "infer_stride": 1},
    "normalization": "auto",
    "training": {"crop": 24, "batch": 2, "learning_rate": 1e-2},
}


def _counts(*shape: int, light: float = 60) -> NDArray[np.uint16]:
    draw = np.random.default_rng(0)
    ramp = np.linspace(0.5, 2, shape[-1])
    return draw.poisson(light * ramp + np.zeros(shape)).astype(np.uint16)


def test_a_stack_is_the_same_as_tiff_npy_and_array(tmp_path: Path) -> None:
    stack = _counts(4, 40, 50)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    np.save(tmp_path / "a.npy", stack)
    pools = [
        from_files([tmp_path / "a.tif"], 1, normalization=NORMALIZATION),
        from_files([tmp_path / "a.npy"], 1, axes="TYX", normalization=NORMALIZATION),
        from_arrays([stack], 1, axes="TYX", normalization=NORMALIZATION),
        from_arrays(list(stack), 1, normalization=NORMALIZATION),
    ]
    assert len({pool.fingerprint for pool in pools}) == 1
    assert [picture.shape for picture in pools[0].pictures] == [(40, 50, 1)] * 4


def test_channels_are_pictures_each_with_a_range_of_its_own() -> None:
    stack = np.stack([_counts(30, 40), 20 * _counts(30, 40)])  # (C, Y, X)
    pool = from_arrays([stack], 1, axes="CYX", normalization=NORMALIZATION)
    assert len(pool.pictures) == 2
    assert np.allclose(*pool.pictures, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_other_types_are_learned_from(dtype: type, tmp_path: Path) -> None:
    stack = _counts(2, 30, 40)
    np.save(tmp_path / "a.npy", stack.astype(dtype) - 500)
    pool = from_files([tmp_path / "a.npy"], 1, axes="TYX", normalization=NORMALIZATION)
    wanted = from_arrays([stack], 1, axes="TYX", normalization=NORMALIZATION)
    assert not pool.skipped
    assert all(np.allclose(*pair, atol=1e-4) for pair in zip(pool.pictures, wanted.pictures, strict=True))


def test_volts_are_shown_as_counts_are() -> None:
    """Values far below 1 have a range of their own, too."""
    stack = _counts(2, 30, 40)
    volts, counts = (from_arrays([x], 1, axes="TYX", normalization=NORMALIZATION).pictures for x in (stack * 1e-9, stack))
    assert all(np.allclose(*pair, atol=1e-3) for pair in zip(volts, counts, strict=True))


def test_a_large_frame_becomes_bands_with_one_range(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = _counts(64, 50)
    picture[:32] *= 3
    whole = from_arrays([picture], 1, normalization=NORMALIZATION).pictures[0]
    monkeypatch.setattr(pool_pictures, "BAND_PIXELS", 1000)
    bands = from_arrays([picture], 1, normalization=NORMALIZATION).pictures
    assert [len(band) for band in bands] == [16] * 4
    assert np.array_equal(np.concatenate(bands), whole)


def test_memory_is_bounded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.lib.stride_tricks.as_strided(_counts(256, 256), (60, 256, 256), (0, 512, 2)))  # 8 MB
    tracemalloc.start()
    pool = from_files([tmp_path / "a.npy"], 1, axes="TYX", normalization=NORMALIZATION, memory=10**6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(picture.nbytes for picture in pool.pictures) == 60 * 4 * 256**2  # 16 MB
    assert peak < 8e6
    assert len(pool.pictures) == 60


def test_an_array_that_may_mean_many_things_asks_for_axes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="axes='ZYX'"):
        train(_counts(9, 40, 40), recipes.validate(TINY, "tiny"), output=tmp_path, steps=1, device="cpu")


def test_training_takes_a_stack_and_says_what_it_does(tmp_path: Path) -> None:
    told: list[TrainingStatus] = []
    np.save(tmp_path / "a.npy", _counts(6, 64, 64))
    model = train(
        tmp_path / "a.npy",
        recipes.validate(TINY, "tiny"),
        output=tmp_path / "run",
        steps=4,
        device="cpu",
        axes="TYX",
        progress=told.append,
    )
    assert model.card.steps == 4
    stages = [status.stage for status in told if status.stage]
    assert stages[0] == "reading the pictures"
    assert "reading the pictures, 1 of 1 files" in stages
    assert stages[-1].startswith("comparing")
    assert all(status.loss is None or np.isfinite(status.loss) for status in told)
    first = next(status for status in told if not status.stage)
    assert first.loss is None or first.step >= 3


def test_adapting_takes_a_stack() -> None:
    model = fresh(recipes.validate(TINY, "tiny"))
    adapted = adapt(model, _counts(7, 64, 64), axes="TYX", steps=8, device="cpu")
    assert adapted.model.network.sizes["channels"] == 1


def test_auto_goes_on_from_a_shipped_model(tmp_path: Path) -> None:
    stack = _counts(3, 96, 96)
    found = auto.choose([stack], shipped=True, axes="TYX")
    assert (found.recipe, found.start, found.overrides) == ("fine-tune", "default", {"denoiser.channels": 1})
    color = np.clip(np.random.default_rng(0).normal(120, 15, (96, 96, 3)), 0, 255).astype(np.uint8)
    assert auto.choose([color], shipped=True)[0::3] == ("tm-bsn-quick", "tm-bsn")
    assert auto.choose([stack], quick=True, axes="TYX")[0::3] == ("tm-bsn-quick", "")
    told: list[str] = []
    options: dict[str, Any] = {"overrides": {"training.crop": 48, "training.batch": 1}, "on_message": told.append}
    model = train(stack, "auto", output=tmp_path, steps=1, device="cpu", axes="TYX", compare=False, **options)
    assert model.network.sizes["channels"] == 1
    assert "goes on from the shipped model default" in told[0]
    from unnoise.models import shipped

    before = shipped.load("default").denoise(stack[0]).astype(float)
    noisy = stack[0].astype(float)
    after = model.denoise(stack[0]).astype(float)
    assert np.abs(after - before).mean() < 0.3 * np.abs(noisy - before).mean()  # one small step away from it
