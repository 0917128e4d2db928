"""Targets worked out ahead: every crop brings those of its own pixels, and a stopped run goes on where it was."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handmade import Affine, model_of
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tmbsn import TMBSN
from unnoise.errors import UnnoiseError
from unnoise.images.pixels import to_unit_float
from unnoise.recipes.schema import Training
from unnoise.schemes.teachers import TeacherChoice, TeacherOptions
from unnoise.training.feeding import CropBatches
from unnoise.training.image_pool import ImagePool
from unnoise.training.teacher_cache import TaughtPool, with_targets
from unnoise.training.teachers import Teachers, load_teachers

CPU = torch.device("cpu")


def _teachers(*networks: Denoiser, **each: object) -> Teachers:
    models = {str(number): model_of(network) for number, network in enumerate(networks)}
    choices = [TeacherChoice(model=name) for name in models]
    return load_teachers(choices, TeacherOptions.model_validate(each), networks[0], models.__getitem__)


def _pool(*shapes: tuple[int, int], channels: int = 3) -> ImagePool:
    draw = np.random.default_rng(0)
    kinds: list[Any] = [np.uint8, np.uint16, np.float32]
    pictures = []
    for number, shape in enumerate(shapes):
        kind = kinds[number % 3]
        values = draw.random((*shape, channels), dtype=np.float32)
        pictures.append(values if kind == np.float32 else (values * np.iinfo(kind).max).astype(kind))
    return ImagePool(pictures)


def _taught(pool: ImagePool, teachers: Teachers, folder: Path, **options: Any) -> TaughtPool:
    return with_targets(pool, teachers, folder, CPU, nullcontext, **options)


@given(
    flips=st.booleans(),
    turns=st.booleans(),
    crop=st.integers(8, 24),
    seed=st.integers(0, 1000),
    channels=st.sampled_from([1, 3]),
)
def test_each_crop_brings_the_targets_of_its_own_pixels(
    flips: bool, turns: bool, crop: int, seed: int, channels: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The teachers work pixel by pixel, so that a crop's targets follow from the crop, however it was cut, flipped and turned."""
    pool = _pool((20, 31), (17, 9), (40, 12), channels=channels)
    teachers = _teachers(Affine(0.5, channels=channels), Affine(-1.0, 0.9, channels=channels))
    taught = _taught(pool, teachers, tmp_path_factory.mktemp("cache"))
    training = Training(crop=crop, batch=3, flips=flips, turns=turns)
    batch = CropBatches(taught, training, seed)[1]
    assert batch.shape == (3, 3 * channels, crop, crop)
    noisy, half, inverse = batch.chunk(3, dim=1)
    assert torch.equal(noisy, CropBatches(pool, training, seed)[1])  # the same crops as without targets, to the bit
    assert (half - noisy * 0.5).abs().max() < 1 / 16 / 255
    assert (inverse - (0.9 - noisy)).abs().max() < 1 / 16 / 255


def test_tiles_of_large_pictures_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = TMBSN(features=4, groups=1, blocks=1)
    pool = _pool((70, 53))
    whole = _taught(pool, _teachers(network, holes=(0, 2, 6), pad=3), tmp_path / "whole")
    monkeypatch.setattr("unnoise.inference.tiling.sides_for", lambda chain, size: (16, 16))
    tiled = _taught(pool, _teachers(network, holes=(0, 2, 6), pad=3), tmp_path / "tiled")
    one, other = np.load(whole.files[0]), np.load(tiled.files[0])
    assert one.shape == (70, 53, 9)
    assert np.abs(one.astype(float) - other).max() < 1e-3
    noisy = torch.from_numpy(to_unit_float(pool.pictures[0])).permute(2, 0, 1)[None]
    targets = _teachers(network, holes=(0, 2, 6), pad=3)(noisy, (0.0, 1.0))[:, 0]  # (K, C, H, W)
    expected = targets.permute(2, 3, 0, 1).reshape(70, 53, 9).numpy()
    assert np.abs(one - expected).max() < 1e-3


