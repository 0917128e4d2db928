"""From files to batches: every depth and size, in memory or mapped, and the same batches for the same seed."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import Picture
from unnoise.photometry.normalization import Normalization
from unnoise.recipes.schema import Training
from unnoise.training.feeding import CropBatches, data_loader
from unnoise.training.image_pool import ImagePool, from_arrays, from_files

SMALL = Training(crop=16, batch=4)


def _random(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.random(shape, np.float32) if dtype is np.float32 else draw.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    images.write(tmp_path / "a.png", Picture(_random(40, 30, 3)))
    images.write(tmp_path / "b.tif", Picture(_random(25, 50, 4, dtype=np.uint16)))
    images.write(tmp_path / "c.png", Picture(_random(33, 21)))
    images.write(tmp_path / "d.tif", Picture(_random(20, 20, 3, dtype=np.float32)))
    np.save(tmp_path / "e.npy", _random(3, 24, 24, 3))
    return sorted(tmp_path.iterdir())


def test_every_depth_and_kind_ends_in_the_unit_range(files: list[Path]) -> None:
    pool = from_files(files, channels=3)
    assert [picture.shape for picture in pool.pictures] == [
        (40, 30, 3),
        (25, 50, 3),
        (33, 21, 3),
        (20, 20, 3),
        *[(24, 24, 3)] * 3,
    ]
    assert [picture.dtype.name for picture in pool.pictures[:4]] == ["uint8", "uint16", "uint8", "float32"]
    assert all((pool.pictures[2][..., 0] == pool.pictures[2][..., k]).all() for k in (1, 2))  # grey, three times
    batches = CropBatches(pool, SMALL, seed=0)
    for number in range(20):
        batch = batches[number]
        assert batch.shape == (4, 3, 16, 16)
        assert batch.dtype == torch.float32
        assert 0 <= batch.min() < 0.2
        assert 0.8 < batch.max() <= 1


def test_mapped_pictures_equal_those_in_memory(files: list[Path]) -> None:
    held, mapped = from_files(files, channels=3), from_files(files, channels=3, memory=4000)
    assert any(isinstance(picture, np.memmap) for picture in mapped.pictures)
    assert held.fingerprint == mapped.fingerprint
    for one, other in zip(held.pictures, mapped.pictures, strict=True):
        assert np.array_equal(one, other)
    assert torch.equal(CropBatches(held, SMALL, seed=3)[5], CropBatches(mapped, SMALL, seed=3)[5])


def test_many_mapped_pictures_hold_one_file_open(tmp_path: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("open files can be counted on Linux alone")
    np.save(tmp_path / "many.npy", _random(300, 9, 9, 3))
    before = len(list(folder.iterdir()))
    pool = from_files([tmp_path / "many.npy"], channels=3, memory=100)
    assert len(pool.pictures) == 300
    assert len(list(folder.iterdir())) < before + 10


def test_bad_files_are_named_and_left_out(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    pool = from_files([*files, tmp_path / "bad.png"], channels=3)
    assert len(pool.pictures) == 7
    assert len(pool.skipped) == 1
    assert "bad.png" in pool.skipped[0]
    with pytest.raises(UsageError, match=r"nothing to train on: .*bad\.png"):
        from_files([tmp_path / "bad.png"], channels=3)


def test_damaged_arrays_are_left_out_too(files: list[Path], tmp_path: Path) -> None:
    whole = files[-1].read_bytes()
    for number, content in enumerate(
        [b"", whole[:50], whole[:9], whole[:400], whole.replace(b"{'descr'", b"{'descr ", 1), b"text"]
    ):
        (tmp_path / f"bad{number}.npy").write_bytes(content)
    bad = sorted(tmp_path.glob("bad*.npy"))
    pool = from_files([*bad, *files], channels=3)
    assert len(pool.pictures) == 7
    assert len(pool.skipped) == len(bad)
    assert all(sentence.startswith(str(file)) for sentence, file in zip(pool.skipped, bad, strict=True))


def test_no_room_for_what_memory_does_not_hold(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to leave that picture out."""

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(UnnoiseError, match=r"cannot take the others \(No space left on device\); set TMPDIR"):
        from_files(files, channels=3, memory=4000)
    assert len(from_files(files, channels=3).pictures) == 7


