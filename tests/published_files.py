"""Files of published data sets, written as their authors write them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

RANDOM = np.random.default_rng(0)


def save_7_3(path: Path, **arrays: np.ndarray) -> None:
    """As MATLAB's `save -v7.3`: a text of 512 bytes, then HDF5 with all axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array.T, compression="gzip")
    with path.open("rb+") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(508) + b"\x00\x02IM")


def save_dnd(folder: Path, pictures: int = 2, boxes: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    """`info.mat` with references to the boxes of each photograph, and the photographs, all as published."""
    (folder / "images_srgb").mkdir(parents=True)
    photographs = [RANDOM.random((20 + 5 * number, 30, 3), dtype=np.float32) for number in range(pictures)]
    corners = np.array([[[1 + b, 2 + b, 10 + b, 14 + b] for b in range(boxes)] for _ in range(pictures)], float)
    with h5py.File(folder / "info.mat", "w", userblock_size=512) as file:
        held = file.create_dataset("info/boundingboxes", (1, pictures), dtype=h5py.ref_dtype)
        for number in range(pictures):
            file.create_dataset(f"#refs#/box{number}", data=corners[number].T)
            held[0, number] = file[f"#refs#/box{number}"].ref
            save_7_3(folder / "images_srgb" / f"{number + 1:04d}.mat", InoisySRGB=photographs[number])
    return photographs, corners
