"""The card of a model: what it was trained on, by what, with which scores, and what it may be used for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Card(BaseModel):
    """Everything that someone should know before trusting a model. All fields may be left empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    licence: str = ""
    """Of the weights."""
    data: list[str] = []
    """The pictures it was trained on, with their licence."""
    command: str = ""
    seed: int | None = None
    steps: int | None = None
    minutes: float | None = None
    hardware: str = ""
    scores: dict[str, str] = {}
    """Data set, protocol and kind of inference → PSNR / SSIM."""
    speed: str = ""
    """Time for a picture of a given size, and on what."""
    known_failures: list[str] = []
