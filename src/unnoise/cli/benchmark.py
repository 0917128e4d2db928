"""`unnoise benchmark …`: what the methods' papers measured, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure again what the papers measured.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure again what the papers measured."""


@app.command()
def ablation(
    name: Annotated[
        str, typer.Argument(help="identity, denoiser, loss, mask-ratio, lambda or partitions.", show_default=False)
    ],
    folders: Annotated[list[Path], typer.Argument(help="Noisy pictures to train on, or folders of them.", show_default=False)],
    data: Annotated[str, typer.Option(help="SET:DIR to score by, such as sidd-val:DIR.")] = ...,  # type: ignore[assignment]
    out: Annotated[Path, typer.Option(help="Folder for the variants' models, the table and the plot.")] = ...,  # type: ignore[assignment]
    limit: Annotated[int | None, typer.Option(help="Score by so many pictures, evenly chosen.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of training, for each variant.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Of training, for each variant; default: 5, and with --full as the recipes say.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The recipes' own networks and training, not small versions.")] = False,
    refine: Annotated[
        bool | None, typer.Option("--refine/--no-refine", help="R³ after the first estimate; default: as in the paper.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights, the crops and all other draws.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: the best one present.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the ablation in --out.")] = False,
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
        typer.echo(f"Stopped; the state is in {out}. Go on with the same command and --resume.", err=True)
        raise typer.Exit(130) from None
    report.write_csv(rows, out / f"{name}.csv")
    with atomic_write(out / f"{name}.png") as temporary:
        report.plot(chosen, rows).savefig(temporary, dpi=110)
    Console().print(report.table(chosen, rows))
    typer.echo(f"{out / f'{name}.csv'}, {out / f'{name}.png'}")
