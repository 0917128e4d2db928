"""Whether the engine that runs the network can do what a call asks for; asked before any picture is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.errors import UsageError

if TYPE_CHECKING:
    from unnoise.inference.options import DenoiseOptions
    from unnoise.models.model import Model


def check_engine(engine: str, *, adapt: str | None, report: bool) -> None:
    """Raise `UsageError` if there is no such engine, or it can neither train nor judge.

    >>> check_engine("onnx", adapt=None, report=False)
    >>> check_engine("onnx", adapt="3m", report=False)
    Traceback (most recent call last):
    unnoise.errors.UsageError: --adapt needs PyTorch; install it and give --engine torch, or leave --adapt out.
    """
    from unnoise.models.stored_networks import choose_engine

    if choose_engine(engine) == "torch":
        return
    for option, given in (("--adapt", adapt), ("--report", report)):
        if given:
            raise UsageError(f"{option} needs PyTorch; install it and give --engine torch, or leave {option} out.")


def check_options(model: Model, options: DenoiseOptions) -> None:
    """Raise `UsageError` if the engine of the model cannot do what the options ask for."""
    if model.engine == "torch":
        return
    pipeline = model.pipeline(options.settings(model.recipe))
    pipeline.check_neighbours(options.neighbours)
    if options.strength > 0:
        pipeline.chain()
