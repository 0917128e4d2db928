"""`unnoise quantize`: give a student the form that runs in int8."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from unnoise.cli.targets import check_model


def quantize(
    model: Annotated[str, typer.Argument(help="A student of TM-BSN: a model's name or file.", show_default=False)],
    pictures: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Noisy pictures of the kind it is for, or folders of them; simulated photographs count in any case."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")] = ...,  # type: ignore[assignment]
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Give a student that you trained the form for int8, which is twice as fast on most CPUs without bfloat16. No weight changes."""
    check_model(out, overwrite)
    import torch

    from unnoise import images
    from unnoise.inference.precision import has_fast_int8
    from unnoise.models import shipped
    from unnoise.training.image_pool import from_files
    from unnoise.training.quantize import measure_change, quantize_model

    loaded = shipped.load(model)
    pool = None
    if pictures:
        pool = from_files(
            images.find_pictures(pictures), loaded.network.sizes["channels"], normalization=loaded.recipe.normalization
        )
        for sentence in pool.skipped:
            typer.echo(sentence, err=True)
    result = quantize_model(loaded, pool)
    command = "; then ".join(filter(None, [result.card.command, shlex.join(["unnoise", *sys.argv[1:]])]))
    result.card = result.card.model_copy(update={"command": command})
    result.save(out, half=all(weight.equal(weight.half().float()) for weight in loaded.network.parameters()))
    typer.echo(f"{out}: {result}")
    if not has_fast_int8(torch.device("cpu")):
        typer.echo("This CPU does not multiply bytes (VNNI), so what int8 changes in pictures cannot be told here.")
        return
    changed, removed = measure_change(result, pool)
    shown = "these pictures" if pool else "simulated photographs"
    share = f", {changed / removed:.2%} of the power of what it takes out" if removed else ""
    typer.echo(f"Of {shown}, int8 changes the result by {255 * changed**0.5:.2f} of 255 (root mean square){share}.")
