"""Pairs of pictures: crops of both show the same place, pictures that do not belong together are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unnoise import images, recipes
from unnoise.errors import UsageError
from unnoise.recipes.schema import Training
from unnoise.training.feeding import CropBatches
from unnoise.training.image_pool import ImagePool
from unnoise.training.paired_pool import PairedPool, from_pairs
from unnoise.training.train import train


def _numbered(count: int, side: int) -> list[np.ndarray]:
    """Pictures in which every pixel has another value."""
    return [(np.arange(side * side * 3).reshape(side, side, 3) + 4000 * k).astype(np.uint16) for k in range(count)]


def test_crops_of_both_show_the_same_place() -> None:
    noisy, clean = from_pairs(_numbered(3, 40), [picture + 7 for picture in _numbered(3, 40)], 3)
    batches = CropBatches(PairedPool(noisy, clean), Training(crop=16, batch=8), seed=3)
    crops = batches[5].numpy() * 65535
    assert crops.shape == (8, 6, 16, 16)
    assert np.allclose(crops[:, 3:] - crops[:, :3], 7, atol=0.01)
    assert len(np.unique(crops[:, 0, 0, 0])) > 4


def test_files_are_paired_and_broken_ones_skipped_together(tmp_path: Path) -> None:
    places = []
    for kind, value in (("noisy", 90), ("clean", 100)):
        (tmp_path / kind).mkdir()
        for name in "abc":
            path = tmp_path / kind / f"{name}.png"
            images.write(path, images.Picture(np.full((20, 24, 3), value + ord(name), np.uint8)))
            places.append(path)
    places[4].write_bytes(b"no picture")  # clean/b.png
    noisy, clean = from_pairs(places[:3], places[3:], 3)
    assert [int(picture[0, 0, 0]) for picture in noisy.pictures] == [90 + ord("a"), 90 + ord("c")]
    assert [int(picture[0, 0, 0]) for picture in clean.pictures] == [100 + ord("a"), 100 + ord("c")]
    assert len(noisy.skipped) == 1
    assert "b.png" in noisy.skipped[0]


@pytest.mark.parametrize(
    ("targets", "match"),
    [
        (
            [np.zeros((8, 9, 3), np.uint8)],
            "must agree in size, frames and channels, but picture 1 is 8×8×3 and target 1 is 8×9×3",
        ),
        ([np.zeros((2, 8, 8, 3), np.uint8)], "target 1 is 2 frames of 8×8×3"),
        ([], "There are 1 noisy pictures and 0 targets"),
    ],
)
def test_pictures_that_are_no_pair(targets: list[np.ndarray], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        from_pairs([np.zeros((8, 8, 3), np.uint8)], targets, 3)


def test_a_pool_of_other_pictures_is_no_partner() -> None:
    one, other = ImagePool([np.zeros((8, 8, 1))]), ImagePool([np.zeros((8, 9, 1))])
    with pytest.raises(UsageError, match="shapes must agree"):
        PairedPool(one, other)


@pytest.mark.parametrize(
    ("recipe", "given", "match"),
    [
        ("supervised-quick", False, "The scheme 'supervised' learns from pairs, and no targets are given"),
        ("noise2noise-quick", False, "The scheme 'noise2noise' learns from pairs"),
        ("tm-bsn-quick", True, "learns from noisy pictures alone; leave out the targets"),
    ],
)
def test_targets_are_given_where_they_are_wanted(recipe: str, given: bool, match: str, tmp_path: Path) -> None:
    picture = [np.zeros((32, 32, 3), np.uint8)]
    with pytest.raises(UsageError, match=match):
        train(picture, recipe, output=tmp_path / "run", steps=1, targets=picture if given else None)
    assert not (tmp_path / "run").exists()


def test_measurements_are_not_normalized_apart(tmp_path: Path) -> None:
    recipe = recipes.load("supervised-quick", {"normalization": "picture"})
    picture = [np.zeros((32, 32, 3), np.uint8)]
    with pytest.raises(UsageError, match="set normalization=full"):
        train(picture, recipe, output=tmp_path / "run", steps=1, targets=picture)


def test_a_training_learns_what_the_targets_show_and_resumes_exactly(tmp_path: Path) -> None:
    """The targets are the pictures turned dark, which no noisy picture tells."""
    fields = {"denoiser": {"name": "dncnn", "features": 8, "layers": 3}, "training.crop": 16, "training.learning_rate": 1e-2}
    recipe = recipes.load("supervised-quick", fields | {"training.batch": 4, "training.ema": 0, "training.warmup_steps": 0})
    draw = np.random.default_rng(0)
    noisy = [draw.integers(100, 200, (32, 32, 3), np.uint8) for _ in range(4)]
    targets = [picture // 3 for picture in noisy]
    options = {"device": "cpu", "precision": "float32", "compare": False}
    whole = train(noisy, recipe, output=tmp_path / "whole", steps=40, targets=targets, **options)
    assert abs(whole.denoise(noisy[0]).mean() - targets[0].mean()) < 15  # the noisy picture is brighter by 100
    train(noisy, recipe, output=tmp_path / "part", steps=2, targets=targets, **options)
    messages: list[str] = []
    train(noisy, recipe, output=tmp_path / "part", steps=3, resume=True, targets=noisy, on_message=messages.append, **options)
    assert any("not those that the run began with" in sentence for sentence in messages)
