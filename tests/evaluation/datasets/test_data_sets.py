"""Opening data sets: who is paired with whom, and the one sentence that says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from reference import data_dir
from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation import datasets as data
from unnoise.evaluation.datasets import open_set

GREY = np.zeros((4, 5), np.uint8)


def save(path: Path, pixels: np.ndarray = GREY) -> Path:
    """A picture file, in whichever of the two formats the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        np.save(path, pixels)
    return path


def touch(folder: Path, *names: str) -> Path:
    """Files of these names: opening a set looks at no more than that."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def complaint(spec: str) -> str:
    with pytest.raises(UsageError) as error:
        open_set(spec)
    return str(error.value)


def test_pairs_are_joined_by_name_whatever_their_suffix(tmp_path: Path) -> None:
    for number, suffix in ((2, ".tif"), (1, ".npy")):
        save(tmp_path / "noisy" / f"{number}{suffix}", np.full((4, 5), number, np.uint16))
        save(tmp_path / "clean" / f"{number}.npy", np.full((4, 5), number + 10, np.uint16))
    opened = open_set(f"pairs:{tmp_path}")
    assert len(opened) == 2
    for _ in range(2):  # it can be read again
        found = [(pair.name, pair.noisy[0, 0], pair.clean[0, 0]) for pair in opened if pair.clean is not None]
        assert found == [("1", 1, 11), ("2", 2, 12)]
    assert opened.has_truth
    assert opened.name == f"pairs:{tmp_path}"


def test_pairs_may_lie_in_folders_of_folders(tmp_path: Path) -> None:
    touch(tmp_path, "noisy/a/1.png", "noisy/b/1.png", "clean/a/1.tif", "clean/b/1.tif")
    assert [(entry.name, entry.clean) for entry in open_set(f"pairs:{tmp_path}").entries] == [
        ("a/1", tmp_path / "clean/a/1.tif"),
        ("b/1", tmp_path / "clean/b/1.tif"),
    ]


def test_pixels_are_read_only_when_asked_for(tmp_path: Path) -> None:
    for folder in ("noisy", "clean"):
        save(tmp_path / folder / "1.npy")
    touch(tmp_path, "noisy/2.png", "clean/2.png")  # empty files, which cannot be read
    pairs = iter(open_set(f"pairs:{tmp_path}"))
    assert next(pairs).name == "1"
    with pytest.raises(UnnoiseError, match=r"2\.png is empty"):
        next(pairs)


@pytest.mark.parametrize(("name", "suffix"), [("polyu", ".JPG"), ("cc15", ".png")])
def test_published_names_are_joined_by_their_endings(name: str, suffix: str, tmp_path: Path) -> None:
    touch(tmp_path, f"b_real{suffix}", f"b_mean{suffix}", f"a_2_real{suffix.swapcase()}", f"a_2_mean{suffix}", "License.txt")
    assert [
        (entry.name, entry.noisy.name, entry.clean and entry.clean.name) for entry in open_set(f"{name}:{tmp_path}").entries
    ] == [
        ("a_2", f"a_2_real{suffix.swapcase()}", f"a_2_mean{suffix}"),
        ("b", f"b_real{suffix}", f"b_mean{suffix}"),
    ]


def test_sidd_blocks_without_truth_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "noisy/01_01.webp", "noisy/25_01.webp", "noisy/25_02.webp", "clean/25_01.webp", "clean/25_02.webp")
    assert [entry.name for entry in open_set(f"sidd-val:{tmp_path}").entries] == ["25_01", "25_02"]


def test_a_folder_has_no_truth(tmp_path: Path) -> None:
    save(tmp_path / "b.npy")
    save(tmp_path / "a" / "c.tif")
    opened = open_set(f"folder:{tmp_path}")
    assert [(pair.name, pair.clean) for pair in opened] == [("a/c", None), ("b", None)]
    assert not opened.has_truth


def test_the_home_folder_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path, "mine/a.png")
    assert open_set("folder:~/mine").entries[0].noisy == tmp_path / "mine" / "a.png"


@pytest.mark.parametrize(
    ("spec", "problem"), [("sidd:here", "named 'sidd'"), ("some/folder", "form SET:DIR"), ("C:\\x", "named 'C'")]
)
def test_a_set_that_is_none_lists_those_there_are(spec: str, problem: str) -> None:
    assert problem in complaint(spec)
    assert ", ".join(data.names()) in complaint(spec)


@pytest.mark.parametrize("name", data.names())
def test_a_missing_folder_is_named(name: str, tmp_path: Path) -> None:
    assert f"{tmp_path}/nowhere" in complaint(f"{name}:{tmp_path}/nowhere")
    assert "does not exist" in complaint(f"{name}:{tmp_path}/nowhere")
    assert "is no folder" in complaint(f"{name}:{save(tmp_path / 'file.npy')}")
    for spec in (name, f"{name}:"):
        assert complaint(spec) == f"The data set '{spec}' lacks its folder; write {name}:DIR."


@pytest.mark.parametrize("name", data.names())
def test_a_folder_without_pairs_is_named(name: str, tmp_path: Path) -> None:
    folder = touch(tmp_path, "noisy/1.txt", "clean/1.txt", "other.txt")
    assert str(folder) in complaint(f"{name}:{folder}")


def test_no_name_in_common_is_no_pair(tmp_path: Path) -> None:
    touch(tmp_path, "noisy/1.png", "clean/2.png")
    for name in ("pairs", "sidd-val"):
        assert "No pairs were found" in complaint(f"{name}:{tmp_path}")


@pytest.mark.parametrize(
    ("spec", "alone"),
    [
        ("pairs", "noisy/2.png"),
        ("pairs", "clean/2.png"),
        ("sidd-val", "clean/2.png"),
        ("polyu", "2_real.JPG"),
        ("polyu", "2_mean.JPG"),
        ("cc15", "2_real.png"),
        ("cc15", "2_mean.png"),
    ],
)
def test_a_file_without_its_partner_is_named(spec: str, alone: str, tmp_path: Path) -> None:
    touch(tmp_path, "noisy/1.png", "clean/1.png", "1_real.png", "1_mean.png", "1_real.JPG", "1_mean.JPG", alone)
    message = complaint(f"{spec}:{tmp_path}")
    assert str(tmp_path / alone) in message
    assert ("no noisy partner" if "clean" in alone or "mean" in alone else "no clean partner") in message


def test_two_files_of_one_name_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path, "noisy/1.png", "noisy/1.tif", "clean/1.png")
    assert "1.png and " in complaint(f"pairs:{tmp_path}")
    assert "1.tif both" in complaint(f"pairs:{tmp_path}")


@pytest.mark.parametrize("other", [(4, 6), (5, 4), (4, 5, 3)])
def test_pictures_of_a_pair_that_differ_in_size_are_named(other: tuple[int, ...], tmp_path: Path) -> None:
    save(tmp_path / "noisy" / "1.npy")
    save(tmp_path / "clean" / "1.npy", np.zeros(other, np.uint8))
    with pytest.raises(UsageError) as error:
        list(open_set(f"pairs:{tmp_path}"))
    for folder, size in (("noisy", "4×5"), ("clean", "×".join(map(str, other)))):
        assert f"{tmp_path}/{folder}/1.npy is {size}" in str(error.value)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "count", "shape"), [("sidd-val", "sidd_val", 192, (256, 256, 3)), ("polyu", "polyu", 100, (512, 512, 3))]
)
def test_the_real_sets_are_whole(name: str, folder: str, count: int, shape: tuple[int, ...]) -> None:
    opened = open_set(f"{name}:{data_dir(folder)}")
    assert len(opened) == count
    first = next(iter(opened))
    assert first.clean is not None
    assert (first.noisy.shape, first.clean.shape, first.noisy.dtype) == (shape, shape, np.uint8)
    assert not np.array_equal(first.noisy, first.clean)


@pytest.mark.data
def test_pictures_without_truth_are_found() -> None:
    assert len(open_set(f"folder:{data_dir('rni15')}")) == 15


def test_opening_a_set_imports_neither_torch_nor_pyvips(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    code = "import sys, unnoise.evaluation.datasets as d; d.open_set(sys.argv[1]); "
    code += "sys.exit(bool({'torch', 'pyvips'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code, f"folder:{tmp_path}"], check=True)