class _Failing(Affine):
    """Gives up at the third picture."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().forward(x)


def test_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    pool, network = _pool((9, 9), (8, 8), (7, 7), (6, 6)), _Failing(0.5)
    with pytest.raises(KeyboardInterrupt):
        _taught(pool, _teachers(network), tmp_path)
    (home,) = tmp_path.iterdir()
    assert sorted(file.name for file in home.iterdir()) == ["000000.npy", "000001.npy"]
    said: list[str] = []
    _taught(pool, _teachers(network), tmp_path, on_message=said.append)
    assert network.calls == 5  # two, the one that failed, and the two that were missing
    assert len(list(home.iterdir())) == 4
    assert len(said) == 1
    assert "over 2 pictures" in said[0]
    _taught(pool, _teachers(network), tmp_path, on_message=said.append)
    assert (network.calls, len(said)) == (5, 1)


DAMAGE = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[:-1],
    "a damaged header": lambda data: data.replace(b"descr", b"d\xffscr"),
    "no array": lambda data: b"teachers" * 99,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_result_is_computed_again(damage: str, tmp_path: Path) -> None:
    pool = _pool((9, 9), (8, 8))
    taught = _taught(pool, _teachers(Affine(0.5)), tmp_path)
    sound = taught.files[1].read_bytes()
    taught.files[1].write_bytes(DAMAGE[damage](sound))
    said: list[str] = []
    again = _taught(pool, _teachers(Affine(0.5)), tmp_path, on_message=said.append)
    assert again.files[1].read_bytes() == sound
    assert said[0].startswith("1 results of the teachers are damaged, such as ")
    assert "over 1 pictures" in said[1]


def test_a_result_of_another_shape_or_type_is_computed_again(tmp_path: Path) -> None:
    pool = _pool((9, 9))
    file = _taught(pool, _teachers(Affine(0.5)), tmp_path).files[0]
    sound = np.load(file)
    for other in (sound[:-1], sound.astype(np.float32), np.asfortranarray(sound)[..., :2]):
        np.save(file, other)
        _taught(pool, _teachers(Affine(0.5)), tmp_path)
        np.testing.assert_array_equal(np.load(file), sound, strict=True)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_result_that_is_damaged_during_the_run_is_one_sentence(damage: str, tmp_path: Path) -> None:
    taught = _taught(_pool((9, 9)), _teachers(Affine(0.5)), tmp_path)
    taught.files[0].write_bytes(DAMAGE[damage](taught.files[0].read_bytes()))
    with pytest.raises(UnnoiseError, match=r"^The teachers' results in .*000000\.npy are damaged or gone; give .* --resume\.$"):
        taught.piece(0, slice(0, 9), slice(0, 9))


def test_other_teachers_or_pictures_lie_elsewhere(tmp_path: Path) -> None:
    pool = _pool((9, 9))
    homes = {
        _taught(pool, _teachers(Affine(0.5)), tmp_path).files[0].parent,
        _taught(pool, _teachers(Affine(0.6)), tmp_path).files[0].parent,
        _taught(pool, _teachers(Affine(0.5), ensemble=True), tmp_path).files[0].parent,
        _taught(_pool((9, 8)), _teachers(Affine(0.5)), tmp_path).files[0].parent,
    }
    assert len(homes) == 4


def test_processes_share_the_pictures(tmp_path: Path) -> None:
    pool, teachers = _pool(*[(5, 5)] * 5), _teachers(Affine(0.5))
    taught = _taught(pool, teachers, tmp_path, share=(1, 2))
    assert [file.is_file() for file in taught.files] == [False, True, False, True, False]
    taught = _taught(pool, teachers, tmp_path, share=(0, 2))
    assert all(file.is_file() for file in taught.files)
