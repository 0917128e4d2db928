"""The card of a model: its training data, its training, its scores, its licence and its known failures."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Card(BaseModel):
    """Facts to know before trusting a model. All fields may be empty.

    >>> Card(description="A small network.", steps=1000).steps
    1000
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    licence: str = ""
    """Licence of the weights."""
    data: list[str] = []
    """The pictures on which the model was trained, with their licences."""
    command: str = ""
    """The command that trained the model."""
    seed: int | None = None
    steps: int | None = None
    minutes: float | None = None
    hardware: str = ""
    scores: dict[str, str] = {}
    """Data set, protocol and kind of inference → PSNR in dB and SSIM."""
    speed: str = ""
    """Time for a picture of a given size, with the hardware."""
    known_failures: list[str] = []
    warning: str = ""
    """Why the model should not be used: it is worse than the noisy pictures or a shipped model. Shown whenever the
    model is loaded."""
