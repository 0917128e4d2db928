"""The small files that `fuzz.py` damages, and how each kind is read."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import folder_kinds
import http_requests
import numpy as np
import state_kinds

BENCHMARKS = Path(__file__).parents[1]
sys.path.append(str(BENCHMARKS / "faults"))  # whose camera raw file is used here
sys.path.append(str(BENCHMARKS.parent / "tests"))  # whose files of microscopes are

RECIPE = """
name: tiny
denoiser: {name: dbsn, features: 4, modules: 1}
scheme: {name: pd-blind-spot, train_stride: 1, infer_stride: 1}
training: {crop: 16, batch: 1, learning_rate: 1.0e-3}
"""
ABLATION: dict[str, Any] = {"ablation": "identity", "pictures": ["a"], "data": "pairs:b", "steps": 3, "refine": True}
PICTURES = (
    "grey.png", "color.png", "color.jpg", "color.webp", "color.avif", "color.heic", "deep.png", "deep.tif", "float.npy",
    "color.jxl", "deep.jp2", "color.gif", "color.bmp", "color.tga", "color.ppm", "float.pfm", "color.psd", "color.hdr",
)  # fmt: skip


LIBRARIES = (
    "pylibCZIrw.czi", "liffile", "nd2",
    "tifffile", "imagecodecs", "astropy.io.fits", "mrcfile", "nibabel", "zarr", "pydicom", "h5py", "OpenEXR", "rawpy",
    "unnoise.evaluation.comparison.runner", "unnoise.evaluation.ablations.runner", "pyarrow.parquet",
)  # fmt: skip


def load_libraries() -> None:
    """Load what the workers need, so that each of them begins at once. Nothing is used before a fork."""
    import torch

    torch.set_num_threads(1)
    for name in (*LIBRARIES, "unnoise.training.train"):
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    http_requests.load_libraries()


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
        if name.startswith("float") or name.endswith(".hdr"):
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
    _make_films(folder, rng)
    _make_scores(folder)
    folder_kinds.make(folder)
    state_kinds.make(folder, model)
    for name, request in http_requests.seeds().items():
        (folder / f"http-{name}.txt").write_bytes(request)


def _make_scores(folder: Path) -> None:
    """Scores of a comparison, and settings of an ablation."""
    from unnoise.evaluation.ablations.runner import AblationSettings
    from unnoise.evaluation.protocols import Score
    from unnoise.evaluation.scoring import Evaluation, ImageScore

    one = ImageScore(name="a", noisy=Score(30.0, 0.7), restored=Score(34.0, 0.9), seconds=0.5)
    made = Evaluation(model="m", data="pairs:d", protocol="default", options={}, images=[one])
    cell = {"made_from": "x", "parameters": 3, "trained": "a", "scores": json.loads(made.to_json())}
    (folder / "scores.json").write_text(json.dumps(cell))
    (folder / "ablation.json").write_text(AblationSettings(**ABLATION).model_dump_json())


def _make_films(folder: Path, rng: np.random.Generator) -> None:
    """Films and camera raw."""
    from PIL import Image

    frames = [Image.fromarray(rng.integers(0, 255, (12, 14, 3), np.uint8)) for _ in range(3)]
    for suffix in ("png", "webp", "gif", "avif"):
        with suppress(Exception):  # the library lacks the format
            frames[0].save(folder / f"film.{suffix}", save_all=True, append_images=frames[1:], duration=50)
    with suppress(ModuleNotFoundError):
        import commands
        import rawpy  # noqa: F401

        commands.write_dng(folder / "raw.dng", 0)


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
    with suppress(ModuleNotFoundError):
        import OpenEXR

        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"Y": pixels}).write(str(folder / "science.exr"))
    with suppress(ModuleNotFoundError):
        import h5py

        with h5py.File(folder / "science.h5", "w") as file:
            file.create_dataset("data", data=pixels, chunks=(8, 8), compression="gzip")
    with suppress(ModuleNotFoundError):
        _make_dicom(folder / "science.dcm", (pixels * 1000).astype(np.uint16))
    with suppress(ModuleNotFoundError):
        from images.science import microscope_samples

        counts = microscope_samples.stack(2, 2)  # (T, C, H, W)
        microscope_samples.write_czi(folder / "science.czi", counts, "TC")
        microscope_samples.write_lif(folder / "science.lif", [("a", counts, "TCYX")])
        microscope_samples.write_nd2(folder / "science.nd2", np.ascontiguousarray(counts.transpose(0, 2, 3, 1)))


def _make_dicom(path: Path, pixels: Any) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    data, meta = Dataset(), FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=["fuzz"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelData = pixels.tobytes()
    data.file_meta = meta
    data.save_as(path, enforce_file_format=True)


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
    elif kind == "scores":
        from unnoise.evaluation.comparison import runner

        runner._kept(path, "x")
    elif kind == "ablation":
        from unnoise.evaluation.ablations import runner as ablation_runner

        settings = ablation_runner.AblationSettings(**ABLATION)

        path.replace(path.with_name(ablation_runner.SETTINGS))
        ablation_runner._keep(settings, path.parent, resume=True)
    elif kind.startswith("http-"):
        http_requests.ask(path)
    elif kind in folder_kinds.KINDS:
        folder_kinds.read(kind, path)
    elif kind in state_kinds.KINDS:
        state_kinds.read(kind, path)
    elif kind == "teachers":
        from unnoise.training import teacher_cache

        teacher_cache._is_whole(path, (20, 24, 3))
    else:
        from unnoise import images

        with images.open(path) as source:
            for number in range(min(len(source), 4)):
                source[number].picture()
