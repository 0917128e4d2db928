"""`unnoise benchmark …`: what the methods' papers measured, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from unnoise.cli import options
from unnoise.cli.evaluate import Protocol
from unnoise.cli.options import ADVANCED, DeviceOption
from unnoise.registry import require

Name = Literal["identity", "denoiser", "loss", "mask-ratio", "lambda", "partitions"]

app = typer.Typer(help="Measure again what the papers measured.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure again what the papers measured."""


@app.command()
def ablation(
    name: Annotated[Name, typer.Argument(help="Which of the paper's ablations.", show_default=False)],
    folders: Annotated[list[Path], typer.Argument(help="Noisy pictures to train on, or folders of them.", show_default=False)],
    data: Annotated[str, typer.Option(metavar="SET:DIR", help="What to score by, as sidd-val:DIR.")] = ...,  # type: ignore[assignment]
    out: Annotated[Path, typer.Option(help="Folder for the variants' models, the table and the plot.")] = ...,  # type: ignore[assignment]
    minutes: Annotated[
        float | None, typer.Option(help="Training of each variant; default: 5, with --full as the recipes say.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Training of each variant, in steps.")] = None,
    full: Annotated[bool, typer.Option("--full", help="The recipes' own networks and training, not small versions.")] = False,
    limit: Annotated[int | None, typer.Option(help="Score only this many pictures, evenly chosen.")] = None,
    refine: Annotated[
        bool | None, typer.Option("--refine/--no-refine", help="Add the refinement R³; default: as in the paper.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the ablation in --out.")] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the weights, the crops and all other draws.", rich_help_panel=ADVANCED)
    ] = 0,
    device: DeviceOption = None,
) -> None:
    """Train and score the variants of an ablation of the AMSNet paper, and show its table or figure beside the paper's numbers.

    Fine-tuned variants take half as many steps as the model that they begin with.
    """
    from rich.console import Console

    from unnoise.cli.progress import training_bar
    from unnoise.evaluation import ablations
    from unnoise.evaluation.ablations import report
    from unnoise.evaluation.ablations.runner import AblationSettings, run
    from unnoise.files.atomic import atomic_write

    require("matplotlib", "The ablation's plot")
    chosen = ablations.lookup(name)
    if steps is None and minutes is None and not full:
        minutes = 5.0
    settings = AblationSettings(
        ablation=name,
        pictures=[str(folder) for folder in folders],
        data=data,
        limit=limit,
        steps=steps,
        minutes=minutes,
        refine=chosen.refine if refine is None else refine,
        full=full,
        seed=seed,
    )
    try:
        rows = run(
            settings,
            out,
            resume=resume,
            device=device,
            on_message=lambda sentence: typer.echo(sentence, err=True),
            watch=training_bar,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"The state is in {out}. Give the same command again with --resume to go on.") from None
    report.write_csv(rows, out / f"{name}.csv")
    with atomic_write(out / f"{name}.png") as temporary:
        report.plot(chosen, rows).savefig(temporary, dpi=110)
    Console().print(report.table(chosen, rows))
    typer.echo(f"{out / f'{name}.csv'}, {out / f'{name}.png'}")


@app.command()
def compare(
    data: Annotated[list[str], typer.Option(metavar="SET:DIR", help="A data set with truth; may be repeated.")] = ...,  # type: ignore[assignment]
    out: Annotated[Path, typer.Option(help="Folder for models, the scores of each cell, tables and figures.")] = ...,  # type: ignore[assignment]
    model: Annotated[
        list[str],
        typer.Option(
            help="A model's name or file, also a classical denoiser such as bm3d; may be repeated.",
            autocompletion=options.complete_model,
        ),
    ] = [],  # noqa: B006
    recipe: Annotated[
        list[str],
        typer.Option(
            help="A recipe to train on --train and to compare; may be repeated.", autocompletion=options.complete_recipe
        ),
    ] = [],  # noqa: B006
    train: Annotated[
        list[Path], typer.Option(help="What the recipes learn from, as 'unnoise train' takes it; may be repeated.")
    ] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="Train each recipe with this seed; may be repeated.")] = [0],  # noqa: B006
    minutes: Annotated[
        float | None, typer.Option(help="Length of each training in minutes; default: as the recipe says.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Length of each training in steps.")] = None,
    plots: Annotated[
        bool,
        typer.Option("--plots", help="Draw quality against time, picture by picture, gain against noise, and zoomed crops."),
    ] = False,
    protocol: Annotated[
        Protocol, typer.Option(help="How PSNR and SSIM are computed: as here or as in a paper's code.")
    ] = "default",
    limit: Annotated[int | None, typer.Option(help="Score only this many pictures of each set, evenly chosen.")] = None,
    refine: options.RefineOption = None,
    ensemble: options.EnsembleOption = None,
    precision: options.PrecisionOption = None,
    device: DeviceOption = None,
) -> None:
    """Compare models, recipes and classical denoisers on data sets in one table: terminal, Markdown, CSV and LaTeX.

    PSNR comes with a 95 % confidence interval over pictures, and recipes with their spread over seeds. Each method is
    tested against the best one, picture by picture: a p-value above 0.05 may be chance. Called again, it makes only what
    is missing or has changed.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from unnoise.cli.progress import training_bar
    from unnoise.cli.training_data import resolve
    from unnoise.errors import UsageError
    from unnoise.evaluation.comparison import report, table
    from unnoise.evaluation.comparison.runner import compare as run
    from unnoise.evaluation.comparison.settings import Settings
    from unnoise.evaluation.comparison.trained_recipes import RunSettings, train_recipes

    if recipe and not train:
        raise UsageError("Recipes are trained before they are compared; give pictures with --train.")
    if plots:
        require("matplotlib", "--plots")

    def tell(sentence: str) -> None:
        typer.echo(sentence, err=True)

    settings = Settings(protocol=protocol, limit=limit, refine=refine, ensemble=ensemble, precision=precision)
    try:
        groups = train_recipes(
            recipe,
            seed,
            lambda name: resolve(train, None, name, {}, None),
            out / "models",
            RunSettings(steps=steps, minutes=minutes),
            device=device,
            on_message=tell,
            watch=training_bar,
        )
        found = run(
            [*model, *(one for members in groups.values() for one in members)],
            data,
            out,
            settings,
            groups=groups,
            device=device,
            on_cell=lambda name, spec, kept: tell(f"{name} on {spec}{': kept' if kept else ''}"),
        )
        rows = table.rows_of(found)
        written = report.write(found, rows, out, settings, figures=plots)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Finished pictures are in {out}. Give the same command again to go on.") from None
    console = Console()
    for spec in data:
        lines = [row.cells() for row in rows if row.data == spec]
        for title, headings in ((f"{spec}, protocol {protocol}", table.QUALITY), ("cost of a picture", table.COST)):
            shown = Table(title=Text(title), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
            # The files have all columns; a terminal is narrow, so those without a figure are left out here.
            places = [table.HEADINGS.index(heading) for heading in headings]
            columns = [place for place in places if any(line[place] for line in lines)]
            for place in columns:
                is_name = place == columns[0]
                shown.add_column(
                    table.HEADINGS[place], justify="left" if is_name else "right", overflow="fold", no_wrap=not is_name
                )
            for line in lines:
                shown.add_row(*(Text(line[place]) for place in columns))
            console.print(shown)
    typer.echo(", ".join(map(str, written)))
