"""Submissions, read by other libraries as the servers read them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from command_line import call
from published_files import save_dnd
from reference import data_dir
from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation import evaluate, submissions
from unnoise.evaluation.datasets import DataSet, Entry, open_set
from unnoise.evaluation.submissions import read_blocks, submit

SHAPE = 2, 3, 16, 17, 3


class Darker:
    """Takes a tenth of the light away, so that results differ from inputs and need rounding, but never from a half."""

    def denoise(self, image: np.ndarray) -> np.ndarray:
        return (image * 0.9001).astype(np.float32)


def validation(folder: Path) -> tuple[str, np.ndarray]:
    random = np.random.default_rng(0)
    noisy, clean = (random.integers(0, 256, SHAPE, dtype=np.uint8) for _ in range(2))
    savemat(folder / "ValidationNoisyBlocksSrgb.mat", {"ValidationNoisyBlocksSrgb": noisy})
    savemat(folder / "ValidationGtBlocksSrgb.mat", {"ValidationGtBlocksSrgb": clean})
    return f"sidd-val:{folder}", np.round(noisy * 0.9001).astype(np.uint8)


def test_the_mat_file_has_what_sidd_asks_for(tmp_path: Path) -> None:
    data, expected = validation(tmp_path)
    target = tmp_path / "SubmitSrgb.mat"
    submit(Darker(), open_set(data), target, facts={"MethodName": "darker"})
    found = loadmat(target)
    cells = found["DenoisedBlocksSrgb"]
    assert cells.shape == (2, 3)  # a cell array
    for place in np.ndindex(2, 3):
        np.testing.assert_array_equal(cells[place], expected[place], strict=True)
    assert float(found["TimeMPSrgb"].item()) > 0
    assert found["OptionalData"]["MethodName"].item().item() == "darker"


def test_the_csv_has_the_bytes_of_each_block(tmp_path: Path) -> None:
    data, expected = validation(tmp_path)
    target = tmp_path / "SubmitSrgb.csv"
    submit(Darker(), open_set(data), target)
    table = pd.read_csv(target)
    assert list(table.columns) == ["ID", "BLOCK"]
    assert table["ID"].tolist() == list(range(6))
    blocks = [np.frombuffer(base64.b64decode(text), np.uint8).reshape(SHAPE[2:]) for text in table["BLOCK"]]
    np.testing.assert_array_equal(np.reshape(blocks, SHAPE), expected)


@pytest.mark.parametrize("suffix", [".mat", ".csv"])
def test_the_round_trip_scores_the_same(suffix: str, tmp_path: Path) -> None:
    """Through the submission, or at once: the same dB."""
    data, _ = validation(tmp_path)
    direct = evaluate(Darker(), data)
    submit(Darker(), open_set(data), tmp_path / f"S{suffix}")
    (tmp_path / "again").mkdir()
    blocks = read_blocks(tmp_path / f"S{suffix}", SHAPE)
    savemat(tmp_path / "again" / "ValidationNoisyBlocksSrgb.mat", {"ValidationNoisyBlocksSrgb": blocks})
    (tmp_path / "ValidationGtBlocksSrgb.mat").rename(tmp_path / "again" / "ValidationGtBlocksSrgb.mat")
    through = evaluate(Darker(), f"sidd-val:{tmp_path}/again")
    assert [image.noisy for image in through.images] == [image.restored for image in direct.images]


@pytest.mark.data
def test_real_blocks_score_the_same_through_folder_matlab_and_submission(tmp_path: Path) -> None:
    """Four blocks each of two scenes of SIDD's validation set."""
    entries = open_set(f"sidd-val:{data_dir('sidd_val')}").entries
    chosen = [entry for entry in entries if entry.name[:2] in ("25", "28") and int(entry.name[3:]) <= 4]
    pairs = DataSet("sidd-val:folder", chosen)
    folder = evaluate(Darker(), pairs)
    shape = 2, 4, 256, 256, 3
    noisy, clean = (np.reshape([getattr(pair, kind) for pair in pairs], shape) for kind in ("noisy", "clean"))
    for name, blocks in (("Noisy", noisy), ("Gt", clean)):
        savemat(tmp_path / f"Validation{name}BlocksSrgb.mat", {f"Validation{name}BlocksSrgb": blocks})
    matlab = evaluate(Darker(), f"sidd-val:{tmp_path}")
    assert [(image.noisy, image.restored) for image in matlab.images] == [(i.noisy, i.restored) for i in folder.images]
    submit(Darker(), open_set(f"sidd-val:{tmp_path}"), tmp_path / "SubmitSrgb.mat")
    savemat(
        tmp_path / "ValidationNoisyBlocksSrgb.mat",
        {"ValidationNoisyBlocksSrgb": read_blocks(tmp_path / "SubmitSrgb.mat", shape)},
    )
    through = evaluate(Darker(), f"sidd-val:{tmp_path}")
    assert [image.noisy for image in through.images] == [image.restored for image in folder.images]


