"""What is learned from is what the user gave, and nothing that a training wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unnoise import recipes
from unnoise.errors import UsageError
from unnoise.training.sources import find, split_inputs
from unnoise.training.train import train

RECIPE = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1},
    "scheme": {"name": "pd-blind-spot", "train_stride": 1},
    "training": {"crop": 16, "batch": 1, "learning_rate": 1e-3},
}


def _pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))
    return folder


@pytest.mark.parametrize("out", ["k/run", "k"])
def test_a_run_that_goes_on_has_the_pictures_it_began_with(out: str, tmp_path: Path) -> None:
    given, output = _pictures(tmp_path / "k", "a.npy", "sub/b.npy"), tmp_path / out
    recipe = recipes.validate(RECIPE, "tiny")
    train(given, recipe, output=output, steps=1, device="cpu")
    assert list(output.rglob("previews/*.png"))
    _pictures(output, "teachers/0123/000000.npy")
    told: list[str] = []
    model = train(given, recipe, output=output, steps=2, device="cpu", resume=True, on_message=told.append)
    assert told == ["Continuing from step 1."]
    assert model.card.data == ["1 pictures of " + "/".join(given.parts[-2:]), "1 pictures of k/sub"]


def test_nor_does_another_run_learn_from_its_previews(tmp_path: Path) -> None:
    given = _pictures(tmp_path / "k", "a.npy", "previews/of-mine.npy", "run/previews/step-0000001.npy")
    (given / "run" / "checkpoint.pt").touch()
    assert [file.name for file in find([given], tmp_path / "other")] == ["a.npy", "of-mine.npy"]
    assert [file.name for file in find([given])] == ["a.npy", "of-mine.npy"]


def test_what_lies_in_the_output_is_left_out_by_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _pictures(tmp_path / "k", "a.npy", "run/b.npy")
    (tmp_path / "link").symlink_to(given / "run")
    monkeypatch.chdir(tmp_path)
    assert find([given], tmp_path / "link") == [given / "a.npy"]
    assert find(["k"], Path("k/run")) == [Path("k/a.npy")]
    assert find(["k/*"], Path("k/run")) == [Path("k/a.npy")]
    assert find(["k/run/b.npy"], Path("k/run")) == [Path("k/run/b.npy")]  # it was asked for by its name
    assert find(["k"], Path()) == [Path("k/a.npy"), Path("k/run/b.npy")]
    with pytest.raises(UsageError, match="nothing to train on"):
        find([])


def test_nothing_but_previews_is_told(tmp_path: Path) -> None:
    _pictures(tmp_path / "run", "previews/a.npy")
    with pytest.raises(UsageError, match="are only files that a training wrote"):
        find([tmp_path / "run"], tmp_path / "run")


def test_arrays_are_several_or_one() -> None:
    grey = np.zeros((5, 6), np.uint8)
    assert [len(split_inputs(given)[1]) for given in ([grey, grey], grey, np.zeros((4, 5, 6, 3), np.uint8))] == [2, 1, 4]
    for wrong in (3, [3], [grey, "a.png"], None):
        with pytest.raises(UsageError, match="either files and folders or numpy arrays"):
            split_inputs(wrong)  # type: ignore[arg-type]
