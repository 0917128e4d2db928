"""The small files that `fuzz.py` damages, and how each kind is read."""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

RECIPE = """
name: tiny
denoiser: {name: dbsn, features: 4, modules: 1}
scheme: {name: pd-blind-spot, train_stride: 1, infer_stride: 1}
training: {crop: 16, batch: 1, learning_rate: 1.0e-3}
"""
PICTURES = ("grey.png", "color.png", "color.jpg", "color.webp", "color.avif", "deep.png", "deep.tif", "float.npy")


def load_libraries() -> None:
    """Load what the workers need, so that each of them begins at once. Nothing is used before a fork."""
    import torch

    torch.set_num_threads(1)
    for name in ("tifffile", "imagecodecs", "astropy.io.fits", "mrcfile", "nibabel", "zarr", "unnoise.training.train"):
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)


def make(folder: Path) -> None:
    """Write one small file of each kind into a folder. Formats whose library is missing are left out."""
    import tifffile
    import torch

    from unnoise import images, recipes
    from unnoise.models.model import fresh
    from unnoise.training import checkpoints

    rng = np.random.default_rng(0)
    for name in PICTURES:
        shape = (20, 24) if name.startswith(("grey", "float")) else (20, 24, 3)
        pixels: Any = rng.integers(0, 65535 if name.startswith("deep") else 255, shape)
        pixels = pixels.astype("uint16" if name.startswith("deep") else "uint8")
        if name.startswith("float"):
            pixels = (pixels / 255).astype(np.float32)
        with suppress(Exception):  # the library is missing
            images.write(folder / name, images.Picture(pixels))
    _make_science(folder, rng.random((20, 24)).astype(np.float32))
    grey = rng.integers(0, 255, (3, 18, 20), np.uint8)
    tifffile.imwrite(folder / "pages.tif", grey, photometric="minisblack", compression="zlib", predictor=True)
    tifffile.imwrite(folder / "tiles.tif", grey[0], tile=(16, 16), compression="lzw", bigtiff=True)
    tifffile.imwrite(folder / "imagej.tif", grey.astype(np.uint16), imagej=True)
    tifffile.imwrite(folder / "planes.tif", grey, photometric="rgb", planarconfig="separate", byteorder=">")
    (folder / "recipe.yaml").write_text(RECIPE)
    model = fresh(recipes.load(folder / "recipe.yaml"))
    model.save(folder / "model.safetensors")
    torch.save(model.network.state_dict(), folder / "published.pth")
    weights = model.network.state_dict()
    state = {"network": weights, "average": weights, "optimizer": {"state": {}, "param_groups": []}, "step": 3, "seconds": 1.0}
    (folder / "run").mkdir()
    checkpoints.save(folder / "run", state | {"seed": 0, "recipe": model.recipe.model_dump_json(), "pool": "a"})
    (folder / "run" / checkpoints.CHECKPOINT_FILE).rename(folder / "checkpoint.pt")
    (folder / "run").rmdir()
    entry = {"source": "/a.png", "stamp": [1, 2], "settings": "x", "result": [3, 4]}
    (folder / "manifest.json").write_text(json.dumps({"format": "unnoise manifest 1", "results": {"a.png": entry}}))
    (folder / "journal.json").write_text(json.dumps(["a.png", entry]) + "\n")
    (folder / "log.csv").write_text("step,minutes,loss,learning_rate,images_per_second,data_share\n20,1,0.1,0.001,3,0\n")
    np.save(folder / "teachers.npy", rng.random((20, 24, 3)).astype(np.float16))


def _make_science(folder: Path, pixels: Any) -> None:
    with suppress(ModuleNotFoundError):
        from astropy.io import fits

        fits.PrimaryHDU(pixels).writeto(folder / "science.fits")
    with suppress(ModuleNotFoundError):
        import mrcfile

        with mrcfile.new(folder / "science.mrc") as file:
            file.set_data(pixels)
    with suppress(ModuleNotFoundError):
        import nibabel

        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), folder / "science.nii")


def read(kind: str, path: Path) -> None:
    """Read a file of a kind as unnoise does."""
    if kind == "recipe":
        from unnoise import recipes

        recipes.load(path)
    elif kind in ("model", "published"):
        from unnoise.models import shipped

        shipped.load(str(path))
    elif kind == "checkpoint":
        from unnoise.training import checkpoints

        state = checkpoints.load(path.parent)
        if state is not None:
            checkpoints.recipe_of(state, path.parent)
    elif kind in ("manifest", "journal"):
        from unnoise.batch import manifest

        path.replace(path.with_name(manifest.FILE_NAME if kind == "manifest" else manifest.JOURNAL_NAME))
        manifest.Manifest(path.parent, "x")
        for name in (manifest.FILE_NAME, manifest.JOURNAL_NAME):
            path.with_name(name).unlink(missing_ok=True)
    elif kind == "log":
        from unnoise.training import logs

        logs.is_log(path)
        logs._rows_until(path, 100)
    elif kind == "teachers":
        from unnoise.training import teacher_cache

        teacher_cache._is_whole(path, (20, 24, 3))
    else:
        from unnoise import images

        with images.open(path) as source:
            for number in range(min(len(source), 4)):
                source[number].picture()
