"""`unnoise export`: write a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from unnoise.cli.fields import assignments
from unnoise.cli.options import SetOption, complete_model
from unnoise.cli.targets import check_free


def export(
    model: Annotated[str, typer.Argument(help="A model's name or file.", show_default=False, autocompletion=complete_model)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .onnx file to write.")] = ...,  # type: ignore[assignment]
    network_only: Annotated[
        bool,
        typer.Option("--network-only", help="Export the network without its scheme, in its own value range."),
    ] = False,
    precision: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(
            "--precision",
            help="Of weights and arithmetic; float16 halves the file, and is for GPUs; int8 is for runtimes that multiply bytes, and "
            "for networks with quantization steps, as default and fast have them.",
        ),
    ] = "float32",
    set_: SetOption = [],  # noqa: B006 # typer makes a new list at each call
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a model as an ONNX file for programs without PyTorch, in C++, C#, JavaScript and others.

    The file takes pictures of any size. It is checked against PyTorch before it is written.
    """
    check_free(out, overwrite)
    from unnoise.export.onnx_file import export as write
    from unnoise.models import shipped

    loaded = shipped.load(model).applied(assignments(set_, "scheme.infer_stride=1"))
    written = write(loaded, out, network_only=network_only, precision=precision)
    sizes = ", ".join(f"{height}×{width}" for height, width in written.differences)
    typer.echo(
        f"{out}: {loaded.recipe.name}, opset {written.opset}; onnxruntime {written.runtime} differs from PyTorch by at most "
        f"{written.difference:.0e} of the range at {sizes} pixels."
    )
    if written.left_out:
        typer.echo(f"Not in the file: {', '.join(written.left_out)}; 'unnoise denoise' does more than the file.")
