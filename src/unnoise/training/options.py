"""Everything about a run that is no part of the method, and where it stands."""

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
    """Where a run stands, for progress bars."""

    step: int
    share: float
    """Of the run that is over, 0..1."""
    loss: float | None
    """Mean of the last steps. None: not known yet."""
    images_per_second: float
    seconds_left: float


T = TypeVar("T")
Seed = Annotated[int, Field(ge=0, lt=2**62)]
Seconds = Annotated[float, Field(ge=0)]
"""Infinite: never."""


@checked_dataclass(config=ConfigDict(extra="forbid"))
class TrainingOptions:
    """Everything about a run that is no part of the method. `train` takes each as a keyword."""

    output: Path
    length: Length
    seed: Seed = 0
    """Of weights, crops and all other draws."""
    device: str | None = None
    """As cpu, cuda, cuda:1, mps; None: the best one present."""
    precision: str | None = None
    """Of the network's arithmetic: float32, bfloat16, float16; None: what the hardware does best."""
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Processes that draw crops ahead; None: none on the CPU, where the network takes all cores anyway, else 4."""
    compile: bool = False
    """Run the network by `torch.compile`: quicker steps after a minute or so of compiling; see docs/results/speed.md."""
    checkpoint_seconds: Seconds = 60.0
    """Between one `checkpoint.pt` and the next."""
    preview_seconds: Seconds = 300.0
    """Between one picture in `previews/` and the next."""
    command: str = ""
    """Written into the card."""
    progress: Callable[[TrainingStatus], None] | None = None
    on_message: Callable[[str], None] = field(default=lambda message: None)
    """Told what a user should know: skipped files, where the run goes on."""


def validate_options(kind: type[T], **fields: Any) -> T:
    """`TrainingOptions` or a `Length` of these fields.

    Raises:
        UsageError: for one that does not exist, or a value that it does not take.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        known = (each.name for each in dataclasses.fields(kind))  # type: ignore[arg-type]
        raise UsageError(explain_validation(error, "A training", known=known, kind="option")) from error


__getattr__ = renamed(__name__, {"Status": "TrainingStatus", "Options": "TrainingOptions", "checked": "validate_options"})
