"""File to file: each picture of a stack is restored as if alone, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from handmade import model_of
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.batch.run import plan
from unnoise.denoisers.dbsn import DBSN
from unnoise.errors import UsageError
from unnoise.images import Layout, Metadata, Picture, scratch
from unnoise.inference import sources
from unnoise.models.model import Model


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return model_of(DBSN(features=4, modules=1))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 65535, shape, np.uint16)


@pytest.mark.parametrize("aside", [False, True])
def test_frames_and_channels_are_as_if_alone(
    tmp_path: Path, model: Model, aside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if aside:
        monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    stack = noise(2, 5, 20, 24)  # TCYX
    np.save(tmp_path / "a.npy", stack)
    seen: list[tuple[int, int]] = []
    options: dict[str, Any] = {"precision": "float32", "axes": "TCYX"}
    denoise_file(model, tmp_path / "a.npy", tmp_path / "b.npy", progress=lambda *done: seen.append(done), **options)
    restored = np.load(tmp_path / "b.npy")
    for place in np.ndindex(2, 5):
        np.testing.assert_array_equal(restored[place], model.denoise(stack[place], precision="float32"))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    np.testing.assert_array_equal(model.denoise(stack, precision="float32", axes="TCYX"), restored)


def test_channels_in_groups(tmp_path: Path, model: Model) -> None:
    pixels = noise(20, 24, 6)
    images.write(tmp_path / "a.tif", Picture(pixels, stated=Layout("channels")))
    denoise_file(model, tmp_path / "a.tif", tmp_path / "b.tif", precision="float32", group=3)
    restored = images.read(tmp_path / "b.tif").pixels
    for first in (0, 3):
        part = slice(first, first + 3)
        np.testing.assert_array_equal(restored[..., part], model.denoise(pixels[..., part], precision="float32"))
    np.testing.assert_array_equal(model.denoise(pixels, precision="float32", axes="YXC", group=3), restored)
    with pytest.raises(UsageError, match=r"a\.tif has 6 channels, which do not divide into groups of 4"):
        denoise_file(model, tmp_path / "a.tif", tmp_path / "c.tif", group=4)
    assert not (tmp_path / "c.tif").exists()


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".png"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_strength_0_changes_nothing(tmp_path: Path, model: Model, suffix: str, channels: int) -> None:
    pixels = noise(20, 24, channels) if channels > 1 else noise(20, 24)
    images.write(tmp_path / f"a{suffix}", Picture(pixels, Metadata(xmp=b"<x/>", resolution=(11.8, 11.8))))
    denoise_file(model, tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", strength=0)
    assert (tmp_path / f"b{suffix}").read_bytes() == (tmp_path / f"a{suffix}").read_bytes()


@pytest.mark.parametrize(("strength", "detail"), [(1.0, 0.0), (0.5, 0.0), (0.0, 0.0), (1.0, 0.5)])
def test_pages_and_inks(tmp_path: Path, model: Model, strength: float, detail: float) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(noise(20, 24), photometric="minisblack", metadata=None)
        file.write(noise(24, 20, 4), photometric="separated", metadata=None)
        file.write(noise(20, 24, 5), photometric="minisblack", extrasamples=(0,) * 4, planarconfig="contig", metadata=None)
    denoise_file(model, tmp_path / "a.tif", tmp_path / "b.tif", strength=strength, detail=detail, report=strength == 1)
    with images.open(tmp_path / "a.tif") as old, images.open(tmp_path / "b.tif") as new:
        assert len(old) == len(new) == 3
        for index in range(3):
            before, after = old[index].picture(), new[index].picture()
            assert (after.shape, after.dtype, after.layout) == (before.shape, before.dtype, before.layout)
            changed = (after.pixels != before.pixels).reshape(-1, before.shape[-1] if index else 1).mean(0)
            assert (changed > 0.9).all() if strength else (changed == 0).all()  # the fourth ink is no alpha
    assert (tmp_path / "b.report.json").exists() == (strength == 1)


def test_each_channel_has_its_own_noise(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(0)
    levels = np.array([500, 4000, 100, 9000, 2000])
    pixels = (30000 + rng.normal(0, 1, (40, 48, 5)) * levels).clip(0, 65535).astype(np.uint16)
    images.write(tmp_path / "a.tif", Picture(pixels, stated=Layout("channels")))
    options: dict[str, Any] = {"precision": "float32", "strength": 0.7, "detail": 0.8}
    denoise_file(model, tmp_path / "a.tif", tmp_path / "b.tif", **options)
    wanted = model.denoise(pixels, axes="YXC", **options).astype(int)
    assert np.abs(images.read(tmp_path / "b.tif").pixels - wanted).max() <= 2  # the restoration is rounded before it is blended


def test_camera_raw_becomes_tiff(tmp_path: Path) -> None:
    (tmp_path / "a.nef").write_bytes(b"MM\0*")
    assert [job.target.name for job in plan([tmp_path / "a.nef"], None).jobs] == ["a_denoised.tif"]
    assert [job.target for job in plan([tmp_path], tmp_path / "out").jobs] == [tmp_path / "out" / "a.tif"]


def test_a_report_can_be_stopped(tmp_path: Path, model: Model) -> None:
    noisy = np.random.default_rng(0).normal(128, 20, (48, 48, 3)).clip(0, 255).astype(np.uint8)
    images.write(tmp_path / "a.png", Picture(noisy))
    seen: list[float] = []
    denoise_file(model, tmp_path / "a.png", tmp_path / "b.png", progress=lambda *done: seen.append(done[0] / done[1]))
    tiles, told = len(seen), 0

    def stop(done: int, of: int) -> None:
        nonlocal told
        told += 1
        if told > tiles + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise_file(model, tmp_path / "a.png", tmp_path / "c.png", progress=stop, report=True)
    assert told == tiles + 3
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_progress_goes_on_while_the_removal_is_bounded_and_can_stop_it(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "STRIP_PIXELS", 1)  # strips as low as they can be
    noisy = np.random.default_rng(0).normal(30000, 3000, (200, 60, 3)).clip(0, 65535).astype(np.uint16)
    images.write(tmp_path / "a.tif", Picture(noisy))
    seen: list[tuple[int, int]] = []
    options: dict[str, Any] = {"precision": "float32", "detail": 0.5, "tile": 100}
    denoise_file(model, tmp_path / "a.tif", tmp_path / "b.tif", progress=lambda *done: seen.append(done), **options)
    values = [done / of for done, of in seen]
    assert values == sorted(values)
    assert sum(value > 0.5 for value in values) > 1, "not all at once after the network"
    assert values[-1] == 1

    def stop(done: int, of: int) -> None:
        if done > of / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise_file(model, tmp_path / "a.tif", tmp_path / "c.tif", progress=stop, **options)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif"}
