"""Stores of crops: what was cut is what slicing gives, an interrupted one ends as one that never stopped."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation.datasets import open_set, preparing
from unnoise.evaluation.datasets.preparing import corners, prepare
from unnoise.files.locking import FolderInUseError
from unnoise.models import shipped
from unnoise.recipes.schema import Training
from unnoise.training.crop_store import CropStore, CropWriter, Header, crop_store_of, read_journal
from unnoise.training.feeding import CropBatches


def _set(folder: Path, sizes: list[tuple[int, int]]) -> str:
    draw = np.random.default_rng(0)
    for kind in ("noisy", "clean"):
        (folder / kind).mkdir(parents=True)
        for number, size in enumerate(sizes):
            images.write(folder / kind / f"{number}.png", images.Picture(draw.integers(0, 256, (*size, 3), np.uint8)))
    return f"pairs:{folder}"


def _bytes(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir()}


def test_crops_are_those_of_the_pictures(tmp_path: Path) -> None:
    data = _set(tmp_path / "set", [(40, 33), (16, 16)])
    made = prepare(open_set(data), tmp_path / "store", crop=16, step=12)
    store = CropStore(tmp_path / "store")
    assert store.clean is not None
    expected = []
    for name in ("0", "1"):
        pixels = [images.read(tmp_path / "set" / kind / f"{name}.png").pixels for kind in ("noisy", "clean")]
        for top in [0, 12, 24] if name == "0" else [0]:
            for left in [0, 12, 17] if name == "0" else [0]:
                place = (slice(top, top + 16), slice(left, left + 16))
                expected.append((pixels[0][place], pixels[1][place]))
    assert made.crops == len(expected) == len(store.noisy) == 10
    assert all(np.array_equal(store.noisy[k], noisy) for k, (noisy, _) in enumerate(expected))
    assert all(np.array_equal(store.clean[k], clean) for k, (_, clean) in enumerate(expected))
    assert isinstance(store.noisy.base, np.memmap)  # no copy in memory


def test_two_processes_do_not_write_into_one_store(tmp_path: Path) -> None:
    data = _set(tmp_path / "set", [(16, 16)])
    with (
        CropWriter(tmp_path / "store", Header(data="a", crop=8, step=8, channels=1, dtype="uint8", has_clean=False)),
        pytest.raises(FolderInUseError, match="writes into"),
    ):
        CropWriter(tmp_path / "store", Header(data="a", crop=8, step=8, channels=1, dtype="uint8", has_clean=False))
    with pytest.raises(UsageError, match="another folder"):
        prepare(open_set(data), tmp_path / "store", crop=16)
    prepare(open_set(data), tmp_path / "other", crop=16)
    assert not list((tmp_path / "other").glob(".*"))


@pytest.mark.parametrize(("length", "crop", "step"), [(20, 8, 8), (8, 8, 3), (100, 16, 7)])
def test_crops_cover_the_whole_side(length: int, crop: int, step: int) -> None:
    starts = corners(length, crop, step)
    assert (starts[0], starts[-1] + crop) == (0, length)
    assert all(0 < after - before <= step for before, after in pairwise(starts))


@pytest.mark.parametrize("harm", ["none", "crop", "line"])
def test_an_interrupted_store_ends_as_one_that_never_stopped(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_set(_set(tmp_path / "set", [(32, 32)] * 5))
    prepare(data, tmp_path / "whole", crop=16)
    real = preparing.read_pair
    read: list[str] = []

    def stopping(entry: preparing.Entry) -> preparing.Pair:
        read.append(entry.name)
        if len(read) == 4:
            raise KeyboardInterrupt
        return real(entry)

    monkeypatch.setattr(preparing, "read_pair", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(data, tmp_path / "part", crop=16)
    with pytest.raises(UsageError, match="is not finished"):
        crop_store_of(tmp_path / "part")
    if harm == "crop":  # the process ended between the crops and their line
        with (tmp_path / "part" / "noisy.crops").open("ab") as file:
            file.write(b"half a crop")
    if harm == "line":
        journal = tmp_path / "part" / "pictures.jsonl"
        journal.write_bytes(journal.read_bytes()[:-9])
    made = prepare(data, tmp_path / "part", crop=16)
    assert _bytes(tmp_path / "part") == _bytes(tmp_path / "whole")
    assert made.kept == (2 if harm == "line" else 3)
    assert CropStore(tmp_path / "part").fingerprint == CropStore(tmp_path / "whole").fingerprint


def test_what_is_skipped_is_said(tmp_path: Path) -> None:
    data = _set(tmp_path / "set", [(32, 32), (12, 40), (32, 32), (32, 32)])
    (tmp_path / "set" / "noisy" / "2.png").write_bytes(b"no picture")
    for kind in ("noisy", "clean"):
        path = tmp_path / "set" / kind / "3.png"
        images.write(path, images.Picture(np.zeros((32, 32), np.uint16)), overwrite=True)
    made = prepare(open_set(data), tmp_path / "store", crop=16)
    assert (made.crops, made.pictures) == (4, 1)
    told = "\n".join(made.skipped)
    assert "The picture 1 has 12×40 pixels, less than a crop of 16." in told
    assert "2.png" in told
    assert "The picture 3 has 1 channels of uint16, and the store 3 of uint8." in told
    with pytest.raises(UnnoiseError, match="No picture of"):
        prepare(open_set(data), tmp_path / "other", crop=64)


def test_other_folders_and_damage_are_one_sentence(tmp_path: Path) -> None:
    data = open_set(_set(tmp_path / "set", [(32, 32)] * 2))
    with pytest.raises(UsageError, match="holds other files"):
        prepare(data, tmp_path / "set", crop=16)
    prepare(data, tmp_path / "store", crop=16)
    with pytest.raises(UsageError, match=r"holds crops of .* with 16 pixels a side"):
        prepare(data, tmp_path / "store", crop=24)
    crops = tmp_path / "store" / "clean.crops"
    crops.write_bytes(crops.read_bytes()[:-1])
    with pytest.raises(UnnoiseError, match="is shorter than its store says"):
        CropStore(tmp_path / "store")
    with pytest.raises(UsageError, match=r"one store; give .* alone"):
        crop_store_of([tmp_path / "store", "photos"])


def test_a_store_is_prepared_and_trained_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = _set(tmp_path / "set", [(48, 48)] * 3)
    store = tmp_path / "store"
    answer = call(monkeypatch, capfd, "data", "prepare", data, "-o", store, "--crop", 32)
    assert answer.status == 0, answer.err
    assert "12 crops of 3 pictures" in answer.out
    assert "12 crops of 3 pictures, 3 of them from before" in call(
        monkeypatch, capfd, "data", "prepare", data, "-o", store, "--crop", 32
    ).out  # fmt: skip
    small = "--set=denoiser.width=4", "--set=training.crop=16", "--set=training.batch=2", "--accept", "--device=cpu"
    run = tmp_path / "run"
    answer = call(monkeypatch, capfd, "train", store, "--recipe", "supervised-quick", "--steps", 2, "--out", run, *small)
    assert answer.status == 0, answer.err
    assert shipped.load(run).card.data == ["12 crops of set"]


def test_batches_need_the_store_alone(tmp_path: Path) -> None:
    """No picture is decoded again; `benchmarks/prepared_crops.py` measures what that saves."""
    prepare(open_set(_set(tmp_path / "set", [(48, 48)] * 3)), tmp_path / "store", crop=32)
    shutil.rmtree(tmp_path / "set")
    store = CropStore(tmp_path / "store")
    batch = CropBatches(store.pools(3, with_clean=False)[0], Training(crop=32, batch=4, flips=False, turns=False), seed=0)[0]
    stored = {crop.tobytes() for crop in store.noisy}
    assert batch.shape == (4, 3, 32, 32)
    for crop in batch.permute(0, 2, 3, 1).numpy():
        assert np.rint(crop * 255).astype(np.uint8).tobytes() in stored


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[" * 100_000, b'["a"]'], ids=["no text", "nested", "too short"])
def test_a_damaged_journal_is_one_sentence(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "pictures.jsonl").write_bytes(line + b'\n["a", 1, "0"]\n')
    with pytest.raises(UnnoiseError, match="damaged at line 1"):
        read_journal(tmp_path)
