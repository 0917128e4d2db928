"""A model: a denoiser with weights, the recipe it follows and its card, in one `.safetensors` file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

from torch import Tensor

from unnoise import denoisers, images, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.inference.apply import restore
from unnoise.inference.memory import free_memory
from unnoise.inference.options import DenoiseOptions, OptionFields
from unnoise.inference.precision import choose_device
from unnoise.inference.rescaling import span_of_image
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.strength import blend_each
from unnoise.models import file_format as model_file
from unnoise.models.card import Card
from unnoise.photometry.clipped_regions import clipped, left_clipped
from unnoise.photometry.integer_steps import warn_of_few_steps
from unnoise.quality.report import make, middle
from unnoise.recipes.schema import Recipe
from unnoise.regions import RegionSource

APPLIED = "scheme", "refinement", "ensemble", "light", "levels", "detail"
"""Fields of a recipe that may change after training."""


AROUND = 20
"""So many times a picture's own bytes are free on a GPU that is to hold all of it."""


class Model:
    """A trained denoiser that restores pictures.

    Attributes:
        network: the bare `nn.Module` in its published value range, (B, C, H, W) → (B, C, H, W).
        recipe: how it was, or would be, trained and how it is applied.
        card: where it comes from.
    """

    def __init__(self, network: Denoiser, recipe: Recipe, card: Card | None = None) -> None:
        self.network = network
        self.recipe = recipe
        self.card = card or Card()

    def __repr__(self) -> str:
        return f"Model({self.recipe.name}: {denoisers.name_of(self.network)}, {self.network.parameter_count():,} parameters)"

    def __call__(self, noisy: Tensor) -> Tensor:
        """The scheme's bare restoration in float32, without R³ and `light`: (B, C, H, W) in 0..1 → the same shape, not clipped."""
        return restore(self.network, self.recipe.scheme, noisy, InferenceSettings(precision="float32"))

    def to(self, device: str) -> Model:
        """Move the network to a device ('cpu', 'cuda', 'cuda:1', 'mps', 'auto') and give back the model."""
        self.network.to(choose_device(device))
        return self

    def applied(self, changes: dict[str, Any]) -> Model:
        """The same network applied in another way; the recipe's name tells of it.

        Args:
            changes: values by dotted field of those in `APPLIED`, as ``{"scheme.partitions": 4}``.

        Raises:
            UsageError: for any other field, or a bad value.
        """
        for field in changes:
            if field.split(".")[0] not in APPLIED:
                raise UsageError(
                    f"A trained model can be applied with another {', '.join(APPLIED[:-1])} or {APPLIED[-1]}, not another {field}."
                )
        if not changes:
            return self
        named = ", ".join(f"{field}={value}" for field, value in changes.items())
        recipe = recipes.load(self.recipe, changes)
        return Model(self.network, recipe.model_copy(update={"name": f"{recipe.name} with {named}"}), self.card)

    def denoise(
        self,
        image: Any,
        options: DenoiseOptions | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        report: bool = False,
        **fields: Unpack[OptionFields],
    ) -> Any:
        """Take the noise out of an image.

        Args:
            image: numpy (H, W) or (H, W, C), or torch (H, W), (C, H, W) or (B, C, H, W); uint8, uint16, or floats in 0..1, and
                with `normalization` of the picture on any scale. An alpha channel (the second of two, the fourth of four) stays as it
                is. With `axes` a stack of any shape.
            options: how; the default leaves all to the model.
            progress: called with (tiles done, tiles in all).
            report: also judge the result, which takes as long as about eight restorations; of a large picture the middle is judged.
            fields: fields of `DenoiseOptions` that replace those of `options`: `refine=True`, `tile=512`, `strength=0.5`.

        Returns:
            What came in: the same kind, shape, dtype and range (floats are clipped to 0..1, or to the input's own range if wider).
            With `report`, the pair of that and an `unnoise.quality.report.Report`.

        Raises:
            UsageError: for an image of another kind or shape, with values that are no numbers, or a value that an option cannot have;
                for a report on a batch.
        """
        options = DenoiseOptions.of(fields, options)
        settings = options.settings(self.recipe)
        axes, group, strength = options.axes, options.group, options.strength
        if strength > 0 and (span := span_of_image(image, settings.normalization, axes=axes, group=group)):
            result = self.denoise(span.forward(image), options, progress=progress, report=report)
            if not report:
                return span.inverse(result, image.dtype)
            return span.inverse(result[0], image.dtype), result[1].scaled(1 / span.factor)
        noisy, form = images.to_tensor(image, axes=axes, group=group, levels=settings.normalization)
        if report and len(noisy) != 1:
            raise UsageError(f"A report is of one picture, not of a batch of {len(noisy)}; give them one by one.")
        settings = settings.of_picture(form.layout, form.dtype)
        if settings.measures and form.white:
            warn_of_few_steps(RegionSource.of(noisy), form.white, "The image")
        device = next(self.network.parameters()).device
        if device.type == "cuda" and AROUND * noisy.nbytes < free_memory(device):
            noisy = noisy.to(device)  # so that what is done around the network is done there too
        if strength == 0:
            restored, result = (
                noisy,
                image.clone() if isinstance(image, Tensor) else image.copy(),
            )  # not by way of float32, which a float64 would not survive
        else:
            restored = restore(self.network, self.recipe.scheme, noisy, settings, progress)
            # Within black and white, or within the input's own range where that reached beyond.
            low, high = (value.item() for value in noisy.aminmax())
            untouched = clipped(noisy, settings.cut_of(RegionSource.of(noisy)))
            restored = left_clipped(noisy, restored.clamp_(min(low, 0.0), max(high, 1.0)), untouched)
            restored = blend_each(noisy, restored, strength, settings.detail)
            result = form.restore(restored)
        if not report:
            return result
        part = middle(noisy.shape[-2], noisy.shape[-1])
        before, after = noisy[..., *part], restored[..., *part]
        return result, make(self.network, self.recipe.scheme, before, after, settings, part, strength=strength)

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write weights, recipe and card to one `.safetensors` file, whole or not at all.

        Args:
            path: where to.
            half: store the weights as float16; they are read back as float32.

        Raises:
            UnnoiseError: when the file cannot be written.
        """
        model_file.write(Path(path), self.network, self.recipe, self.card, half=half)

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read what `save` wrote, onto the CPU in float32.

        Raises:
            UsageError: when there is no such file.
            UnnoiseError: when the file is damaged, or is no model of unnoise.
        """
        network, recipe, card = model_file.read(Path(path))
        return cls(network.eval(), recipe, card)


def fresh(recipe: Recipe) -> Model:
    """A model with random weights, made as the recipe says."""
    return Model(denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes), recipe)
