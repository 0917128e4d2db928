"""The options of a run that are not part of the method, and its progress."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from unnoise.deprecated.module_names import renamed
from unnoise.errors import UsageError, explain_validation
from unnoise.training.schedule import Length


@dataclass(frozen=True)
class TrainingStatus:
    """The progress of a run, for progress bars.

    >>> TrainingStatus(step=10, share=0.5, loss=None, images_per_second=3.0, seconds_left=60.0).share
    0.5
    """

    step: int
    share: float
    """The share of the run that is done, 0..1."""
    loss: float | None
    """Mean of the last steps. None: not known yet."""
    images_per_second: float
    seconds_left: float
    """Estimated from the speed of the steps since the first one."""
    stage: str = ""
    """What is being done where that is no step, such as 'reading the pictures, 3 of 40'. Empty: the run takes steps."""

    @classmethod
    def of_stage(cls, stage: str, *, step: int = 0, share: float = 0.0) -> TrainingStatus:
        """The progress of work before the first step or after the last one.

        >>> TrainingStatus.of_stage("reading the pictures").loss is None
        True
        """
        return cls(step, share, None, 0.0, 0.0, stage)


T = TypeVar("T")
Seed = Annotated[int, Field(ge=0, lt=2**62)]
Seconds = Annotated[float, Field(ge=0)]
"""Infinity: never."""


@checked_dataclass(config=ConfigDict(extra="forbid"))
class TrainingOptions:
    """The options of a run that are not part of the method. `train` takes each one as a keyword.

    >>> from unnoise.training.schedule import Length
    >>> TrainingOptions(output=Path("out"), length=Length(steps=10)).seed
    0
    """

    output: Path
    length: Length
    seed: Seed = 0
    """Of the weights, the crops and all other random numbers."""
    device: str | None = None
    """cpu, cuda, cuda:1 or mps. None: the best one."""
    precision: str | None = None
    """Of the network's arithmetic: float32, bfloat16 or float16. None: the fastest that the hardware has."""
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Processes that draw crops ahead. None: 0 on a CPU, where the network uses all cores, else 4."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Parts in which each process computes its share of a batch, one after the other: less memory, the same steps."""
    compile: bool = False
    """Whether to use `torch.compile`: faster steps after about a minute of compiling. See docs/results/speed.md."""
    checkpoint_seconds: Seconds = 60.0
    """Time from one `checkpoint.pt` to the next."""
    preview_seconds: Seconds = 300.0
    """Time from one picture in `previews/` to the next."""
    select: str | None = None
    """The criterion by which the best state of the run becomes the model, as `training.selection.NAMES` has them, or
    auto. None: the last state."""
    command: str = ""
    """The command, for the model's card."""
    progress: Callable[[TrainingStatus], None] | None = None
    on_message: Callable[[str], None] = field(default=lambda message: None)
    """Called with sentences for the user, for instance about skipped files."""


def validate_options(kind: type[T], **fields: Any) -> T:
    """Make `TrainingOptions` or a `Length` from these fields.

    Raises:
        UsageError: a field does not exist, or does not take the value.

    >>> validate_options(Length, steps=100).steps
    100
    >>> validate_options(Length, steps=0)
    Traceback (most recent call last):
    unnoise.errors.UsageError: A training's option 'steps' does not take 0: input should be greater than or equal to 1.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        known = (each.name for each in dataclasses.fields(kind))  # type: ignore[arg-type]
        raise UsageError(explain_validation(error, "A training", known=known, kind="option")) from error


__getattr__ = renamed(__name__, {"Status": "TrainingStatus", "Options": "TrainingOptions", "checked": "validate_options"})