def test_the_bundles_of_dnd(tmp_path: Path) -> None:
    photographs, corners = save_dnd(tmp_path / "dnd")
    submit(Darker(), open_set(f"dnd:{tmp_path}/dnd"), tmp_path / "bundled")
    assert sorted(path.name for path in (tmp_path / "bundled").iterdir()) == ["0001.mat", "0002.mat"]
    for number, photograph in enumerate(photographs):
        found = loadmat(tmp_path / "bundled" / f"{number + 1:04d}.mat")
        assert found["Idenoised"].shape == (1, 3)
        assert not found["israw"].item()
        assert found["eval_version"].item() == "1.0"
        for crop, (top, left, bottom, right) in zip(found["Idenoised"][0], corners[number].astype(int), strict=True):
            np.testing.assert_array_equal(
                crop, photograph[top - 1 : bottom, left - 1 : right] * np.float32(0.9001), strict=True
            )


def test_a_file_that_reads_back_differently_never_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = validation(tmp_path)

    def spoilt(blocks: list[np.ndarray], path: Path) -> None:
        original([blocks[0] ^ 1, *blocks[1:]], path)

    original = submissions._write_csv
    monkeypatch.setattr(submissions, "_write_csv", spoilt)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UnnoiseError, match="differs from what was written"):
        submit(Darker(), open_set(data), tmp_path / "S.csv")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("content", ["ID,BLOCK\n0,####\n", "ID,BLOCK\n1,AAAA\n", "a,b\n0,AAAA\n", "ID,BLOCK\n0,AAAA\n"])
def test_a_damaged_submission_is_one_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "S.csv").write_text(content)
    with pytest.raises(UnnoiseError, match=r"S\.csv cannot be read as a submission"):
        read_blocks(tmp_path / "S.csv", SHAPE)


def test_scenes_of_unequal_length_are_refused(tmp_path: Path) -> None:
    entries = [Entry(name, Path(f"{name}.png")) for name in ("25_01", "25_02", "26_01")]
    with pytest.raises(UsageError, match="equally many"):
        submit(Darker(), DataSet("sidd-val:x", entries), tmp_path / "S.mat")


@pytest.mark.parametrize(
    ("data", "out", "sentence"),
    [
        ("sidd", "S.png", "is a file .mat or .csv"),
        ("dnd", "S.mat", "is a folder"),
        ("folder", "S.mat", "Only sidd-benchmark"),
        ("sidd", "there.mat", "is there already"),
    ],
)
def test_wrong_calls_are_one_sentence(
    data: str, out: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    sets: dict[str, Any] = {"sidd": validation(tmp_path)[0], "folder": f"folder:{tmp_path}", "dnd": f"dnd:{tmp_path}/dnd"}
    save_dnd(tmp_path / "dnd")
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.uint8))
    (tmp_path / "there.mat").touch()
    status, _, err = call(monkeypatch, capfd, "submit", "--model", "fast", "--data", sets[data], "-o", tmp_path / out)
    assert status == 2
    assert sentence in err
    assert "Traceback" not in err


def test_the_command_writes_a_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data, _ = validation(tmp_path)
    status, out, err = call(monkeypatch, capfd, "submit", "--model", "fast", "--data", data, "-o", tmp_path / "S.csv")
    assert status == 0, err
    assert "S.csv" in out
    assert read_blocks(tmp_path / "S.csv", SHAPE).shape == SHAPE
