"""Scenarios of the commands that are not `denoise` on pictures, nor `train`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray_scenario
from children import PAGE
from scenario import ALONE, CROP_PIXELS, EVERY, Scenario

STUDENT = """
name: tiny-student
denoiser: {name: tmbsn-student-rounded, width: 4}
scheme: {name: distillation}
"""
BAYER = (0, 1, 1, 2)
"""Colors of a cell of 2 × 2 pixels: red, green, green, blue."""


def scenarios(folder: Path, *, make: bool) -> Iterator[Scenario]:
    """The scenarios below `folder`; see `scenarios.all_scenarios`. Those whose library is missing are left out."""
    model = ["--model", str(folder / "model.safetensors"), "--device", "cpu"]

    def begin(name: str) -> Path:
        made = folder / name
        for inside in ("in", "out", "tmp"):
            (made / inside).mkdir(parents=True, exist_ok=True)
        return made

    if importlib.util.find_spec("rawpy"):
        made = begin("raw")
        for number in range(3 if make else 0):
            write_dng(made / "in" / f"{number}.dng", number)
        yield Scenario("denoise, raw", made, lambda place: ["denoise", str(place / "in"), "-o", str(place / "out"), *model])

    if all(map(importlib.util.find_spec, ("fastapi", "uvicorn"))):
        made = begin("page")
        for number in range(3 if make else 0):
            _write_picture(made / "in" / f"{number}.png", number)
        yield Scenario(
            "the page",
            made,
            lambda place: [PAGE, str(place / "in"), str(place / "out")],
            faults=("kill", "stop", "no room", "no memory", "input vanishes", "input shrinks", "clock goes backwards"),
        )

    yield from ray_scenario.scenarios(folder, make=make)

    made = begin("student")
    if make:
        _write_student(made / "in" / "student.safetensors")
    yield Scenario(
        "quantize",
        made,
        lambda place: [
            "quantize",
            str(place / "in/student.safetensors"),
            "-o",
            str(place / "out/a.safetensors"),
            "--overwrite",
        ],
        faults=ALONE,
    )

    if all(map(importlib.util.find_spec, ("onnx", "onnxscript", "onnxruntime"))):
        made = begin("export")
        if make:
            (made / "in" / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        yield Scenario(
            "export",
            made,
            lambda place: ["export", str(place / "in/model.safetensors"), "-o", str(place / "out/a.onnx"), "--overwrite"],
            faults=ALONE,
        )

    made = begin("pairs")
    if make:
        _write_pairs(made / "in")
    # The name of the data set stands in the tables, so it is given from within the folder.
    yield Scenario(
        "benchmark compare",
        made,
        lambda place: [
            "benchmark", "compare", "--data", "pairs:in", "--out", "out", "--model", "wavelets", *model,
        ],
        faults=tuple(fault for fault in EVERY if fault != "two runs"),
    )  # fmt: skip
    yield Scenario(
        "data check", made, lambda place: ["data", "check", "pairs:in"], faults=("kill", "input vanishes", "input shrinks")
    )
    prepare = ["data", "prepare", "pairs:in", "-o", "out/store", "--crop", str(CROP_PIXELS)]
    yield Scenario("data prepare", made, lambda place: prepare)
    yield Scenario(
        "evaluate",
        made,
        lambda place: ["evaluate", *model, "--data", "pairs:in", "--json", str(place / "out/scores.json")],
        faults=("kill", "stop", "no room", "read-only", "no memory", "input vanishes", "input shrinks"),
    )


def write_dng(path: Path, seed: int) -> None:
    """A camera raw file of a mosaic of 64 × 64 pixels (DNG 1.4)."""
    import tifffile

    pixels = np.random.default_rng(seed).normal(5000, 300, (64, 64)).astype(np.uint16)
    matrix = (0.9, -0.3, -0.1, -0.45, 1.3, 0.15, -0.1, 0.25, 0.6)  # XYZ to the camera's colors
    tags: list[Any] = [
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, None, "Maker Model", True),
        (50714, 3, 1, 512, True),
        (50717, 4, 1, 16383, True),
        (50721, 10, 9, tuple(part for value in matrix for part in (round(value * 10_000), 10_000)), True),
        (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),
        (50778, 3, 1, 21, True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes(BAYER), True),
    ]
    tifffile.imwrite(path, pixels, photometric=32803, metadata=None, extratags=tags, software=False)


def _write_picture(path: Path, seed: int) -> None:
    from unnoise import images

    images.write(path, images.Picture(np.random.default_rng(seed).integers(60, 200, (40, 44, 3), np.uint8)))


def _write_student(path: Path) -> None:
    import yaml

    from unnoise import recipes
    from unnoise.models.model import fresh

    fresh(recipes.validate(yaml.safe_load(STUDENT), "tiny-student")).save(path)


def _write_pairs(folder: Path) -> None:
    from unnoise import images

    rng = np.random.default_rng(5)
    for number in range(3):
        clean = np.kron(rng.integers(40, 200, (5, 6, 3)), np.ones((8, 8, 1)))
        noisy = clean + rng.normal(0, 12, clean.shape)
        for name, pixels in (("clean", clean), ("noisy", noisy)):
            (folder / name).mkdir(exist_ok=True)
            images.write(folder / name / f"{number}.png", images.Picture(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)))
