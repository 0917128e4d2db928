"""What several commands share: the panels of their help, their choices, and options of one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import typer

from unnoise import recipes

FILES = "Files"
COMPUTED = "How it is computed"
ADVANCED = "Advanced"

Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]
TrainingPrecision = Literal["auto", "float32", "bfloat16", "float16"]
BiasCorrection = Literal["auto", "srgb", "linear", "none"]
Channels = Literal["auto", "separate", "together"]
RowNoise = Literal["auto", "remove", "keep"]
Normalization = Literal["auto", "picture", "full"]
HotPixels = Literal["keep", "remove", "auto"]


def beginning_with(names: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """What the Tab key proposes: those of the names that begin as what was typed.

    >>> beginning_with(lambda: ["ap-bsn", "at-bsn", "ss-bsn"])("a")
    ['ap-bsn', 'at-bsn']
    """

    def complete(incomplete: str) -> list[str]:  # typer knows the parameter by its name
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _models() -> list[str]:
    from unnoise import denoisers
    from unnoise.models import shipped

    return [*shipped.names(), *denoisers.classical_names()]


def _recipes() -> list[str]:
    return ["auto", *recipes.names()]


def _denoisers() -> list[str]:
    from unnoise import denoisers

    return denoisers.names()


complete_model, complete_recipe, complete_denoiser = map(beginning_with, (_models, _recipes, _denoisers))

EngineOption = Annotated[
    str,
    typer.Option(
        help="What runs the network: torch, openvino, or onnx (onnxruntime); auto takes the first of these that is installed. "
        "denoise also takes ray: folders of any storage, on many machines.",
        rich_help_panel=COMPUTED,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, cuda:1 or mps; default: the best one present.", rich_help_panel=COMPUTED),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option("--precision", help="Number format of the arithmetic; default: auto.", rich_help_panel=COMPUTED),
]
TileOption = Annotated[
    int | None,
    typer.Option("--tile", help="Side of the tiles in pixels; smaller tiles take less memory.", rich_help_panel=COMPUTED),
]
RefineOption = Annotated[
    bool | None,
    typer.Option(
        "--refine/--no-refine",
        help="Add the refinement R³: slower, cleaner; default: as the model says.",
    ),
]
EnsembleOption = Annotated[
    bool | None,
    typer.Option(
        "--ensemble/--no-ensemble",
        help="Average over eight flips and turns: a little better, eight times slower; default: as the model says.",
    ),
]
AxesOption = Annotated[
    str | None,
    typer.Option(
        "--axes",
        help="Of .npy and Zarr stacks, one letter for each axis: Y, X, C for channels; others count pictures: ZYX, TCYX.",
        rich_help_panel=FILES,
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field of the model's recipe for this call, as detail=0.5 or scheme.infer_stride=1; may be repeated.",
        rich_help_panel=ADVANCED,
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.", rich_help_panel=FILES)]
