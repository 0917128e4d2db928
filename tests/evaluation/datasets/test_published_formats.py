"""Data sets in the formats in which they are published. The files are written by SciPy and h5py, as MATLAB writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from published_files import save_7_3, save_dnd
from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation.datasets import open_set

RANDOM = np.random.default_rng(0)


def blocks(scenes: int = 2, count: int = 3, side: int = 6) -> np.ndarray:
    return RANDOM.integers(0, 256, (scenes, count, side, side + 1, 3), dtype=np.uint8)


def write(path: Path, shape: tuple[int, ...] = (6, 7, 3)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    images.write(path, images.Picture(pixels))
    return pixels


def complaint(spec: str) -> str:
    with pytest.raises(UsageError) as error:
        open_set(spec)
    return str(error.value)


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
def test_sidd_blocks_of_matlab_are_those_that_were_saved(version: str, tmp_path: Path) -> None:
    noisy, clean = blocks(), blocks()
    for name, array in (("ValidationNoisyBlocksSrgb", noisy), ("ValidationGtBlocksSrgb", clean)):
        if version == "7.3":
            save_7_3(tmp_path / f"{name}.mat", **{name: array})
        else:
            savemat(tmp_path / f"{name}.mat", {name: array}, do_compression="compressed" in version)
    pairs = {pair.name: pair for pair in open_set(f"sidd-val:{tmp_path}")}
    assert list(pairs) == ["01_01", "01_02", "01_03", "02_01", "02_02", "02_03"]
    for name, pair in pairs.items():
        scene, block = (int(number) - 1 for number in name.split("_"))
        np.testing.assert_array_equal(pair.noisy, noisy[scene, block], strict=True)
        np.testing.assert_array_equal(pair.clean, clean[scene, block], strict=True)
        assert pair.noisy.flags.c_contiguous


def test_sidd_blocks_have_the_same_names_in_folders_and_in_matlab(tmp_path: Path) -> None:
    arrays = {"ValidationNoisyBlocksSrgb": blocks(), "ValidationGtBlocksSrgb": blocks()}
    for (name, array), kind in zip(arrays.items(), ("noisy", "clean"), strict=True):
        (tmp_path / "mat").mkdir(exist_ok=True)
        savemat(tmp_path / "mat" / f"{name}.mat", {name: array})
        for scene in range(2):
            for block in range(3):
                path = tmp_path / "folder" / kind / f"{scene + 1:02d}_{block + 1:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                images.write(path, images.Picture(array[scene, block]))
    for one, other in zip(open_set(f"sidd-val:{tmp_path}/mat"), open_set(f"sidd-val:{tmp_path}/folder"), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.noisy, other.noisy)
        assert one.clean is not None
        assert other.clean is not None
        np.testing.assert_array_equal(one.clean, other.clean)


def test_the_sidd_benchmark_has_no_truth(tmp_path: Path) -> None:
    noisy = blocks()
    savemat(tmp_path / "BenchmarkNoisyBlocksSrgb.mat", {"BenchmarkNoisyBlocksSrgb": noisy})
    opened = open_set(f"sidd-benchmark:{tmp_path}")
    assert not opened.has_truth
    np.testing.assert_array_equal([pair.noisy for pair in opened], noisy.reshape(6, 6, 7, 3))


def test_dnd_crops_are_cut_at_the_boxes(tmp_path: Path) -> None:
    photographs, corners = save_dnd(tmp_path)
    pairs = list(open_set(f"dnd:{tmp_path}"))
    assert [pair.name for pair in pairs] == ["0001_01", "0001_02", "0001_03", "0002_01", "0002_02", "0002_03"]
    for number, pair in enumerate(pairs):
        top, left, bottom, right = corners.reshape(-1, 4)[number].astype(int)  # from 1, ends included, as MATLAB counts
        expected = photographs[number // 3][top - 1 : bottom, left - 1 : right]
        assert expected.shape == (10, 13, 3)
        np.testing.assert_array_equal(pair.noisy, expected, strict=True)
        assert pair.clean is None


@pytest.mark.parametrize("inner", ["", "Data"])
def test_sidd_medium_as_it_unpacks(inner: str, tmp_path: Path) -> None:
    scene = tmp_path / "Data" / "0001_001_S6_00100_00060_3200_L"
    written = {
        (kind, shot): write(scene / f"0001_{kind}_SRGB_{shot}.PNG") for kind in ("NOISY", "GT") for shot in ("010", "011")
    }
    (tmp_path / "Data" / "Scene_Instances.txt").write_text("0001_001_S6_00100_00060_3200_L")
    pairs = list(open_set(f"sidd-medium:{tmp_path}/{inner}"))
    assert [pair.name for pair in pairs] == [f"{scene.name}/0001_010", f"{scene.name}/0001_011"]
    np.testing.assert_array_equal(pairs[1].noisy, written["NOISY", "011"])
    np.testing.assert_array_equal(pairs[1].clean, written["GT", "011"])
    (scene / "0001_GT_SRGB_011.PNG").unlink()
    assert "0001_NOISY_SRGB_011.PNG has no clean partner" in complaint(f"sidd-medium:{tmp_path}")


def test_polyu_may_be_the_folder_around_its_crops(tmp_path: Path) -> None:
    for kind in ("real", "mean"):
        write(tmp_path / "CroppedImages" / f"a_1_{kind}.JPG")
    for kind in ("Real", "mean"):  # whole pictures are spelt like this
        write(tmp_path / "OriginalImages" / f"a_{kind}.JPG", (8, 9, 3))
    write(tmp_path / "OriginalImages" / "IMG_8325.JPG")
    assert [pair.noisy.shape for pair in open_set(f"polyu:{tmp_path}")] == [(6, 7, 3)]
    assert [pair.noisy.shape for pair in open_set(f"polyu:{tmp_path}/OriginalImages")] == [(8, 9, 3)]


def test_nam_lies_in_two_folders(tmp_path: Path) -> None:
    noisy = {number: write(tmp_path / "input" / f"{number:02d}_noise.png") for number in (1, 2, 10)}
    clean = {number: write(tmp_path / "truth" / f"{number:02d}_gt.png") for number in (1, 2, 10)}
    pairs = list(open_set(f"nam:{tmp_path}"))
    assert len(pairs) == 3
    for number, pair in zip((1, 2, 10), pairs, strict=True):
        np.testing.assert_array_equal(pair.noisy, noisy[number])
        np.testing.assert_array_equal(pair.clean, clean[number])


def test_nind_is_judged_by_its_lowest_iso(tmp_path: Path) -> None:
    for iso in ("200", "200-2", "800", "6400-1", "6400-2", "H1"):
        write(tmp_path / "MuseeL-coral" / f"NIND_MuseeL-coral_ISO{iso}.png")
    write(tmp_path / "alone" / "NIND_alone_ISO100.png")
    write(tmp_path / "droid" / "NIND_droid_ISO1600.png")
    write(tmp_path / "droid" / "NIND_droid_ISO400.png")
    found = [(entry.name, Path(str(entry.clean)).stem) for entry in open_set(f"nind:{tmp_path}").entries]
    coral = "NIND_MuseeL-coral_ISO"
    assert found == [
        *((f"{coral}{iso}", f"{coral}200") for iso in ("800", "6400-1", "6400-2", "H1")),
        ("NIND_droid_ISO1600", "NIND_droid_ISO400"),
    ]


def test_fmd_has_one_truth_for_each_field_of_view(tmp_path: Path) -> None:
    for field in (1, 19):
        truth = write(tmp_path / "Confocal_FISH" / "gt" / str(field) / "avg50.png", (6, 7))
        for level in ("raw", "avg16"):
            write(tmp_path / "Confocal_FISH" / level / str(field) / "HV110_P0500510000.png", (6, 7))
    for level in ("raw", "gt"):
        write(tmp_path / "test_mix" / level / "TwoPhoton_MICE_1.png", (6, 7))
    pairs = {pair.name: pair for pair in open_set(f"fmd:{tmp_path}")}
    assert list(pairs) == [
        *(f"Confocal_FISH/{level}/{field}/HV110_P0500510000" for level in ("raw", "avg16") for field in (1, 19)),
        "test_mix/raw/TwoPhoton_MICE_1",
    ]
    np.testing.assert_array_equal(pairs["Confocal_FISH/avg16/19/HV110_P0500510000"].clean, truth)
    assert len(open_set(f"fmd:{tmp_path}/Confocal_FISH")) == 4
    (tmp_path / "Confocal_FISH/gt/1/avg50.png").unlink()
    assert "gt/1/avg50.png" in complaint(f"fmd:{tmp_path}")


PUBLISHED = "sidd-val", "sidd-medium", "sidd-benchmark", "dnd", "polyu", "cc15", "nam", "nind", "fmd"


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_missing_data_says_where_it_is_to_be_had(name: str, folder: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    message = complaint(f"{name}:{tmp_path / folder}")
    if folder or name not in ("nam", "nind"):  # of an empty folder the search for pictures complains first
        assert "to be had " in message
    assert str(tmp_path) in message
    assert message.count(".\n") == 0
    assert message.endswith(".")


def test_half_a_set_of_dnd_names_what_is_missing(tmp_path: Path) -> None:
    save_dnd(tmp_path)
    (tmp_path / "images_srgb" / "0002.mat").unlink()
    assert "lacks the file images_srgb/0002.mat" in complaint(f"dnd:{tmp_path}")


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"cut short": content[: len(content) // 2], "empty": b"", "text": b"hello" * 300}[how])


@pytest.mark.parametrize("how", ["cut short", "empty", "text"])
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_damaged_file_of_matlab_is_one_sentence(how: str, version: str, tmp_path: Path) -> None:
    path = tmp_path / "BenchmarkNoisyBlocksSrgb.mat"
    arrays: dict[str, Any] = {path.stem: blocks()}
    save_7_3(path, **arrays) if version == "7.3" else savemat(path, arrays, do_compression=True)
    damage(path, how)
    with pytest.raises(UnnoiseError, match=r"BenchmarkNoisyBlocksSrgb\.mat .*cannot be decoded .* get a fresh copy"):
        list(open_set(f"sidd-benchmark:{tmp_path}"))


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_another_array_of_matlab_is_named(version: str, tmp_path: Path) -> None:
    path = tmp_path / "BenchmarkNoisyBlocksSrgb.mat"
    save_7_3(path, Other=blocks()) if version == "7.3" else savemat(path, {"Other": blocks()})
    with pytest.raises(UnnoiseError, match=r"lacks the array BenchmarkNoisyBlocksSrgb \(it holds Other\)"):
        open_set(f"sidd-benchmark:{tmp_path}")
