"""`unnoise denoise` called twice on one folder, at once or one after the other, and what it says while it works."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import Answer, call
from unnoise import images, recipes
from unnoise.batch.manifest import FILE_NAME
from unnoise.batch.progress import RunProgress
from unnoise.cli import progress
from unnoise.files.locking import locked
from unnoise.images import Picture
from unnoise.models import shipped
from unnoise.models.model import fresh

Call = Callable[..., Answer]


@pytest.fixture
def unnoise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    return partial(call, monkeypatch, capfd, "denoise")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    fields = {"name": "tiny", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}
    fresh(recipes.validate(fields, "tiny")).save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "in"
    inside.mkdir()
    for name in ("a.png", "b.png"):
        images.write(inside / name, Picture(np.random.default_rng(0).integers(0, 255, (12, 10, 3)).astype(np.uint8)))
    return inside


def test_a_second_run_is_refused_before_the_model_is_loaded(
    unnoise: Call, model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> None:
        raise AssertionError("the model was loaded")

    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"), locked(folder), monkeypatch.context() as patched:
        patched.setattr(shipped, "load", load)
        for place in (["-o", tmp_path / "out"], []):  # in a folder, and beside the pictures
            answer = unnoise(folder, *place, "--model", model)
            assert answer.status == 1
            (line,) = answer.err.splitlines()
            assert line.startswith("unnoise: Another run of unnoise writes into ")
    assert unnoise(folder, "-o", tmp_path / "out", "--model", model).status == 0


def test_a_zarr_by_its_name_is_replaced_as_a_whole(unnoise: Call, model: Path, folder: Path, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    old = tmp_path / "old.zarr"
    zarr.create_array(old, shape=(3, 4), dtype="uint8")[:] = 7
    answer = unnoise(folder / "a.png", "-o", old, "--model", model)
    assert (answer.status, "is there already" in answer.err) == (2, True)
    assert zarr.open(old)[0, 0] == 7
    assert unnoise(folder / "a.png", "-o", old, "--model", model, "--overwrite").status == 0
    assert images.read(old).pixels.shape == (12, 10, 3)
    assert not list(old.rglob(".unnoise*"))
    answer = unnoise(folder, "-o", old, "--model", model, "--overwrite")
    assert (answer.status, "is one file, but 2 pictures were given" in answer.err) == (2, True)
    (tmp_path / "plain.zarr").mkdir()  # a folder that only looks like one by its name
    assert unnoise(folder, "-o", tmp_path / "plain.zarr", "--model", model).status == 0
    assert (tmp_path / "plain.zarr" / FILE_NAME).exists()


def test_results_are_told_as_they_are_written(
    unnoise: Call, model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def echo(text: object, err: bool = False) -> None:
        if not err:
            told.append(str(text))
            assert Path(str(text)).exists()
            assert len(told) == len(list((tmp_path / "out").glob("?.png")))  # not all at the end

    monkeypatch.setattr("typer.echo", echo)
    assert unnoise(folder, "-o", tmp_path / "out", "--model", model).status == 0
    assert told == [str(tmp_path / "out" / name) for name in ("a.png", "b.png")]


def test_without_a_terminal_lines_tell_how_far_the_work_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE_SECONDS", 0.2)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    with progress.files_bar() as report:
        report(RunProgress(1, 2, "a.png", 0.0))
        time.sleep(0.1)
        assert capfd.readouterr().err == ""
        time.sleep(0.3)  # within one slow tile
        assert "file 1 of 2, a.png: 0% of all, time left not known yet\n" in capfd.readouterr().err
        report(RunProgress(2, 2, "b.png", 0.5))
        time.sleep(0.2)
        assert "file 2 of 2, b.png: 50% of all, 0:0" in capfd.readouterr().err
    capfd.readouterr()
    time.sleep(0.2)
    assert capfd.readouterr().err == ""
