"""The pydantic model of a recipe: denoiser, scheme, refinement and training, as in the paragraph of a paper."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from unnoise import denoisers, schemes
from unnoise.denoisers.base import Initialization
from unnoise.deprecated.class_members import RenamedMember
from unnoise.errors import UsageError
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.normalization import Normalization
from unnoise.recipes.applied import Share, bias_correction_of, normalization_of, refinement_of
from unnoise.recipes.old_fields import rename_old_fields
from unnoise.schemes.base import Scheme
from unnoise.schemes.r3 import R3

Positive = Annotated[float, Field(gt=0)]


class DenoiserChoice(BaseModel):
    """The name of a denoiser, and the sizes to make it with. In YAML, the sizes stand next to the name.

    >>> DenoiserChoice.model_validate({"name": "dbsn", "features": 32}).sizes
    {'features': 32}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    sizes: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_sizes(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "sizes" not in value:
            return {"name": value.get("name"), "sizes": {key: size for key, size in value.items() if key != "name"}}
        return value

    @model_validator(mode="after")
    def _check_sizes(self) -> DenoiserChoice:
        taken = list(inspect.signature(denoisers.lookup(self.name)).parameters)
        unknown = [size for size in self.sizes if size not in taken]
        if unknown:
            raise UsageError(f"The denoiser '{self.name}' has no size '{unknown[0]}'; it takes {', '.join(taken)}.")
        return self


class Training(BaseModel):
    """How the network is trained. Times of the schedule are shares of the run, so they fit any `--steps` or
    `--minutes`.

    >>> Training(crop=64).batch
    8
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    crop: Annotated[int, Field(ge=8, le=4096)] = 120
    """Side of the random crops in pixels."""
    batch: Annotated[int, Field(ge=1)] = 8
    """Crops in a step, over all processes."""
    optimizer: Literal["adam", "adamw"] = "adam"
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: Positive = 1e-4
    """At the start, after the warm-up."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """*cosine* falls to 0. *step* multiplies by `step_factor` at each share of the run in `step_at`."""
    step_at: list[Share] = [0.4, 0.8]
    step_factor: Positive = 0.1
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps in which the learning rate rises linearly from 0."""
    gradient_clip: Annotated[float, Field(ge=0)] = 0.0
    """Largest norm of the gradient. 0: no limit."""
    steps: Annotated[int, Field(ge=1)] = 100_000
    """Length of the run if neither `--steps` nor `--minutes` is given."""
    initialization: Initialization = "default"
    """*default*: as the published code initializes. *he*: see `Denoiser.initialize_he`."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential moving average of the weights. The averaged weights are saved. 0: no average."""
    flips: bool = True
    """Flip crops at random, left to right and top to bottom."""
    turns: bool = True
    """Turn crops by a random number of quarter turns."""


NOTES = ("purpose", "cost", "start")
"""Fields of the YAML file that the recipe itself drops. *purpose* and *cost* are for people who choose a recipe; see
`unnoise.recipes.summary`. *start* names the model that a training begins with; see `unnoise.recipes.start`."""


class Recipe(BaseModel):
    """A method: denoiser, scheme, refinement and training. `Recipe.model_validate` reads what YAML gives.

    >>> recipe = Recipe.model_validate({"name": "mine", "denoiser": "dbsn", "scheme": "pd-blind-spot"})
    >>> recipe.refinement is None
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, ignored_types=(RenamedMember,))

    name: Annotated[str, Field(min_length=1)]
    source: str = ""
    """The paper."""
    denoiser: DenoiserChoice
    scheme: SerializeAsAny[Scheme]
    refinement: R3 | None = None
    """The refinement after the first estimate. An option of `denoise` has priority."""
    ensemble: bool = False
    """Whether to average over the eight flips and quarter turns, which takes eight times as long. An option of
    `denoise` has priority."""
    bias_correction: BiasCorrection | None = Field(None, serialization_alias="light")
    """Whether and how the result gets the local mean of the noisy picture. See `unnoise.photometry.bias_correction`. No
    paper does this."""
    normalization: Normalization | None = Field(None, serialization_alias="levels")
    """Whether measurements are scaled by their own range, in training and at inference. See
    `unnoise.photometry.normalization`. No paper does this."""
    detail: Share = 0.0
    """Share of the removed detail that is returned where it is surely more than noise. An option of `denoise` has
    priority. See `inference.blending.keep_detail`. No paper does this."""
    half_size: Share = 0.0
    """Share of what a second pass at half the size changes, for noise that is coarse, in photographs, where `bounded` measures it.
    See `inference.half_size`. No paper does this."""
    bounded: bool = False
    """Whether no more is removed than the noise that was measured in the picture, and pictures without noise stay as they
    are. An option of `denoise` has priority. See `inference.do_no_harm`. No paper does this."""
    training: Training = Training()

    light = RenamedMember("bias_correction")
    levels = RenamedMember("normalization")

    @model_validator(mode="before")
    @classmethod
    def _drop_notes(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: field for name, field in rename_old_fields(value).items() if name not in NOTES}

    def version_0_1_json(self) -> str:
        """The recipe as version 0.1 wrote it, for fingerprints that must not change."""
        # version 0.1 did not know these, so they count where they are set
        unset = {name for name in ("bounded", "half_size") if not getattr(self, name)}
        return self.model_dump_json(by_alias=True, exclude=unset or None)

    @field_validator("scheme", mode="before")
    @classmethod
    def _choose_scheme(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict):
            return schemes.lookup(str(value.get("name"))).model_validate(value)
        return value

    @field_validator("scheme")
    @classmethod
    def _check_scheme(cls, value: Scheme, info: ValidationInfo) -> Scheme:
        if "denoiser" in info.data:  # else that field has an error of its own
            denoiser = denoisers.lookup(info.data["denoiser"].name)
            if denoiser.is_trained != value.is_trained:
                with_weights = "has weights to train" if denoiser.is_trained else "has no weights to train"
                raise UsageError(
                    f"The denoiser '{info.data['denoiser'].name}' {with_weights}, so it does not go with the scheme "
                    f"'{getattr(value, 'name', '')}'; choose another of both."
                )
            value.check(denoiser)
        return value

    @field_validator("refinement", mode="before")
    @classmethod
    def _no_refinement(cls, value: Any) -> Any:
        return refinement_of(value)

    @field_validator("bias_correction", mode="before")
    @classmethod
    def _no_bias_correction(cls, value: Any) -> Any:
        return bias_correction_of(value)

    @field_validator("normalization", mode="before")
    @classmethod
    def _full_range(cls, value: Any) -> Any:
        return normalization_of(value)
