"""Arrays in files, read piece by piece as numpy would map them."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from unnoise import images
from unnoise.errors import UnnoiseError
from unnoise.images import file_array
from unnoise.images.file_array import FileArray

PARTS = [slice(None), slice(1, 4), slice(2, None), slice(0, 0), 0, 2]


@given(data=st.data(), span=st.sampled_from([1, 40, 2**22]))
def test_every_piece_is_that_of_numpy(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, span: int) -> None:
    shape = tuple(data.draw(st.lists(st.integers(3, 6), min_size=1, max_size=4)))
    array = np.random.default_rng(0).integers(0, 2**16, shape).astype(data.draw(st.sampled_from(["uint8", "<u2", ">u2", "f4"])))
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    np.save(path, np.asfortranarray(array) if data.draw(st.booleans()) else array)
    index = tuple(data.draw(st.sampled_from(PARTS)) for _ in shape)
    old, file_array.SPAN_BYTES = file_array.SPAN_BYTES, span
    try:
        found = FileArray.of_npy(path)
        np.testing.assert_array_equal(found[index], array[index], strict=True)
    finally:
        file_array.SPAN_BYTES = old


@pytest.mark.parametrize("kind", ["npy", "tif"])
def test_a_file_cut_short_while_it_is_read_is_refused(tmp_path: Path, kind: str) -> None:
    """Through a memory map this would end the process."""
    path = tmp_path / f"a.{kind}"
    array = np.random.default_rng(0).random((16, 512, 256)).astype(np.float32)  # 8 MiB
    if kind == "npy":
        np.save(path, array)
    else:
        tifffile.imwrite(path, array, imagej=True, truncate=True)
    with images.open(path, axes="ZYX" if kind == "npy" else None) as source:
        np.testing.assert_array_equal(source[1][...], array[1])
        os.truncate(path, path.stat().st_size // 2)
        np.testing.assert_array_equal(source[2][...], array[2])
        with pytest.raises(UnnoiseError, match=r"cannot be decoded \(it ends before its last value\)"):
            source[15].region(slice(500, 512), slice(None))


def test_a_stated_size_takes_no_memory(tmp_path: Path) -> None:
    """A file of 3 kB that states a gigabyte is refused before memory is taken."""
    (tmp_path / "a").write_bytes(bytes(3000))
    array = FileArray(tmp_path / "a", np.dtype("uint8"), 1024, (2**15, 2**17))
    tracemalloc.start()
    with pytest.raises(EOFError, match="ends before its last value"):
        array[slice(None), slice(None)]
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
    assert array[slice(0, 1), slice(0, 1976)].shape == (1, 1976)
