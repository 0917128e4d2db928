"""Data sets of HDF5 by their paths: only their values change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from command_line import call
from images.science.samples import HEIGHT, WIDTH, counts
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images.formats import find_pictures, split_dataset


def make(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["owner"] = "the beamline"
        entry = file.create_group("entry")
        data = entry.create_dataset("data", data=counts(3, HEIGHT, WIDTH), chunks=(1, HEIGHT, WIDTH), compression="gzip")
        data.attrs["units"] = "counts"
        data.dims[0].label = "frame"
        packed = entry.create_dataset("packed", data=counts(HEIGHT, WIDTH, dtype="float32"), **hdf5plugin.Zstd())
        packed.attrs["_FillValue"] = packed[4, 5]
        blank = entry.create_dataset("blank", data=counts(HEIGHT, WIDTH, dtype="int16"))
        blank.attrs["_FillValue"] = blank[2, 3]
        entry.create_dataset("big", data=counts(HEIGHT, WIDTH, dtype="float64").astype(">f8"))
        entry.create_dataset("spectrum", data=np.arange(9.0))
        entry.create_dataset("words", data=["a", "b"])
        file["link"] = h5py.SoftLink("/entry/data")
    return path


def everything(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        value = item[()] if isinstance(item, h5py.Dataset) else None
        kept = {
            key: np.asarray(said).tolist() for key, said in item.attrs.items() if key not in ("history", "DIMENSION_LABELS")
        }
        how = (item.dtype.str, item.chunks, item.compression, dict(item._filters)) if isinstance(item, h5py.Dataset) else None
        found[name] = (value, kept, how)

    with h5py.File(path) as file:
        file.visititems(visit)
        found["/"] = dict(file.attrs)
        found["label"] = file["entry/data"].dims[0].label
        found["link"] = file.get("link", getlink=True).path
    return found


@pytest.mark.parametrize(
    "chosen", ["/entry/data", "entry/packed", "/entry/blank", "/entry/big", "/link", "/entry/data,/entry/packed"]
)
def test_only_the_values_of_the_chosen_data_set_change(tmp_path: Path, chosen: str) -> None:
    source = make(tmp_path / "a.h5")
    redrawn(Path(f"{source}:{chosen}"), tmp_path / "same.h5")
    redrawn(Path(f"{source}:{chosen}"), tmp_path / "half.h5", lambda pixels: (pixels // 2).astype(pixels.dtype))
    old, same, half = (everything(tmp_path / name) for name in ("a.h5", "same.h5", "half.h5"))
    changed = {name.strip("/").replace("link", "entry/data") for name in chosen.split(",")}
    assert old.keys() == same.keys() == half.keys()
    for name, was in old.items():
        if not isinstance(was, tuple):
            assert same[name] == half[name] == was
            continue
        assert same[name][1:] == half[name][1:] == was[1:]
        np.testing.assert_array_equal(same[name][0], was[0])
        if name not in changed:
            np.testing.assert_array_equal(half[name][0], was[0])
        else:
            missing = was[0] == was[1].get("_FillValue", -1)
            np.testing.assert_array_equal(half[name][0][missing], was[0][missing])
            assert np.abs(half[name][0] - was[0] // 2)[~missing].max() <= 1
    with h5py.File(tmp_path / "half.h5") as file:
        for name in changed:
            assert file[name].attrs["history"].startswith("Denoised by unnoise")


def test_one_data_set_needs_no_name_and_several_do(tmp_path: Path) -> None:
    source = make(tmp_path / "a.h5")
    with pytest.raises(
        UsageError, match=r"has 4 data sets that can be pictures; choose with --dataset one or more of /entry/big, "
    ):
        images.open(source)
    with h5py.File(tmp_path / "b.nc", "w") as file:
        file["only"] = counts(HEIGHT, WIDTH)
    with images.open(tmp_path / "b.nc") as opened:
        np.testing.assert_array_equal(opened[0].picture().pixels, counts(HEIGHT, WIDTH))
    for name, said in {
        "/entry/nothing": r"has no data set /entry/nothing; choose",
        "/entry": r"has no data set /entry; choose",
        "/entry/spectrum": "holds no rows and columns of numbers",
    }.items():
        with pytest.raises(UsageError, match=said):
            images.open(f"{source}:{name}")
    with pytest.raises(UsageError, match="The axes 'YX' do not fit"):
        images.open(f"{source}:/entry/data", axes="YX")


def test_other_formats_take_the_values(tmp_path: Path) -> None:
    source = make(tmp_path / "a.h5")
    with pytest.warns(UnnoiseWarning, match="the HDF5 header stays behind"):
        redrawn(Path(f"{source}:/entry/data"), tmp_path / "out.tif")
    with images.open(tmp_path / "out.tif") as opened:
        np.testing.assert_array_equal(np.stack([frame.picture().pixels for frame in opened]), counts(3, HEIGHT, WIDTH))


def test_damage_is_one_sentence(tmp_path: Path) -> None:
    data = make(tmp_path / "a.h5").read_bytes()
    for share in (0.05, 0.3, 0.6, 0.9):
        (tmp_path / "cut.h5").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UnnoiseError, match=r"cut\.h5 cannot be decoded"):
            redrawn(Path(f"{tmp_path / 'cut.h5'}:/entry/data"), tmp_path / "out.h5")


def test_names_with_a_colon_are_data_sets_of_files_that_are_there(tmp_path: Path) -> None:
    source = make(tmp_path / "a.h5")
    assert split_dataset(Path(f"{source}:/entry/data")) == (source, "/entry/data")
    assert split_dataset(Path("C:/a.h5")) == (Path("C:/a.h5"), None)
    assert find_pictures([f"{source}:/entry/data"]) == [Path(f"{source}:/entry/data")]


@pytest.mark.parametrize("way", ["option", "colon"])
def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], way: str
) -> None:
    source = make(tmp_path / "a.h5")
    given = [source, "--dataset", "/entry/data"] if way == "option" else [f"{source}:/entry/data"]
    answer = call(monkeypatch, capfd, "denoise", *given, "-o", tmp_path / "b.h5", "--model", "fast", "--strength", "0")
    assert answer.status == 0, answer.err
    with h5py.File(tmp_path / "b.h5") as file:
        np.testing.assert_array_equal(file["entry/data"][()], counts(3, HEIGHT, WIDTH))