@pytest.mark.parametrize(("low", "high", "fits"), [(-0.4, 1.4, True), (0, 255, False), (-3, 1, False)])
def test_floats_on_another_scale_want_levels(low: float, high: float, fits: bool, tmp_path: Path) -> None:
    picture = np.linspace(low, high, 48, dtype=np.float32).reshape(4, 4, 3)
    np.save(tmp_path / "a.npy", picture)
    if fits:
        assert np.array_equal(from_arrays([picture], channels=3).pictures[0], picture)
    else:
        for levels in (None, Normalization(of="auto")):  # those of colours are not the picture's own unless asked for
            with pytest.raises(
                UsageError, match=r"picture 1 has values from .* floats must lie in 0\.\.1 .*normalization=picture"
            ):
                from_arrays([picture], channels=3, normalization=levels)
        with pytest.raises(UsageError, match=r"a\.npy has values from"):
            from_files([tmp_path / "a.npy"], channels=3)
    seen = from_arrays([picture], channels=3, normalization=Normalization(of="picture")).pictures[0]
    assert 0 <= seen.min() < seen.max() <= 1
    assert (from_arrays([picture * 0 + 70], channels=3, normalization=Normalization(of="picture")).pictures[0] == 0.5).all()


@given(height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(8, 32))
def test_crops_are_pieces_of_the_picture(height: int, width: int, side: int) -> None:
    picture = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    piece = ImagePool([picture]).crop(np.random.default_rng(0), side)
    assert piece.shape == (side, side, 1)
    inner = piece[: min(side, height), : min(side, width), 0]
    row, column = divmod(int(inner[0, 0]), width)
    assert np.array_equal(inner, picture[row : row + side, column : column + side, 0])


def test_pictures_are_drawn_by_their_area() -> None:
    small, large = np.zeros((20, 20, 1), np.uint8), np.full((40, 60, 1), 255, np.uint8)
    pool = ImagePool([small, large])
    draw = np.random.default_rng(0)
    seen = Counter(int(pool.crop(draw, 8).max()) for _ in range(2000))
    assert seen[255] / 2000 == pytest.approx(2400 / 2800, abs=0.03)


@pytest.mark.parametrize(("flips", "turns", "count"), [(True, True, 8), (False, True, 4), (True, False, 4), (False, False, 1)])
def test_every_symmetry_comes_up(flips: bool, turns: bool, count: int) -> None:
    picture = np.arange(64, dtype=np.float32).reshape(8, 8, 1) / 64
    batches = CropBatches(ImagePool([picture]), Training(crop=8, batch=1, flips=flips, turns=turns), 0)
    seen = Counter(tuple(batches[n].flatten().tolist()) for n in range(200))
    assert len(seen) == count
    assert min(seen.values()) > 200 / count / 3
    assert tuple(picture.flatten().tolist()) in seen
    if not turns:  # both ways, and no row becomes a column
        mirrored = {tuple(picture[::rows, ::columns].flatten().tolist()) for rows in (1, -1) for columns in (1, -1)}
        assert set(seen) <= mirrored


def test_a_batch_depends_on_seed_and_number_alone(files: list[Path]) -> None:
    pool = from_files(files, channels=3)
    straight = list(data_loader(CropBatches(pool, SMALL, seed=1), 0, 6, workers=0))
    resumed = list(data_loader(CropBatches(pool, SMALL, seed=1), 3, 6, workers=2))
    assert all(torch.equal(one, other) for one, other in zip(straight[3:], resumed, strict=True))
    assert not torch.equal(straight[0], CropBatches(pool, SMALL, seed=2)[0])
    assert not torch.equal(straight[0], straight[1])


def test_processes_share_a_batch(files: list[Path]) -> None:
    pool = from_files(files, channels=3)
    parts = [CropBatches(pool, SMALL, 0, process=k, processes=2)[0] for k in range(2)]
    assert [len(part) for part in parts] == [2, 2]
    assert not torch.equal(*parts)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((4, 4, 7), np.uint8), "axes='ZYX'"),
        (np.zeros((4, 4), bool), "holds bool"),
        (np.full((4, 4), 70, np.int32), r"must lie in 0\.\.1"),
        (np.zeros((0, 4), np.uint8), "shape"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        from_arrays([array], channels=3)


def test_colour_for_a_grey_network_is_averaged() -> None:
    picture = _random(9, 8, 3)
    assert np.allclose(from_arrays([picture], channels=1).pictures[0][..., 0], picture.mean(2), atol=1)


def test_an_error_that_cannot_be_sent_does_not_leave_the_training_waiting() -> None:
    """As those of pyvips where it does not fit its library: the process that draws crops could not hand it over, and all stood still."""
    kind = type("Unsendable", (Exception,), {"__module__": "nowhere"})

    class Broken(ImagePool):
        def crop(self, draw: np.random.Generator, side: int) -> np.ndarray:
            raise kind("libvips is of another version")

    batches = CropBatches(Broken([_random(20, 20, 3)]), SMALL, seed=0)
    with pytest.raises(RuntimeError, match="Unsendable: libvips is of another version"):
        next(iter(data_loader(batches, 0, 3, workers=1)))
