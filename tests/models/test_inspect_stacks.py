"""Stacks, channels and measurements are told in their own values."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import unnoise
from unnoise.cli import main
from unnoise.models.inspection import inspect_file
from unnoise.noise.report import NoiseReport
from unnoise.noise.stack_report import StackReport


def _stack(level: float, frames: int = 9) -> np.ndarray:
    return np.random.default_rng(0).normal(800, level, (frames, 96, 96)).round().clip(0, 4095).astype(np.uint16)


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["unnoise", "inspect", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return int(exit_.value.code or 0)


def test_twelve_bits_are_told_in_counts(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", _stack(20)[0])
    assert _call(monkeypatch, tmp_path / "a.tif") == 0
    out = capfd.readouterr().out
    assert "counts" in out
    assert "255" not in out
    level = float(out.split("noise level")[1].split()[0])
    assert level == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize(("scale", "dtype"), [(1e-6, np.float64), (1.0, np.float32), (1e6, np.float32)])
def test_volts_are_told_in_volts(scale: float, dtype: type) -> None:
    volts = (scale * (0.4 + np.random.default_rng(0).normal(0, 0.02, (96, 96)))).astype(dtype)
    report = unnoise.inspect(volts)
    assert report.own_level == pytest.approx(0.02 * scale, rel=0.12)
    assert report.advice is not None
    assert report.level_text().endswith("in the picture's own values")


def test_photographs_are_told_as_before() -> None:
    noisy = np.random.default_rng(0).normal(120, 10, (96, 96, 3)).clip(0, 255)
    assert unnoise.inspect(noisy.astype(np.uint8)).level_text().endswith(" of 255")
    assert unnoise.inspect((257 * noisy).astype(np.uint16)).level_text().endswith(" of 65535")


def test_a_stack_is_measured_channel_by_channel(tmp_path: Path) -> None:
    stack = np.stack([_stack(10), _stack(30)], axis=1)  # (T, C, Y, X)
    np.save(tmp_path / "a.npy", stack)
    for report in (unnoise.inspect(stack, axes="TCYX"), inspect_file(tmp_path / "a.npy", axes="TCYX")):
        assert isinstance(report, StackReport)
        assert report.frames == 9
        levels = [np.median(report.of_channel(channel).levels()) for channel in (0, 1)]
        assert levels == pytest.approx([10, 30], rel=0.1)
        again = StackReport.model_validate_json(report.to_json())
        assert again == report


def test_several_files_and_stacks_give_a_table_and_a_summary(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("movie.tif", _stack(20), photometric="minisblack")
    tifffile.imwrite("one.tif", _stack(40)[0])
    assert _call(monkeypatch, "movie.tif", "one.tif") == 0
    out = capfd.readouterr().out
    assert "9" in out
    assert "frames" in out
    assert "(2 files)" in out
    assert "counts" in out.splitlines()[-1]
    assert _call(monkeypatch, "movie.tif", "one.tif", "--json") == 0
    movie, one = json.loads(capfd.readouterr().out)
    assert (movie["name"], movie["frames"], len(movie["pictures"])) == ("movie.tif", 9, 6)
    assert one.pop("name") == "one.tif"
    assert NoiseReport.model_validate(one).own_level == pytest.approx(40, rel=0.1)


def test_a_dark_frame_tells_the_gain(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    light = np.linspace(10, 300, 200)[None].repeat(200, 0)
    tifffile.imwrite(
        tmp_path / "a.tif", (100 + 2 * draw.poisson(light) + draw.normal(0, 6, light.shape)).round().astype(np.uint16)
    )
    tifffile.imwrite(tmp_path / "dark.tif", (100 + draw.normal(0, 6, light.shape)).round().astype(np.uint16))
    assert _call(monkeypatch, tmp_path / "a.tif", "--dark", tmp_path / "dark.tif", "--json") == 0
    found = NoiseReport.model_validate(json.loads(capfd.readouterr().out)).photon_transfer
    assert found is not None
    assert found.gain == pytest.approx(2, rel=0.1)
    assert _call(monkeypatch, tmp_path / "a.tif", "--dark", tmp_path / "dark.tif") == 0
    assert "counts for an electron, offset 100" in " ".join(capfd.readouterr().out.split())


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 90), st.floats(-12, 9), st.sampled_from(["uint8", "uint16", "float32", "float64"]), st.integers(0, 5))
def test_no_smooth_picture_is_too_smooth(side: int, exponent: float, dtype: str, kind: int) -> None:
    """Each gives a report, a table and JSON, and no noise worth removing."""
    y, x = np.mgrid[:side, :side] / (side - 1)
    scene = [x, (x + y) / 2, x * y, x**2, np.sqrt(x), np.hypot(x - 0.5, y - 0.5)][kind]
    picture = np.rint(scene * np.iinfo(dtype).max).astype(dtype) if dtype[0] == "u" else (scene * 10**exponent).astype(dtype)
    report = unnoise.inspect(picture)
    report.table()
    assert NoiseReport.model_validate_json(report.to_json()).height == side
    assert report.level is None or report.level < 0.01


@pytest.mark.parametrize("size", [(900, 1000), (100, 6000)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_picture_is_measured_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], channels: int
) -> None:
    from unnoise.images import frames
    from unnoise.models.inspection import WINDOWS_NOTE

    noisy = np.random.default_rng(0).normal(0.5, 0.05, (*size, channels)).astype(np.float32)
    np.save(tmp_path / "a.npy", noisy[..., 0] if channels == 1 else noisy)
    whole = inspect_file(tmp_path / "a.npy")
    monkeypatch.setattr(frames, "MANY_PIXELS", 10**5)
    monkeypatch.setattr(frames, "WINDOW_PIXELS", 256)
    found = inspect_file(tmp_path / "a.npy")
    assert (found.height, found.width) == size
    assert WINDOWS_NOTE in found.notes
    assert WINDOWS_NOTE not in whole.notes
    assert found.level == pytest.approx(whole.level, rel=0.05)


@pytest.mark.parametrize("shift", [0, 3])
def test_the_grid_of_jpeg_goes_on_over_the_joints_of_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    from unnoise.images import frames

    rng = np.random.default_rng(0)
    blocks = np.kron(rng.normal(120, 6, (120, 120)), np.ones((8, 8))) + rng.normal(0, 2, (960, 960))
    np.save(tmp_path / "a.npy", np.roll(blocks, (shift, shift), (0, 1)).astype(np.uint8))
    whole = inspect_file(tmp_path / "a.npy")
    monkeypatch.setattr(frames, "MANY_PIXELS", 10**5)
    monkeypatch.setattr(frames, "WINDOW_PIXELS", 304)
    found = inspect_file(tmp_path / "a.npy")
    assert found.blocks_found
    assert found.block_offset == whole.block_offset
