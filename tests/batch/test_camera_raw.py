"""Denoising camera raw into DNGs: how much noise goes, and what the command line makes of `--format` and `--mosaic`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from images.camera_raw_files import dng_file, mosaic_of, noisy, scene, stored
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.batch.run import plan
from unnoise.cli import app
from unnoise.errors import UsageError
from unnoise.models import shipped

rawpy = pytest.importorskip("rawpy", reason="camera raw needs the extra raw")


def developed(path: Path) -> np.ndarray:
    with rawpy.imread(str(path)) as file:
        made: np.ndarray = file.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
    return made.astype(float)[8:-8, 8:-8]


@pytest.mark.parametrize("mosaic", [False, True])
def test_noise_of_iso_6400_falls_by_8_decibels(tmp_path: Path, mosaic: bool) -> None:
    light = mosaic_of(scene(400, 400, 70), "RGGB")
    source = dng_file(tmp_path / "a.dng", stored(noisy(light)), "RGGB")
    clean = dng_file(tmp_path / "c.dng", stored(light), "RGGB")
    denoise_file(shipped.load("default"), source, tmp_path / "b.dng", mosaic=mosaic)
    first, second, truth = (developed(path) for path in (source, tmp_path / "b.dng", clean))
    gain = 10 * np.log10(((first - truth) ** 2).mean() / ((second - truth) ** 2).mean())
    print("GAIN", gain, second.mean((0, 1)) / truth.mean((0, 1)) - 1)
    assert gain >= 8
    np.testing.assert_allclose(second.mean((0, 1)), truth.mean((0, 1)), rtol=0.01)


def test_a_folder_becomes_dngs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.dng", "b.dng"):
        dng_file(tmp_path / "in" / name, stored(mosaic_of(scene(64, 96), "GBRG")), "GBRG")
    arguments = ["denoise", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--strength", "0"]
    assert CliRunner().invoke(app, [*arguments, "--format", "dng"]).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.dng")) == ["a.dng", "b.dng"]
    with images.open(tmp_path / "out" / "a.dng", raw="linear") as frames:
        assert frames[0].shape == (64, 96, 3)
    assert CliRunner().invoke(app, [*arguments, "--mosaic"]).exit_code == 0  # other settings: done again
    with images.open(tmp_path / "out" / "a.dng", raw="mosaic") as frames:
        assert len(frames) == 4
    assert CliRunner().invoke(app, [*arguments[:2], "--strength", "0", "--mosaic"]).exit_code == 0
    assert (tmp_path / "in" / "a_denoised.dng").exists()


def test_contradictions_are_refused(tmp_path: Path) -> None:
    dng_file(tmp_path / "a.dng", stored(mosaic_of(scene(64, 96), "RGGB")), "RGGB")
    for options, words in (
        (["-o", "b.tif", "--format", "dng"], "contradict"),
        (["--format", "gcx"], "There is no format 'gcx' to write"),
        (["--mosaic", "--format", "tif"], "--mosaic writes DNG, not tif"),
        (["-o", "b.tif", "--mosaic"], "b.tif"),
    ):
        result = CliRunner().invoke(app, ["denoise", str(tmp_path / "a.dng"), *options])
        assert isinstance(result.exception, UsageError)
        assert words in str(result.exception)
    assert [job.target.name for job in plan([tmp_path / "a.dng"], None, suffix=".dng").jobs] == ["a_denoised.dng"]
