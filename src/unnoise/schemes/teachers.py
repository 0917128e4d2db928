"""What a recipe says of teachers: which trained models they are, and how each is applied."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unnoise.deprecated.module_names import renamed
from unnoise.errors import UsageError
from unnoise.schemes.tunable_blind_spot import BlindSpotSize


class TeacherOptions(BaseModel):
    """How a teacher is applied. What is left out is as the scheme's `each` says, and where that says nothing, as given
    here.

    >>> TeacherOptions(pad=8).filled_from(TeacherOptions(pad=4, refine=False))
    TeacherOptions(holes=None, refine=False, ensemble=None, pad=8)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    holes: tuple[BlindSpotSize, ...] | None = None
    """Blind spots of a tunable network, one target each, from one pass; none: the teacher's restoration as its recipe
    says."""
    refine: bool | None = None
    """R³ after a restoration; default: as the teacher's recipe says. The bare passes at `holes` know none."""
    ensemble: bool | None = None
    """Average over the eight flips and quarter turns; default: as the teacher's recipe says, but not the bare passes at
    `holes`."""
    pad: Annotated[int, Field(ge=0, le=256)] | None = None
    """Reflected pixels around each image; default: 0."""

    @model_validator(mode="after")
    def _one_kind(self) -> TeacherOptions:
        if self.holes and self.refine:
            raise UsageError("R³ refines a teacher's restoration, not its bare passes at holes; leave out 'holes' or 'refine'.")
        return self

    def filled_from(self, other: TeacherOptions) -> TeacherOptions:
        """With what is left out here taken from `other`, but no R³ where holes are given here, and the other way round."""
        filled = {key: getattr(other if getattr(self, key) is None else self, key) for key in TeacherOptions.model_fields}
        if self.holes:
            filled["refine"] = self.refine
        if self.refine:
            filled["holes"] = self.holes
        return TeacherOptions(**filled)


class TeacherChoice(TeacherOptions):
    """A trained model, by its name or file, and how it is applied.

    >>> TeacherChoice(model="default", ensemble=True).model
    'default'
    """

    model: Annotated[str, Field(min_length=1)]


__getattr__ = renamed(__name__, {"Lessons": "TeacherOptions"})
