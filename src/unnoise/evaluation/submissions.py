"""Files to send to the servers of SIDD and DND, which keep the clean pictures to themselves.

- SIDD, first form: `SubmitSrgb.mat` with a cell array of blocks, the seconds per megapixel, and facts about the method.
- SIDD, newer form: a CSV of two columns, `ID` and `BLOCK`: the bytes of each block, row by row, in base64.
- DND: a folder of `0001.mat` to `0050.mat`, each with a cell array of 20 crops.

What was written is read back and compared before the file gets its name.
"""

from __future__ import annotations

import base64
import binascii
import csv
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation.datasets.base import DataSet
from unnoise.evaluation.scoring import SupportsDenoise
from unnoise.files.atomic import atomic_write
from unnoise.images.pixels import to_unit_float
from unnoise.registry import require

Array = NDArray[Any]
SETS = "sidd-benchmark", "sidd-val", "dnd"
"""The data sets that can be submitted. The validation blocks have truth, so their round trip can be scored."""
CSV_FIELD_BYTES = 2**26
"""The longest field of a CSV that is read: far more than a block."""


def submit(
    model: SupportsDenoise,
    data: DataSet,
    target: Path,
    *,
    facts: dict[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **denoise_options: Any,
) -> None:
    """Denoise a benchmark's pictures and write what its server takes.

    Args:
        model: as `unnoise.evaluate` takes it.
        data: one of `SETS`, from `unnoise.evaluation.datasets.open_set`.
        target: a file `.mat` or `.csv` for SIDD, a folder for DND. It replaces what is there.
        facts: about the method, for SIDD's first form: MethodName, Authors, PaperTitle, Venue.
        progress: called with (pictures done, pictures in all).
        denoise_options: passed on to `model.denoise`.

    Raises:
        UsageError: another data set, another suffix, or blocks that make no grid of scenes.
        UnnoiseError: a file cannot be read or written, or what was written differs when it is read back.

    >>> submit(object(), DataSet("folder:a", []), Path("a.mat"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: Only sidd-benchmark, sidd-val and dnd can be submitted, not folder; give one of them.
    """
    name = data.name.partition(":")[0]
    if name not in SETS:
        raise UsageError(f"Only {SETS[0]}, {SETS[1]} and {SETS[2]} can be submitted, not {name}; give one of them.")
    require("scipy", "A submission")
    if name == "dnd":
        _check_folder(target)
        with atomic_write(target) as folder:
            folder.mkdir()
            _write_dnd(_restored(model, data, progress, denoise_options), folder)
        return
    if target.suffix not in (".mat", ".csv"):
        raise UsageError(f"A submission to SIDD is a file .mat or .csv, not '{target.name}'; give such a name.")
    scenes, count = _grid(data)
    start = time.perf_counter()
    blocks = [
        (pixels.astype(np.float64) * 255).round().clip(0, 255).astype(np.uint8)
        for _, pixels in _restored(model, data, progress, denoise_options)
    ]
    seconds = (time.perf_counter() - start) / (sum(block.shape[0] * block.shape[1] for block in blocks) / 1e6)
    whole = np.stack(blocks).reshape(scenes, count, *blocks[0].shape)
    with atomic_write(target) as temporary:
        if target.suffix == ".mat":
            _write_mat(whole, seconds, facts or {}, temporary)
        else:
            _write_csv(blocks, temporary)
        if not np.array_equal(read_blocks(temporary, whole.shape), whole):
            raise UnnoiseError(f"{target} differs from what was written to it when it is read back; check the disk.")


def read_blocks(path: Path, shape: tuple[int, ...] = (40, 32, 256, 256, 3)) -> NDArray[np.uint8]:
    """The blocks in a submission to SIDD.

    Args:
        path: `.mat` or `.csv`.
        shape: (scenes, blocks, H, W, C). A CSV does not hold it.

    Returns:
        uint8, of this shape.

    Raises:
        UnnoiseError: the file is damaged, or holds other blocks.

    >>> read_blocks(Path("none.csv"))
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: none.csv cannot be read as a submission: ...; write it again.
    """
    try:
        if path.suffix == ".mat":
            cells = import_module("scipy.io").loadmat(path, variable_names=["DenoisedBlocksSrgb"])["DenoisedBlocksSrgb"]
            found = np.stack([np.asarray(cell, np.uint8) for cell in cells.ravel()])
        else:
            found = np.stack([block.reshape(shape[2:]) for block in _csv_blocks(path)])
        return found.reshape(shape)
    except (OSError, ValueError, KeyError, TypeError, binascii.Error, csv.Error) as error:
        raise UnnoiseError(f"{path} cannot be read as a submission: {str(error).rstrip('.')}; write it again.") from error


def _restored(
    model: SupportsDenoise, data: DataSet, progress: Callable[[int, int], None] | None, options: dict[str, Any]
) -> Iterator[tuple[str, Array]]:
    """Names and restored pictures, (H, W, C) float32 in 0..1."""
    for done, pair in enumerate(data, start=1):
        yield pair.name, np.asarray(model.denoise(to_unit_float(pair.noisy), **options), np.float32)
        if progress:
            progress(done, len(data))


def _grid(data: DataSet) -> tuple[int, int]:
    """The number of scenes and of blocks in each. Raises `UsageError` if a scene has fewer blocks than others."""
    scenes: dict[str, int] = {}
    for entry in data.entries:
        scene = entry.name.rpartition("_")[0]
        scenes[scene] = scenes.get(scene, 0) + 1
    counts = set(scenes.values())
    if len(counts) != 1:
        raise UsageError(f"The scenes of {data.name} have {sorted(counts)} blocks; a submission needs equally many in each.")
    return len(scenes), counts.pop()


def _write_mat(blocks: Array, seconds: float, facts: dict[str, str], path: Path) -> None:
    cells = np.empty(blocks.shape[:2], dtype=object)
    for place in np.ndindex(*cells.shape):
        cells[place] = blocks[place]
    described = {name: facts.get(name, "") for name in ("MethodName", "Authors", "PaperTitle", "Venue")}
    content = {"DenoisedBlocksSrgb": cells, "TimeMPSrgb": seconds, "OptionalData": described}
    import_module("scipy.io").savemat(path, content, do_compression=True)


def _write_csv(blocks: list[Array], path: Path) -> None:
    with path.open("w", newline="", encoding="ascii") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["ID", "BLOCK"])
        for number, block in enumerate(blocks):
            rows.writerow([number, base64.b64encode(np.ascontiguousarray(block).tobytes()).decode("ascii")])


