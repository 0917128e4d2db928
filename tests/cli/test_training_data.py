"""What `unnoise train` is given: data sets of pairs by SET:DIR, and a folder of targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import call
from unnoise import images
from unnoise.cli.training_data import resolve
from unnoise.errors import UsageError
from unnoise.models import shipped

SMALL = "--set=denoiser.width=4", "--set=training.crop=16", "--set=training.batch=1", "--accept", "--device=cpu"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for kind in ("noisy", "clean"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for name in "ab":
            pixels = draw.integers(0, 255, (40, 40, 3), np.uint8)
            images.write(tmp_path / "set" / kind / f"{name}.png", images.Picture(pixels))
    return tmp_path / "set"


@pytest.mark.parametrize("recipe", ["supervised-quick", "noise2noise-quick"])
def test_a_data_set_of_pairs(
    recipe: str, pairs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = pairs.parent / "run"
    answer = call(monkeypatch, capfd, "train", f"pairs:{pairs}", "--recipe", recipe, "--steps", 2, "--out", out, *SMALL)
    assert answer.status == 0, answer.err
    assert shipped.load(out).card.data == ["2 pictures of set/noisy"]


def test_folders_are_matched_by_name(pairs: Path) -> None:
    (pairs / "clean" / "a.png").rename(pairs / "clean" / "z.png")
    with pytest.raises(UsageError, match=r"a\.png has no clean partner"):
        resolve([pairs / "noisy"], pairs / "clean", "supervised", {}, None)
    (pairs / "clean" / "z.png").rename(pairs / "clean" / "a.png")
    noisy, clean = resolve([pairs / "noisy"], pairs / "clean", "supervised", {}, None)
    assert [path.name for path in noisy] == ["a.png", "b.png"]
    assert clean == [pairs / "clean" / path.name for path in noisy]


def test_other_recipes_take_the_noisy_pictures_of_a_set(pairs: Path) -> None:
    noisy, clean = resolve([Path(f"pairs:{pairs}")], None, "tm-bsn-quick", {}, None)
    assert [path.parent.name for path in noisy] == ["noisy", "noisy"]
    assert clean is None


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["pairs:{set}", "x"], "or one data set"),
        (["pairs:{set}", "--targets", "{set}"], "brings its own clean pictures"),
        (["pairs:{set}", "--axes", "TYX"], "leave out --axes"),
        (["folder:{set}/noisy"], "has no clean pictures, and the recipe"),
        (["{set}/noisy", "--targets", "{set}/clean/a.png"], "must both be folders"),
        (["{set}/noisy", "{set}", "--targets", "{set}"], "takes one folder of noisy pictures"),
        (["{set}/noisy"], "learns from pairs, and no targets are given"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], match: str, pairs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(set=pairs) for argument in arguments]
    answer = call(monkeypatch, capfd, "train", *given, "--recipe", "supervised-quick", "--out", pairs.parent / "run")
    assert answer.status == 2
    assert match in " ".join(answer.err.split())
