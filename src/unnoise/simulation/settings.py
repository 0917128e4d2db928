"""Settings whose errors are one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from unnoise.errors import UsageError


class Settings(BaseModel):
    """Fields that cannot change, checked when they are given.

    Raises:
        UsageError: for a field that does not exist or a value that it does not take; the message names the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    noun: ClassVar[str] = "settings"
    """What messages call the whole."""

    if not TYPE_CHECKING:  # Type checkers read the fields; pydantic's own error has a paragraph where users need a sentence.

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise UsageError(self._explain(error)) from error

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        """The first of pydantic's complaints in one sentence."""
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            return f"A {cls.noun} has no field '{field}'; it has {', '.join(cls.model_fields)}."
        message = first["msg"].removeprefix("Value error, ")
        if not field:
            return message
        return f"The {cls.noun}'s field '{field}' does not take {first['input']!r}: {message[0].lower()}{message[1:]}."
