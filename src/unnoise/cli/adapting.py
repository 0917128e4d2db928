"""`unnoise denoise --adapt`: the model is trained further on the pictures first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from unnoise.cli.targets import check_model
from unnoise.errors import UsageError

if TYPE_CHECKING:
    from unnoise.models.model import Model


def check_save_model(path: Path | None, adapt: str | None, overwrite: bool) -> None:
    """Raise `UsageError` where `--save-model` cannot be followed.

    >>> check_save_model(Path("a.safetensors"), None, False)
    Traceback (most recent call last):
    unnoise.errors.UsageError: --save-model keeps a model that --adapt has made; give --adapt too.
    """
    if path is None:
        return
    if not adapt:
        raise UsageError("--save-model keeps a model that --adapt has made; give --adapt too.")
    check_model(path, overwrite)


def length_of(text: str) -> dict[str, Any]:
    """The steps or minutes that `--adapt` asks for.

    >>> length_of("200")
    {'steps': 200}
    """
    from unnoise.training.adapt import parse_length  # training is loaded where it is asked for

    return parse_length(text)


def adapted(
    model: Model, pictures: list[Path], length: dict[str, Any], device: str | None, save_model: Path | None, axes: str | None
) -> Model:
    """The model after it was trained further, or as it was; saved where that is asked for."""
    from unnoise.cli.progress import training_bar
    from unnoise.training.adapt import adapt

    def say(sentence: str) -> None:
        typer.echo(sentence, err=True)

    with training_bar() as progress:
        result = adapt(model, pictures, **length, axes=axes, device=device, progress=progress, on_message=say)
    say(result.sentence())
    if save_model:
        result.model.save(save_model)
        typer.echo(save_model)
    return result.model
