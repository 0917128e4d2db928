"""`unnoise denoise`: pictures in, better pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unnoise.cli import options
from unnoise.cli.adapting import adapted, check_save_model, length_of
from unnoise.cli.denoise_cluster import ENGINE, check_cluster_options, check_local, denoise_on_cluster
from unnoise.cli.engines import check_engine, check_options
from unnoise.cli.fields import assignments
from unnoise.cli.options import ADVANCED, COMPUTED, FILES
from unnoise.errors import UsageError
from unnoise.registry import require

if TYPE_CHECKING:
    from unnoise.batch.jobs import Job


USUAL_NEIGHBOURS = 2
"""On each side, with `--group T`."""


def denoise(
    pictures: Annotated[list[Path], typer.Argument(metavar="IN...", help="Pictures, or folders of them.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or a file for a single picture; default: beside each picture.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="A model's name (see 'unnoise models'), a file, or auto: chosen by the pictures' noise.",
            autocompletion=options.complete_model,
        ),
    ] = "default",
    strength: Annotated[
        float, typer.Option(help="0 leaves the picture as it is, 1 removes all that the model calls noise.")
    ] = 1.0,
    detail: Annotated[
        float | None,
        typer.Option(
            help="0 to 1: how much of the detail that was removed with the noise is put back. 0: nothing; default: as the model "
            "says."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Denoise masks, palettes and other pictures without noise too; else they stay as they are."
        ),
    ] = False,
    bounded: Annotated[
        bool | None,
        typer.Option(
            "--bounded/--unbounded",
            help="Remove no more than the noise that was measured in the picture; default: as the model says.",
        ),
    ] = None,
    row_noise: Annotated[
        options.RowNoise | None,
        typer.Option(
            help="Row and column noise (stripes): remove or keep it; auto removes it from measurements; default: auto.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    channels: Annotated[
        options.Channels | None,
        typer.Option(
            help="Restore red, green and blue together as colors, or as separate measurements, such as dyes; auto decides by "
            "the picture; default: auto.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    refine: options.RefineOption = None,
    ensemble: options.EnsembleOption = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Judge each result: its gain in dB, lost structure, doubtful places. Prints the verdict; writes NAME.report.png "
            "and .json.",
        ),
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option(
            "-r", "--recursive", help="Take the folders in folders too; results lie as the pictures do.", rich_help_panel=FILES
        ),
    ] = False,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="Of the pictures in folders take those whose name fits, as '*_raw.tif' or 'night/*'.", rich_help_panel=FILES
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Do all pictures again and replace what is there: also the originals, if -o is their own folder.",
            rich_help_panel=FILES,
        ),
    ] = False,
    quality: Annotated[
        int | None,
        typer.Option(
            help="Of JPEG, WebP, AVIF and HEIC results, 1 to 100; default: about that of the source, or 95.",
            rich_help_panel=FILES,
        ),
    ] = None,
    lossless: Annotated[
        bool | None,
        typer.Option("--lossless", help="Write WebP, AVIF and HEIC results without any loss.", rich_help_panel=FILES),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of the results, as a suffix: png, tif, dng …; default: as the pictures have, and tif for camera raw. With dng, "
            "camera raw stays in its own linear light.",
            rich_help_panel=FILES,
        ),
    ] = None,
    mosaic: Annotated[
        bool,
        typer.Option(
            "--mosaic",
            help="Denoise the mosaic of camera raw itself; the result is a DNG that any raw developer demosaics.",
            rich_help_panel=FILES,
        ),
    ] = False,
    hot_pixels: Annotated[
        options.HotPixels | None,
        typer.Option(
            help="Pixels that stand out more sharply than optics allow: keep them as they are, remove them, or auto, which "
            "removes those of measurements; default: keep.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    missing: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="A value that means that there is none, as 0 in stitched tiles. NaN always does.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A picture of the same size: where it is not black, pixels stay as they are.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="The type of the results, if it is to be finer than that of the pictures: float32, uint16 …. Colors keep black "
            "and white, gray pictures their numbers.",
            rich_help_panel=FILES,
        ),
    ] = None,
    axes: options.AxesOption = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Data sets of an HDF5 file, as /entry/data; several with commas between them. Default: the only one. "
            "FILE.h5:/entry/data says the same.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ] = None,
    group: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|AXIS",
            help="A number: how many channels that are no colors are restored together. T or Z: the axis of a stack along which "
            "frames help each other; two neighbours on each side, unless --neighbours says another number.",
            rich_help_panel=FILES,
        ),
    ] = "1",
    neighbours: Annotated[
        int | None,
        typer.Option(
            help="Of stacks: how many frames or planes on each side help to restore each one; takes twice as long. "
            "Default: 0, each by itself.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ] = None,
    engine: options.EngineOption = "auto",
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    tile: options.TileOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that denoise pictures side by side; default: one for each core, if there are many pictures.",
            show_default=False,
            rich_help_panel=COMPUTED,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="With --engine ray: the cluster, as auto or HOST:6379; default: one is started on this machine.",
            show_default=False,
            rich_help_panel=COMPUTED,
        ),
    ] = None,
    bias_correction: Annotated[
        options.BiasCorrection | None,
        typer.Option(
            help="Give the result the noisy picture's mean brightness: srgb for photographs, linear for measurements, auto by the "
            "picture; default: as the model says.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    normalization: Annotated[
        options.Normalization | None,
        typer.Option(
            help="What counts as black and white. full: the ends of the number type, as 0 and 65535. picture: the darkest and "
            "brightest values of the picture. auto: picture for measurements, full for photographs; default: as the model says.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    light: Annotated[options.BiasCorrection | None, typer.Option(hidden=True)] = None,
    levels: Annotated[options.Normalization | None, typer.Option(hidden=True)] = None,
    adapt: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS|MINUTES",
            help="First train the model further on these pictures, as 200 (steps) or 3m (minutes); kept only if better.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    save_model: Annotated[
        Path | None, typer.Option(help="Write the adapted model to this .safetensors file.", rich_help_panel=ADVANCED)
    ] = None,
    set_: options.SetOption = [],  # noqa: B006
) -> None:
    """Take the noise out of pictures. Called again for the same folder, it does what is missing or has changed."""
    # first: the network is compiled while all else is imported and checked
    from unnoise.models.stored_networks import begin

    ahead = begin(model, engine, precision) if device in (None, "auto") else None

    from unnoise.batch.manifest import fingerprint
    from unnoise.batch.outcome import Stopped
    from unnoise.batch.picture_task import PictureTask
    from unnoise.batch.run import check_unlocked, plan, run
    from unnoise.batch.worker_count import choose_worker_count, core_count, device_type
    from unnoise.batch.worker_pool import WorkerPool
    from unnoise.cli.progress import files_bar
    from unnoise.images.formats import split_datasets, with_dataset
    from unnoise.images.writing import check_compression
    from unnoise.inference.frame_grid import check_report
    from unnoise.inference.options import DenoiseOptions, read_mask
    from unnoise.models import shipped

    # before the model is loaded: bad calls answer at once
    on_cluster = engine == ENGINE
    if on_cluster:
        check_cluster_options(pictures, out, model, adapt=adapt, report=report, dataset=dataset, save_model=save_model)
        require("ray", "--engine ray")
        engine = "auto"
    else:
        check_local(pictures, out, address)
    pictures, dataset = split_datasets(pictures, dataset)
    if report:
        require("matplotlib", "--report")
    asked = DenoiseOptions(
        refine=refine,
        ensemble=ensemble,
        tile=tile,
        precision=precision,
        bias_correction=_either("bias-correction", bias_correction, "light", light),
        normalization=_either("normalization", normalization, "levels", levels),
        strength=strength,
        detail=detail,
        bounded=bounded,
        force=force,
        hot_pixels=hot_pixels,
        missing=missing,
        mask=None if mask is None else read_mask(mask),
        row_noise=row_noise,
        dtype=dtype,
        channels=channels,
        axes=axes,
        dataset=dataset,
        **_grouped(group, neighbours),
    )
    if report:
        check_report(asked.neighbours)
    check_compression(quality, lossless)
    check_engine(engine, adapt=adapt, report=report)
    length = length_of(adapt) if adapt else None
    check_save_model(save_model, adapt, overwrite)
    suffix = _suffix(format_, mosaic, None if on_cluster else out)
    if on_cluster:
        assert out is not None  # as was checked
        loaded = shipped.load(model, engine).applied(assignments(set_, "detail=0.5"))
        check_options(loaded, asked)
        status = denoise_on_cluster(
            PictureTask(loaded, asked, device or "auto", quality=quality, lossless=lossless, mosaic=mosaic),
            pictures[0],
            out,
            fingerprint(loaded, asked, quality=quality, lossless=lossless, mosaic=mosaic),
            address=address,
            workers=workers,
            device=device,
            recursive=recursive,
            pattern=pattern,
            suffix=suffix,
            overwrite=overwrite,
        )
        raise typer.Exit(status)
    made = plan(pictures, out, recursive=recursive, pattern=pattern, overwrite=overwrite, report=report, suffix=suffix)
    check_unlocked(made)
    if model == "auto":
        model = shipped.choose_for([with_dataset(job.source, dataset) for job in made.jobs], axes=axes)
    loaded = shipped.load(model, engine, ahead).applied(assignments(set_, "detail=0.5"))
    check_options(loaded, asked)
    settings = fingerprint(loaded, asked, report=report, adapt=adapt, quality=quality, lossless=lossless, mosaic=mosaic)
    if length:
        loaded = adapted(loaded, [with_dataset(job.source, dataset) for job in made.jobs], length, device, save_model, axes)
    loaded.to(device or "auto")
    task = PictureTask(loaded, asked, device or "auto", quality=quality, lossless=lossless, mosaic=mosaic)
    count = choose_worker_count(workers, len(made.jobs), device_type(loaded.engine, device))
    pool = WorkerPool(task, count, max(1, core_count() // count)) if count > 1 else None

    def done(job: Job, sentences: list[str] | None) -> None:
        typer.echo(job.target)
        for sentence in sentences or ():
            typer.echo(sentence, err=True)

    interrupted = False
    try:
        with files_bar() as progress:
            outcome = run(made, task, settings, overwrite=overwrite, progress=progress, on_done=done, pool=pool)
    except Stopped as stopped:
        outcome, interrupted = stopped.outcome, True
    for sentence in outcome.failures:
        typer.echo(f"unnoise: {sentence}", err=True)
    if outcome.not_done and interrupted:
        again = "Give the same command again to go on." if made.is_recorded else "Nothing is left half done."
        raise KeyboardInterrupt(f"{outcome.summary()} {again}")
    if len(made.jobs) > 1 or outcome.done_before or outcome.left:
        typer.echo(outcome.summary(), err=True)
    if outcome.left:
        typer.echo("To replace what is there already, add --overwrite.", err=True)
    if outcome.failures:
        raise typer.Exit(outcome.exit_status)


def _grouped(group: str, neighbours: int | None) -> dict[str, Any]:
    """The options `group`, `neighbours` and `along`, by `--group` and `--neighbours`."""
    if group.isalpha() and len(group) == 1:
        return {"along": group.upper(), "neighbours": USUAL_NEIGHBOURS if neighbours is None else neighbours}
    if not group.isdecimal() or int(group) < 1:
        raise UsageError(f"--group takes a number of channels from 1 on, or the letter of an axis such as T, not '{group}'.")
    return {"group": int(group), "neighbours": neighbours or 0}


def _either(name: str, value: Any, old_name: str, old: Any) -> Any:
    """An option's value, given under its name or its old one."""
    if value is not None and old is not None:
        raise UsageError(f"--{old_name} is the old name of --{name}; give one of them.")
    return old if value is None else value


def _suffix(name: str | None, mosaic: bool, out: Path | None) -> str | None:
    """The suffix of results, by `--format` and `--mosaic`; None: neither says one."""
    from unnoise.images.formats import FORMATS

    if name is None:
        if not mosaic:
            return None
        name = "dng"
    suffix = f".{name.lower().removeprefix('.')}"
    writable = [each for form in FORMATS if form.depths for each in form.suffixes]
    if suffix not in writable:
        raise UsageError(f"There is no format '{name}' to write; choose one of {', '.join(each[1:] for each in writable)}.")
    if mosaic and suffix != ".dng":
        raise UsageError(f"--mosaic writes DNG, not {name}; leave one of both out.")
    if out is not None and out.suffix.lower() in writable and out.suffix.lower() != suffix:
        raise UsageError(
            f"{out} and {'--mosaic' if mosaic else f'--format {name}'} contradict each other; leave one of both out."
        )
    return suffix
