"""The base of the simulation's settings: fields that cannot change, with errors of one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from unnoise.errors import UsageError, explain_validation


class SimulationSettings(BaseModel):
    """Fields that are checked when they are given and cannot change afterwards.

    Raises:
        UsageError: a field does not exist, or does not take the value. The sentence names the field.

    >>> from unnoise.simulation.camera import Camera
    >>> Camera(iso=3200).iso
    3200.0
    >>> Camera(iso=-1)
    Traceback (most recent call last):
    unnoise.errors.UsageError: The camera's field 'iso' does not take -1: input should be greater than 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    noun: ClassVar[str] = "simulation"
    """What error sentences call the object."""

    if not TYPE_CHECKING:  # Type checkers read the fields. Pydantic's own error is a paragraph, and users need a sentence.

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise UsageError(explain_validation(error, f"The {self.noun}", known=type(self).model_fields)) from error
