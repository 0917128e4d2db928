"""The commands that `soak.py` disturbs, with their files: tiny pictures, and networks of few weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import commands
import numpy as np
from scenario import ALONE, Scenario

RECIPE = """
name: tiny
denoiser: {name: dbsn, features: 4, modules: 1}
scheme: {name: pd-blind-spot, train_stride: 1, infer_stride: 1}
training: {crop: 16, batch: 1, learning_rate: 1.0e-3}
"""


def load_libraries() -> None:
    """Load what the children need, so that each of them begins at once."""
    import torch

    torch.set_num_threads(1)
    with suppress(ModuleNotFoundError):
        import rawpy  # noqa: F401
    import unnoise.batch.one_file
    import unnoise.cli.progress
    import unnoise.evaluation.comparison.runner
    import unnoise.evaluation.comparison.table
    import unnoise.evaluation.datasets.checking
    import unnoise.evaluation.datasets.preparing
    import unnoise.export.onnx_file
    import unnoise.training.adapt
    import unnoise.training.quantize
    import unnoise.training.train

    # Ray is loaded by the children: it does not survive a fork.
    with suppress(ModuleNotFoundError):
        import page_program

        page_program.load_libraries()

    # The comparison with `default` takes a minute, and writes nothing but a line of the card.
    unnoise.training.train.compared = lambda model, *_, **__: model  # type: ignore[assignment]


def all_scenarios(folder: Path, *, make: bool) -> Iterator[Scenario]:
    """The scenarios below `folder`.

    Args:
        folder: holds a folder for each.
        make: make their files. This is done in a process of its own, as libvips, once used, does not survive a fork.
    """
    from unnoise import images, recipes
    from unnoise.models.model import fresh

    if make:
        (folder / "recipe.yaml").write_text(RECIPE)
        fresh(recipes.load(folder / "recipe.yaml")).save(folder / "model.safetensors")
    model = ["--model", str(folder / "model.safetensors"), "--device", "cpu"]
    rng = np.random.default_rng(0)

    def picture(place: Path, seed: int) -> None:
        if not make:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(60, 200, (40, 44, 3), np.uint8)
        images.write(place, images.Picture(pixels))

    def begin(name: str, old: bool = False) -> Path:
        made = folder / name
        for number, suffix in enumerate((".png", ".tif", ".jpg", ".png", ".webp")):
            picture(made / "in" / f"{number}{suffix}", number)
            if old:
                picture(made / "out" / f"{number}{suffix}", 100 + number)
        for inside in ("in", "out", "tmp"):
            (made / inside).mkdir(parents=True, exist_ok=True)
        return made

    def folder_to_folder(place: Path) -> list[str]:
        return ["denoise", str(place / "in"), "-o", str(place / "out"), *model]

    yield Scenario("denoise, fresh", begin("fresh"), folder_to_folder)
    yield Scenario("denoise, overwriting", begin("over", old=True), lambda place: [*folder_to_folder(place), "--overwrite"])
    for suffix, axes in ((".npy", "TYX"), (".tif", None), (".zarr", "TYX")):
        made = folder / f"stack{suffix}"
        for inside in ("in", "out", "tmp"):
            (made / inside).mkdir(parents=True, exist_ok=True)
        stack = rng.integers(60, 200, (4, 30, 34), np.uint16)
        if not make:
            pass
        elif suffix == ".tif":
            import tifffile

            tifffile.imwrite(made / "in" / "a.tif", stack, photometric="minisblack")
        elif suffix == ".npy":
            np.save(made / "in" / "a.npy", stack)
        else:
            try:
                import zarr
            except ModuleNotFoundError:
                continue
            zarr.create_array(str(made / "in" / "a.zarr"), data=stack, chunks=(1, 30, 34))
        more = ["--axes", axes] if axes else []
        yield Scenario(
            f"denoise, stack {suffix}",
            made,
            lambda place, suffix=suffix, more=more: [
                "denoise", str(place / "in" / f"a{suffix}"), "-o", str(place / "out" / f"a{suffix}"), *model, *more, "--overwrite",
            ],
            faults=ALONE,
        )  # fmt: skip

    def train(place: Path) -> list[str]:
        return [
            "train", str(place / "in"), "--recipe", str(folder / "recipe.yaml"), "--out", str(place / "out"), "--steps", "45",
            "--checkpoint-every", "0", "--device", "cpu", "--precision", "float32", "--start", "none",
        ]  # fmt: skip

    train_faults = ("kill", "stop", "no room", "read-only", "two runs", "clock goes backwards")
    yield Scenario("train", begin("train"), train, ("--resume",), train_faults)

    def adapt(place: Path) -> list[str]:
        more = ["--adapt", "3", "--save-model", str(place / "out" / "adapted.safetensors"), "--overwrite"]
        return ["denoise", str(place / "in" / "0.png"), "-o", str(place / "out" / "0.png"), *model, *more]

    yield Scenario("denoise, adapting", begin("adapt"), adapt, faults=("kill", "stop", "no room", "read-only"))
    yield from commands.scenarios(folder, make=make)
