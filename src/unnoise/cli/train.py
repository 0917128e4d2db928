"""`unnoise train`: train a model on folders of noisy pictures."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from unnoise.cli import options
from unnoise.cli.fields import assignments
from unnoise.cli.options import ADVANCED, COMPUTED, FILES


def train(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Noisy pictures and stacks, or folders of them; or a data set as SET:DIR, such as pairs:DIR.",
            show_default=False,
        ),
    ],
    recipe: Annotated[
        str,
        typer.Option(
            help="A recipe's name (see 'unnoise recipes'), a YAML file, or auto: goes on from a shipped model, as the "
            "pictures need it.",
            autocompletion=options.complete_recipe,
        ),
    ] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for the model, its checkpoint, log and previews.")] = ...,  # type: ignore[assignment]
    minutes: Annotated[float | None, typer.Option(help="Length of the run in minutes; the schedule fits itself to it.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the run in steps; default: the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    teacher: Annotated[
        list[str],
        typer.Option(
            help="A trained model, by name or file, that a student's recipe learns from; may be repeated.",
            autocompletion=options.complete_model,
        ),
    ] = [],  # noqa: B006
    targets: Annotated[
        Path | None,
        typer.Option(
            help="A folder with a second picture of each, of the same name: clean ones for supervised, other exposures for "
            "noise2noise."
        ),
    ] = None,
    axes: options.AxesOption = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Exit with 0, and do not warn of the model later, even if it is worse than 'default'."),
    ] = False,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="CRITERION",
            help="Take the best state of the run, not the last one, judged on noisy pictures that are held out: auto, "
            "blind-spot, residual-correlation, residual-spectrum, sure or halves.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds between two checkpoints.", rich_help_panel=FILES)
    ] = 60.0,
    preview_every: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds between two preview pictures.", rich_help_panel=FILES)
    ] = 300.0,
    device: options.DeviceOption = None,
    precision: Annotated[
        options.TrainingPrecision | None,
        typer.Option(help="Number format of the arithmetic; default: auto.", rich_help_panel=COMPUTED),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that draw crops ahead; default: 0 on a CPU, else 4.", rich_help_panel=COMPUTED),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Processes on this machine that share each batch, as one for each GPU; default: 1. torchrun and 'accelerate "
            "launch' work as well.",
            show_default=False,
            rich_help_panel=COMPUTED,
        ),
    ] = None,
    accumulate: Annotated[
        int,
        typer.Option(help="Compute each batch in this many parts: less memory, the same steps.", rich_help_panel=COMPUTED),
    ] = 1,
    compile_: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the network: faster steps after about a minute; needs a C++ compiler.",
            rich_help_panel=COMPUTED,
        ),
    ] = False,
    denoiser: Annotated[
        str | None,
        typer.Option(
            help="Another network in place of the recipe's.",
            rich_help_panel=ADVANCED,
            autocompletion=options.complete_denoiser,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Begin with the weights of this model; none: with random ones; default: as the recipe says.",
            rich_help_panel=ADVANCED,
            autocompletion=options.complete_model,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the weights, the crops and all other draws.", rich_help_panel=ADVANCED)
    ] = 0,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Change a field of the recipe, as training.batch=4; may be repeated.",
            rich_help_panel=ADVANCED,
        ),
    ] = [],  # noqa: B006
) -> None:
    """Train a model on noisy pictures alone; no clean ones are needed. Only supervised and noise2noise take pairs.

    Without --recipe a shipped model learns on, as the pictures need it. Without --minutes or --steps the run is as long
    as the recipe says. At the end the model is compared with 'default' on the same pictures. If it is worse, the exit
    status is 1, unless --accept is given.
    """
    overrides = assignments(set_, "training.batch=4")
    from unnoise.training import launch

    if processes is not None and not launch.is_launched():
        raise typer.Exit(launch.launch(processes))
    from unnoise.cli.progress import training_bar
    from unnoise.cli.training_data import resolve
    from unnoise.images.arrays_on_disk import check_axes
    from unnoise.training.hardware import is_main_process
    from unnoise.training.shards import LostProcessError
    from unnoise.training.train import train as run

    check_axes(axes)
    if teacher:
        overrides = {"scheme.teachers": teacher} | overrides
    pictures, seconds = resolve(folders, targets, recipe, overrides, axes)
    with training_bar(tell_length=True) as progress:
        try:
            model = run(
                pictures,
                recipe,
                output=out,
                steps=steps,
                minutes=minutes,
                resume=resume,
                denoiser=denoiser,
                overrides=overrides,
                start=start,
                targets=seconds,
                axes=axes,
                accept=accept,
                seed=seed,
                device=device,
                precision=precision,
                workers=workers,
                accumulate=accumulate,
                compile=compile_,
                checkpoint_seconds=checkpoint_every,
                preview_seconds=preview_every,
                select=select,
                command=shlex.join(["unnoise", *sys.argv[1:]]),
                progress=progress,
                on_message=lambda sentence: typer.echo(sentence, err=True),
            )
        except LostProcessError:
            if launch.LAUNCHED in os.environ:  # the launcher tells what ended the other one
                raise typer.Exit(launch.LOST_STATUS) from None
            raise
        except KeyboardInterrupt:
            from unnoise.training import checkpoints

            if not checkpoints.exists(out):
                raise KeyboardInterrupt("No step was done; give the same command again to begin.") from None
            raise KeyboardInterrupt(f"The state is in {out}. Give the same command again with --resume to go on.") from None
    if not is_main_process():
        return
    typer.echo(f"{out / 'model.safetensors'}: {model.card.steps} steps in {model.card.minutes:.1f} minutes.")
    if model.card.warning:  # which was shown as a warning
        typer.echo("Use --model default in its place, or train longer; --accept takes the model as it is.", err=True)
        raise typer.Exit(1)
    for sentence in model.card.scores.values():
        typer.echo(sentence)
