"""`unnoise train`: train a model on folders of noisy pictures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from unnoise.cli.fields import assignments


def train(
    folders: Annotated[list[Path], typer.Argument(help="Noisy pictures, or folders of them.", show_default=False)],
    recipe: Annotated[str, typer.Option(help="A recipe's name (see `unnoise recipes`), a YAML file, or auto.")] = "ap-bsn",
    out: Annotated[Path, typer.Option(help="Folder for the model, its checkpoint, log and previews.")] = ...,  # type: ignore[assignment]
    denoiser: Annotated[str | None, typer.Option(help="Another network in place of the recipe's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the run in steps; default: the recipe's.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Length of the run in minutes; the schedule fits itself to it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    teacher: Annotated[
        list[str],
        typer.Option(help="A trained model that the student learns from, by name or file; may be given several times."),
    ] = [],  # noqa: B006
    start: Annotated[str | None, typer.Option(help="Begin with this model's weights.")] = None,
    set_: Annotated[list[str], typer.Option("--set", help="Change a field of the recipe, as training.batch=4.")] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the weights, the crops and all other draws.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: the best one present.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16, float16; default: what the hardware does best.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that draw crops ahead.")] = None,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the network: quicker steps after a minute or so; needs a C++ compiler.")
    ] = False,
    checkpoint_every: Annotated[float, typer.Option(help="Seconds between two checkpoints.")] = 60.0,
    preview_every: Annotated[float, typer.Option(help="Seconds between two preview pictures.")] = 300.0,
) -> None:
    """Train a model on noisy pictures alone; no clean ones are needed."""
    overrides = assignments(set_)
    from unnoise import recipes
    from unnoise.cli.progress import training_bar
    from unnoise.inference.precision import choose_device
    from unnoise.models import shipped
    from unnoise.recipes import auto
    from unnoise.training import sources
    from unnoise.training.train import train as run

    if recipe == auto.AUTO:
        found = auto.choose(sources.find(folders, out), quick=choose_device(device).type == "cpu")
        typer.echo(found.sentence, err=True)
        recipe, overrides = found.recipe, found.overrides | overrides
    if teacher:
        overrides = {"scheme.teachers": teacher} | overrides
    if denoiser:
        overrides = {"denoiser": {"name": denoiser}} | overrides
    chosen = recipes.load(recipe, overrides)
    with training_bar() as progress:
        try:
            model = run(
                folders,
                chosen,
                output=out,
                steps=steps,
                minutes=minutes,
                resume=resume,
                start=shipped.load(start) if start else None,
                seed=seed,
                device=device,
                precision=precision,
                workers=workers,
                compile=compile_,
                checkpoint_seconds=checkpoint_every,
                preview_seconds=preview_every,
                command=shlex.join(["unnoise", *sys.argv[1:]]),
                progress=progress,
                on_message=lambda sentence: typer.echo(sentence, err=True),
            )
        except KeyboardInterrupt:
            typer.echo(f"Stopped; the state is in {out}. Go on with the same command and --resume.", err=True)
            raise typer.Exit(130) from None
    typer.echo(f"{out / 'model.safetensors'}: {model.card.steps} steps in {model.card.minutes:.1f} minutes.")
