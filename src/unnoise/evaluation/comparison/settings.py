"""The settings of a comparison, which are alike for all its cells."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What the scores of a cell depend on, beside the model and the data.

    >>> Settings().protocol
    'default'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str = "default"
    limit: int | None = None
    refine: bool | None = None
    ensemble: bool | None = None
    precision: str | None = None
