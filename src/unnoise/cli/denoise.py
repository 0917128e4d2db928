"""`unnoise denoise`: pictures in, better pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unnoise.cli.fields import assignments
from unnoise.cli.targets import check_model
from unnoise.errors import UsageError
from unnoise.registry import require

if TYPE_CHECKING:
    from unnoise.models.model import Model


def denoise(
    pictures: Annotated[list[Path], typer.Argument(metavar="IN...", help="Pictures, or folders of them.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or a file for a single picture; default: beside each picture.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name (see `unnoise models`), a file, or auto.")] = "default",
    refine: Annotated[
        bool | None, typer.Option("--refine/--no-refine", help="R³ after the first estimate; default: as the model says.")
    ] = None,
    ensemble: Annotated[
        bool | None,
        typer.Option(
            "--ensemble/--no-ensemble",
            help="Average over eight flips and turns: a little better, eight times slower; default: as the model says.",
        ),
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Side of the tiles in pixels; smaller takes less memory.")] = None,
    light: Annotated[
        str | None,
        typer.Option(
            help="Give the result the noisy picture's mean brightness: srgb for photographs, linear for measurements, auto: by the kind "
            "of picture, none; default: as the model says."
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            help="What the model takes for black and white: picture, the range of the picture itself; full, that of its type; auto, the "
            "first for measurements; default: as the model says."
        ),
    ] = None,
    strength: Annotated[
        float, typer.Option(help="0 leaves the picture as it is, 1 takes all that the model calls noise.")
    ] = 1.0,
    detail: Annotated[
        float | None,
        typer.Option(
            help="0 to 1: put back so much of what was taken where it is surely more than noise, as in textures; default: as the model "
            "says."
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Judge each result: its gain in dB, lost structure, doubtful places, as NAME.report.png and .json."
        ),
    ] = False,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Of .npy and Zarr stacks, a letter for each axis: Y, X, C for channels, others for pictures: ZYX, TCYX."
        ),
    ] = None,
    group: Annotated[int, typer.Option(min=1, help="So many channels that are no colours are restored together.")] = 1,
    adapt: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS|MINUTES",
            help="First let the model learn on from these very pictures, as 200 (steps) or 3m; kept only if better.",
        ),
    ] = None,
    save_model: Annotated[Path | None, typer.Option(help="Write the adapted model to this .safetensors file.")] = None,
    set_: Annotated[
        list[str], typer.Option("--set", help="Apply the model otherwise than its recipe says, as light=none.")
    ] = [],  # noqa: B006
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: the best one present.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16, float16, int8; default: what the hardware does best.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Take the folders in folders too; the results lie as the pictures do.")
    ] = False,
    pattern: Annotated[
        str | None, typer.Option(help="Of the pictures in folders take those that fit, such as '*_raw.tif' or 'night/*'.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace pictures that are there already, and do all anew.")
    ] = False,
) -> None:
    """Take the noise out of pictures. Called again with the same folder as -o, it does what is missing or has changed."""
    from unnoise.batch.manifest import fingerprint
    from unnoise.batch.one_file import denoise_file
    from unnoise.batch.run import plan, run
    from unnoise.cli.progress import files_bar
    from unnoise.inference.options import DenoiseOptions
    from unnoise.models import shipped
    from unnoise.training.adapt import parse_length

    # before the model is loaded: bad calls answer at once
    if report:
        require("matplotlib", "--report")
    options = DenoiseOptions(
        refine=refine,
        ensemble=ensemble,
        tile=tile,
        precision=precision,
        bias_correction=light,
        normalization=levels,
        strength=strength,
        detail=detail,
        axes=axes,
        group=group,
    )
    length = parse_length(adapt) if adapt else None
    _check_save_model(save_model, adapt, overwrite)
    made = plan(pictures, out, recursive=recursive, pattern=pattern, overwrite=overwrite, report=report)
    if model == "auto":
        model = shipped.choose_for([job.source for job in made.jobs])
    loaded = shipped.load(model).applied(assignments(set_))
    settings = fingerprint(loaded, options, report=report, adapt=adapt)
    if length:
        loaded = _adapted(loaded, [job.source for job in made.jobs], length, device, save_model)
    loaded.to(device or "auto")
    with files_bar() as progress:
        outcome = run(
            made,
            lambda job, replace, on_tile: denoise_file(
                loaded,
                job.source,
                job.target,
                options=options,
                overwrite=replace,
                progress=on_tile,
                report=job.report or False,
            ),
            settings,
            overwrite=overwrite,
            progress=progress,
        )
    for target in outcome.written:
        typer.echo(target)
    if outcome.done_before:
        typer.echo(f"{len(outcome.done_before)} done before and unchanged.", err=True)
    for sentence in outcome.failures:
        typer.echo(f"unnoise: {sentence}", err=True)
    if outcome.failures:
        raise typer.Exit(outcome.exit_status)


def _check_save_model(path: Path | None, adapt: str | None, overwrite: bool) -> None:
    if path is None:
        return
    if not adapt:
        raise UsageError("--save-model keeps a model that --adapt has made; give --adapt too.")
    check_model(path, overwrite)


def _adapted(model: Model, pictures: list[Path], length: dict[str, Any], device: str | None, save_model: Path | None) -> Model:
    """The model after it has learned on, or as it was; saved where that is asked for."""
    from unnoise.cli.progress import training_bar
    from unnoise.training.adapt import adapt

    def say(sentence: str) -> None:
        typer.echo(sentence, err=True)

    with training_bar() as progress:
        result = adapt(model, pictures, **length, device=device, progress=progress, on_message=say)
    say(result.sentence())
    if save_model:
        result.model.save(save_model)
        typer.echo(save_model)
    return result.model
