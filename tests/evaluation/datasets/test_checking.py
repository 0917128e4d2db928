"""Checking data sets: what is whole is said to be whole, and each kind of damage is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from command_line import call
from reference import data_dir
from unnoise import images
from unnoise.evaluation import evaluate
from unnoise.evaluation.datasets import DataSet, cc15, open_set
from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.checking import MOST_PROBLEMS, check


class Unchanged:
    def denoise(self, image: np.ndarray) -> np.ndarray:
        return image


CROPS = Edition("crops", pictures=4, shape=(32, 32, 3), noisy_psnr_db=33.41)
WHOLE = Edition("whole pictures", pictures=6)


def crops(folder: Path, count: int = 4, noise: float = 5.44, side: int = 32) -> Path:
    """Pairs as CC15's; noise of 5.44 of 255 gives its 33.41 dB."""
    random = np.random.default_rng(1)
    for number in range(count):
        clean = np.full((side, side, 3), 90 + number, np.uint8)
        pattern = random.normal(0, 1, clean.shape)
        noisy = (clean + pattern * (noise / pattern.std())).round().clip(0, 255).astype(np.uint8)
        images.write(folder / f"{number}_real.png", images.Picture(noisy))
        images.write(folder / f"{number}_mean.png", images.Picture(clean))
    return folder


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The set `cc15`, as if its authors had published smaller pictures."""
    monkeypatch.setattr(cc15, "ABOUT", About("holds crops", "is to be had there", (CROPS, WHOLE)))


@pytest.mark.usefixtures("published")
def test_a_whole_set_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(monkeypatch, capfd, "data", "check", f"cc15:{crops(tmp_path)}")
    assert (status, err.strip()) == (0, "")
    assert "4 pictures (crops)" in out
    assert "noisy  33.4" in out
    assert "is whole" in out


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"noise": 8}, "the published ones 33.41 dB"),
        ({"count": 3}, "has 3 pictures, and not 4 (crops) or 6 (whole pictures); the data is to be had there."),
        ({"count": 7}, "has 7 pictures, and not 4 (crops) or 6 (whole pictures)"),
    ],
)
def test_what_differs_from_the_published_set_is_told(
    damage: dict[str, int], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, out, err = call(monkeypatch, capfd, "data", "check", f"cc15:{crops(tmp_path, **damage)}")
    assert status == 1
    assert sentence in err
    assert "whole." not in out


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    opened = open_set(f"cc15:{crops(tmp_path, side=16)}")
    found = check(DataSet(opened.name, opened.entries, About("", "", (CROPS,))))
    assert any("picture 0 is (16, 16, 3), and not (32, 32, 3)" in sentence for sentence in found.problems)


def test_the_psnr_is_that_of_the_default_protocol(tmp_path: Path) -> None:
    opened = open_set(f"cc15:{crops(tmp_path)}")
    assert check(opened).noisy_psnr_db == pytest.approx(evaluate(Unchanged(), opened).noisy.psnr, abs=1e-9)


def test_damaged_swapped_and_infinite_pictures_are_told(tmp_path: Path) -> None:
    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        for name, value in (("same", 0.5), ("infinite", np.inf if kind == "noisy" else 0.5), ("broken", 0.1)):
            np.save(tmp_path / kind / f"{name}.npy", np.full((4, 5), value, np.float32))
    (tmp_path / "noisy" / "broken.npy").write_bytes(b"no array")
    problems = check(open_set(f"pairs:{tmp_path}")).problems
    assert any("same are the same" in sentence for sentence in problems)
    assert any("infinite" in sentence and "no numbers" in sentence for sentence in problems)
    assert any("broken.npy" in sentence for sentence in problems)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    savemat(tmp_path / "BenchmarkNoisyBlocksSrgb.mat", {"BenchmarkNoisyBlocksSrgb": np.zeros((5, 6, 2, 2, 3), np.uint8)})
    problems = check(open_set(f"sidd-benchmark:{tmp_path}")).problems
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1] == "There are 11 more problems."  # 30 shapes and the count


def test_the_digest_is_that_of_the_pixels(tmp_path: Path) -> None:
    digests = []
    for suffix, value in (("npy", 7), ("tif", 7), ("png", 8)):
        folder = tmp_path / suffix
        folder.mkdir()
        picture = np.full((4, 5, 3), value, np.uint8)
        np.save(folder / "a.npy", picture) if suffix == "npy" else images.write(folder / f"a.{suffix}", images.Picture(picture))
        digests.append(check(open_set(f"folder:{folder}")).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.data
@pytest.mark.slow
def test_the_validation_blocks_are_those_published() -> None:
    found = check(open_set(f"sidd-val:{data_dir('sidd_val')}"))
    assert found.is_whole, found.problems
    assert (found.edition, round(found.noisy_psnr_db or 0, 2)) == ("scenes 25 to 30", 24.78)
