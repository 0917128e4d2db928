"""Everything about a run that is no part of the method, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unnoise.training.schedule import Length


@dataclass(frozen=True)
class Status:
    """Where a run stands, for progress bars."""

    step: int
    share: float
    """Of the run that is over, 0..1."""
    loss: float
    images_per_second: float
    seconds_left: float


@dataclass
class Options:
    """Everything about a run that is no part of the method. `train` takes each as a keyword."""

    output: Path
    length: Length
    seed: int = 0
    """Of weights, crops and all other draws."""
    device: str | None = None
    """As cpu, cuda, cuda:1, mps; None: the best one present."""
    precision: str | None = None
    """Of the network's arithmetic: float32, bfloat16, float16; None: what the hardware does best."""
    workers: int | None = None
    """Processes that draw crops ahead; None: none on the CPU, where the network takes all cores anyway, else 4."""
    compile: bool = False
    """Run the network by `torch.compile`: quicker steps after a minute or so of compiling; see docs/results/speed.md."""
    checkpoint_seconds: float = 60.0
    """Between one `checkpoint.pt` and the next."""
    preview_seconds: float = 300.0
    """Between one picture in `previews/` and the next."""
    command: str = ""
    """Written into the card."""
    progress: Callable[[Status], None] | None = None
    on_message: Callable[[str], None] = field(default=lambda message: None)
    """Told what a user should know: skipped files, where the run goes on."""
