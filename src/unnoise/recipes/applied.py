"""The part of a recipe that says how a trained network is applied. Importing this module does not load torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.normalization import Normalization
from unnoise.recipes.old_fields import rename_old_fields
from unnoise.schemes.r3 import R3

Share = Annotated[float, Field(ge=0, le=1)]


def refinement_of(value: Any) -> Any:
    """The refinement that a short form means.

    >>> refinement_of("none") is None, refinement_of("r3").name
    (True, 'r3')
    """
    return None if value == "none" else R3() if value == "r3" else value


def bias_correction_of(value: Any) -> Any:
    """The bias correction that a short form means.

    >>> bias_correction_of("auto")
    {'curve': 'auto'}
    """
    return None if value == "none" else {"curve": value} if isinstance(value, str) else value


def normalization_of(value: Any) -> Any:
    """The normalization that a short form means.

    >>> normalization_of("full") is None, normalization_of("picture")
    (True, {'of': 'picture'})
    """
    return None if value == "full" else {"of": value} if isinstance(value, str) else value


class AppliedRecipe(BaseModel):
    """A recipe without what only training and torch need. It reads the same fields as `Recipe`, and drops the others.

    >>> recipe = AppliedRecipe.model_validate({"name": "mine", "light": "auto", "training": {"crop": 64}})
    >>> recipe.bias_correction.curve, recipe.refinement
    ('auto', None)
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1)]
    scheme: dict[str, Any] = {}
    """The name and the fields of the scheme, which are not checked."""
    refinement: R3 | None = None
    ensemble: bool = False
    bias_correction: BiasCorrection | None = None
    normalization: Normalization | None = None
    detail: Share = 0.0
    half_size: Share = 0.0
    bounded: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, value: Any) -> Any:
        return rename_old_fields(value) if isinstance(value, dict) else value

    _refinement = field_validator("refinement", mode="before")(refinement_of)
    _bias_correction = field_validator("bias_correction", mode="before")(bias_correction_of)
    _normalization = field_validator("normalization", mode="before")(normalization_of)

    def version_0_1_json(self) -> str:
        """The fields as JSON, for fingerprints."""
        return self.model_dump_json(exclude=None if self.half_size else {"half_size"})