def _csv_blocks(path: Path) -> Iterator[NDArray[np.uint8]]:
    csv.field_size_limit(CSV_FIELD_BYTES)
    with path.open(newline="", encoding="ascii") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if int(row["ID"]) != number:
                raise ValueError(f"block {number} has the ID {row['ID']}")
            yield np.frombuffer(base64.b64decode(row["BLOCK"], validate=True), np.uint8)


def _check_folder(target: Path) -> None:
    if target.suffix:
        raise UsageError(f"A submission to DND is a folder, not '{target.name}'; give a name without a suffix.")


def _write_dnd(restored: Iterator[tuple[str, Array]], folder: Path) -> None:
    """One file for each photograph, whose crops come one after the other."""
    crops: list[Array] = []
    current = ""
    for name, pixels in restored:
        photograph = name.partition("_")[0]
        if photograph != current and crops:
            _write_bundle(crops, folder / f"{current}.mat")
            crops = []
        current = photograph
        crops.append(pixels)
    if crops:
        _write_bundle(crops, folder / f"{current}.mat")


def _write_bundle(crops: list[Array], path: Path) -> None:
    io = import_module("scipy.io")
    cells = np.empty((1, len(crops)), dtype=object)
    for number, crop in enumerate(crops):
        cells[0, number] = crop
    io.savemat(path, {"Idenoised": cells, "israw": False, "eval_version": "1.0"})
    found = io.loadmat(path)["Idenoised"]
    if found.shape != cells.shape or not all(np.array_equal(*pair) for pair in zip(found[0], cells[0], strict=True)):
        raise UnnoiseError(f"{path.name} differs from what was written to it when it is read back; check the disk.")
