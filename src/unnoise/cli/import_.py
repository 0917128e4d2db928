"""`unnoise import`: turn a published checkpoint into a model of unnoise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unnoise.cli.targets import check_model


def import_(
    file: Annotated[Path, typer.Argument(help="A published .pth, .pt or .ckpt.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")] = ...,  # type: ignore[assignment]
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Read a published checkpoint, with network and sizes inferred from its weights, and save it as a model."""
    check_model(out, overwrite)
    from unnoise.models import shipped

    model = shipped.import_checkpoint(file)
    model.save(out)
    typer.echo(f"{out}: {model}")
