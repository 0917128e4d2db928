"""Whole folders: mirrored trees, patterns, bad files among good ones, a second call, and Ctrl-C in the middle."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import call
from unnoise import images, recipes
from unnoise.batch.manifest import FILE_NAME
from unnoise.images import Picture
from unnoise.models.model import fresh

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def unnoise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Calls the command and gives its exit status and what it wrote to standard error."""

    def run(*arguments: object) -> tuple[int, str]:
        answer = call(monkeypatch, capfd, "denoise", *arguments)
        return answer.status, answer.err

    return run


def _model(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    fields = {"name": "tiny", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}
    fresh(recipes.validate(fields, "tiny")).save(path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return _model(tmp_path / "tiny.safetensors")


def _picture(path: Path, shape: tuple[int, ...] = (12, 10, 3), dtype: type = np.uint8, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    images.write(path, Picture(pixels), overwrite=True)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Pictures of several sizes and kinds, in folders of folders."""
    folder = tmp_path / "in"
    _picture(folder / "a.png")
    _picture(folder / "b.jpg", (7, 31, 3))
    _picture(folder / "night" / "a.png", (9, 9))
    _picture(folder / "night" / "deep" / "c_raw.tif", (5, 8, 3), np.uint16)
    _picture(folder / "night" / ".hidden.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def _files(folder: Path) -> dict[str, int]:
    """All files but the manifest, with the times of their last changes."""
    inside = (path for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME)
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in inside}


def test_the_tree_of_results_mirrors_the_tree_of_pictures(unnoise: Call, model: Path, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert unnoise(tree, "-o", out, "--model", model)[0] == 0
    assert set(_files(out)) == {"a.png", "b.jpg"}
    assert unnoise(tree, "-o", out, "--model", model, "--recursive")[0] == 0
    assert set(_files(out)) == {"a.png", "b.jpg", "night/a.png", "night/deep/c_raw.tif"}
    for name in _files(out):
        before, after = images.read(tree / name).pixels, images.read(out / name).pixels
        assert (before.shape, before.dtype) == (after.shape, after.dtype)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*_raw.tif", {"night/deep/c_raw.tif"}), ("a.*", {"a.png", "night/a.png"}), ("night/*", {"night/a.png"})],
)
def test_patterns(pattern: str, names: set[str], unnoise: Call, model: Path, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert unnoise(tree, "-o", out, "--model", model, "-r", "--pattern", pattern)[0] == 0
    assert set(_files(out)) == names
    status, error = unnoise(tree, "-o", out, "--model", model, "-r", "--pattern", "*.gif")
    assert status == 2
    assert "*.gif" in error


def test_names_that_are_not_utf8(
    unnoise: Call, model: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        (tree / "b.jpg").rename(tree / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    out = tmp_path / "out"
    for written in (True, False):  # the second time it is done already
        bytes_ = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_, "utf-8", write_through=True))
        status, error = unnoise(tree, "-o", out, "--model", model)
        assert (status, b"caf\xe9.jpg" in bytes_.getvalue()) == (0, written), error
    assert set(_files(out)) == {"a.png", name}


def test_results_within_the_input_folder_are_no_input(unnoise: Call, model: Path, tree: Path) -> None:
    out = tree / "clean"
    for _ in range(2):
        assert unnoise(tree, "-o", out, "--model", model, "-r")[0] == 0
        assert set(_files(out)) == {"a.png", "b.jpg", "night/a.png", "night/deep/c_raw.tif"}


def test_a_second_call_does_what_is_missing_or_has_changed(unnoise: Call, model: Path, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (tree, "-o", out, "--model", model, "-r")
    assert unnoise(*arguments)[0] == 0
    first = _files(out)
    status, error = unnoise(*arguments)
    assert (status, _files(out)) == (0, first)
    assert error.startswith("4 done before")

    (out / "a.png").unlink()  # missing
    _picture(tree / "b.jpg", (7, 31, 3), seed=1)  # changed
    _picture(tree / "new.png")  # added
    assert unnoise(*arguments)[0] == 0
    second = _files(out)
    assert set(second) == set(first) | {"new.png"}
    assert {name for name in first if first[name] != second[name]} == {"a.png", "b.jpg"}

    assert unnoise(*arguments, "--refine")[0] == 0  # other settings
    third = _files(out)
    assert all(third[name] != second[name] for name in second)
    _model(model, seed=1)  # another model under the same name
    assert unnoise(*arguments, "--refine")[0] == 0
    assert all(time != third[name] for name, time in _files(out).items())


def test_what_is_not_ours_is_not_replaced_unasked(unnoise: Call, model: Path, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    foreign = _picture(out / "a.png", seed=5).read_bytes()
    status, error = unnoise(tree, "-o", out, "--model", model)
    assert status == 2
    assert "a.png" in error
    assert list(_files(out)) == ["a.png"]  # before any work
    assert (out / "a.png").read_bytes() == foreign
    assert unnoise(tree, "-o", out, "--model", model, "--overwrite")[0] == 0
    _picture(out / "b.jpg", seed=6)  # edited since
    _picture(tree / "b.jpg", seed=7)
    edited = (out / "b.jpg").read_bytes()
    assert unnoise(tree, "-o", out, "--model", model)[0] == 2
    assert (out / "b.jpg").read_bytes() == edited


def test_bad_files_are_named_and_skipped_and_tried_again(unnoise: Call, model: Path, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = (tree / "night" / "a.png").read_bytes()
    (tree / "night" / "a.png").write_bytes(whole[:40])
    (tree / "empty.tif").touch()
    for _ in range(2):
        status, error = unnoise(tree, "-o", out, "--model", model, "-r")
        assert status == 1
        assert [line for line in error.splitlines() if "night/a.png" in line and line.startswith("unnoise: ")]
        assert [line for line in error.splitlines() if "empty.tif" in line and line.startswith("unnoise: ")]
        assert set(_files(out)) == {"a.png", "b.jpg", "night/deep/c_raw.tif"}
    (tree / "empty.tif").unlink()
    (tree / "night" / "a.png").write_bytes(whole)
    assert unnoise(tree, "-o", out, "--model", model, "-r")[0] == 0
    assert "night/a.png" in _files(out)


def test_a_damaged_manifest_is_one_sentence(unnoise: Call, model: Path, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for damage in ("{", "[]", '{"format": "other"}', '{"format": "unnoise manifest 1", "results": 3}'):
        (out / FILE_NAME).write_text(damage)
        status, error = unnoise(tree, "-o", out, "--model", model)
        assert status == 1
        assert FILE_NAME in error
        assert "Traceback" not in error


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_no_half_file_and_a_second_call_goes_on(kind: signal.Signals, model: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    many = 60
    for number in range(many):
        _picture(folder / f"{number:03}.png", (40, 40, 3), seed=number)
    # A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from unnoise.cli import main; main()"
    command = [sys.executable, "-c", code, "denoise", folder, "-o", out, "--model", model]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while process.poll() is None and len(list(out.glob("0*.png"))) < 3:
            time.sleep(0.002)
        process.send_signal(kind)
        _, error = process.communicate()
    assert process.returncode == 130, error
    assert "Traceback" not in error
    results = _files(out)
    assert 3 <= len(results) < many
    (line,) = (line for line in error.splitlines() if not line.startswith("file "))  # slow machines tell the progress
    assert line.startswith("unnoise: Stopped. ")
    assert line.endswith(" not done. Give the same command again to go on.")
    for name in results:  # also hidden ones, which would be halves
        assert images.read(out / name).pixels.shape == (40, 40, 3)
        assert (folder / name).exists()
    for path in sorted(folder.iterdir())[len(results) + 2 :]:
        path.unlink()  # so that the second call is quick
    subprocess.run(command, check=True, capture_output=True)
    after = _files(out)
    assert len(after) == len(results) + 2
    assert all(after[name] == when for name, when in results.items())


def test_quality_is_passed_on_and_another_one_is_done_again(tmp_path: Path, model: Path, unnoise: Call) -> None:
    picture = _picture(tmp_path / "in" / "a.webp", (64, 80, 3))
    out = tmp_path / "out"
    sizes = []
    for options in (["--lossless"], ["--quality", 90], ["--quality", 20], ["--quality", 20]):
        status, said = unnoise(picture.parent, "-o", out, "--model", model, *options)
        assert status == 0, said
        sizes.append((out / "a.webp").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2] == sizes[3]
    assert "done before" in said
    status, said = unnoise(picture, "-o", tmp_path / "b.webp", "--model", model, "--quality", 0)
    assert (status, "The quality 0 is outside 1 … 100" in said) == (2, True)
    assert not (tmp_path / "b.webp").exists()


def test_whole_numbers_and_missing_values_of_measurements(tmp_path: Path, model: Path, unnoise: Call) -> None:
    rng = np.random.default_rng(0)
    signed = rng.normal(-300, 100, (40, 50)).astype(np.int16)
    gaps = rng.normal(1e5, 1e3, (40, 50))
    gaps[5:9, 10:20], gaps[30, 3] = np.nan, np.inf
    for name, values in {"signed": signed, "gaps": gaps}.items():
        np.save(tmp_path / f"{name}.npy", values)
    status, said = unnoise(
        tmp_path, "-o", tmp_path / "out", "--model", model, "--normalization", "picture", "--bias-correction", "linear"
    )
    assert status == 0, said
    made = np.load(tmp_path / "out" / "signed.npy")
    assert made.dtype == np.int16
    assert abs(float(made.mean()) - float(signed.mean())) < 50
    made = np.load(tmp_path / "out" / "gaps.npy")
    np.testing.assert_array_equal(np.isnan(made), np.isnan(gaps))
    np.testing.assert_array_equal(np.isinf(made), np.isinf(gaps))
    there = np.isfinite(gaps)
    assert not np.array_equal(made[there], gaps[there])
    assert abs(made[there].mean() / gaps[there].mean() - 1) < 5e-3
