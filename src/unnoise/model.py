"""A model: a denoiser with weights, the recipe it follows and its card, in one `.safetensors` file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from unnoise import denoisers, images, model_file, recipes
from unnoise.card import Card
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.inference.apply import Settings, restore
from unnoise.inference.clipping import clipped, left_clipped
from unnoise.inference.do_no_harm import guarded
from unnoise.inference.memory import free_memory
from unnoise.inference.moderate import span_of_image
from unnoise.inference.precision import choose_device
from unnoise.inference.report import make, middle
from unnoise.inference.steps import warn_of_few_steps
from unnoise.inference.strength import blend_each, check
from unnoise.recipes.schema import Recipe
from unnoise.refinement import R3
from unnoise.views import View

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
        return restore(self.network, self.recipe.scheme, noisy, Settings(precision="float32"))

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
        *,
        refine: bool | None = None,
        ensemble: bool | None = None,
        tile: int | None = None,
        precision: str | None = None,
        light: str | None = None,
        levels: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        strength: float = 1.0,
        detail: float | None = None,
        report: bool = False,
        axes: str | None = None,
        group: int = 1,
        force: bool = False,
    ) -> Any:
        """Take the noise out of an image.

        Args:
            image: numpy (H, W) or (H, W, C), or torch (H, W), (C, H, W) or (B, C, H, W); uint8, uint16, or floats in 0..1, and
                with `levels` of the picture on any scale. An alpha channel (the second of two, the fourth of four) stays as it is.
                With `axes` a stack of any shape.
            refine: R³ after the first estimate; None: as the recipe says.
            ensemble: average over the eight flips and quarter turns, eight times the work; None: as the recipe says.
            tile: side of the tiles in pixels; None: chosen for the picture.
            precision: 'float32', 'bfloat16', 'float16', 'int8' (CPUs with VNNI) or 'auto'.
            light: 'srgb' for pictures coded for display, 'linear' for measurements in proportion to light: the result gets the mean
                brightness that the noisy picture has in that sense (see `unnoise.light`); 'auto': by the kind of picture; 'none': the
                network has the last word; None: as the recipe says.
            levels: 'picture' shows the network the picture's own range, 'auto' that of measurements alone (see `unnoise.levels`), 'full'
                none; None: as the recipe says.
            progress: called with (tiles done, tiles in all).
            strength: 0 gives back the input, bit for bit; 1 the restoration; between them, a mixture.
            detail: 0..1, how much to put back of what was taken where it is more than noise; None: as the recipe says.
            report: judge the result too, which is the work of about eight restorations; of a large picture the middle is judged.
            axes: what each axis of `image` is: Y and X rows and columns, C channels that are no colours, S samples of a colour, any
                other letter pictures one after the other: 'ZYX', 'TCYX', 'YXC'.
            group: so many channels that are no colours are restored together; 1: each by itself.
            force: restore what seems to have no noise too: masks, palettes, and pictures whose noise cannot be told from structure.

        Returns:
            What came in: the same kind, shape, dtype and range (floats are clipped to 0..1, or to the input's own range if wider).
            With `report`, the pair of that and an `unnoise.inference.report.Report`.

        Raises:
            UsageError: for an image of another kind or shape, with values that are no numbers, or shares beyond 0..1; for a report on
                a batch.
        """
        check(strength=strength)
        settings = self.settings(
            refine=refine, ensemble=ensemble, tile=tile, precision=precision, light=light, levels=levels, detail=detail
        )
        if strength > 0 and (span := span_of_image(image, settings.levels, axes=axes, group=group)):
            options: dict[str, Any] = {"refine": refine, "ensemble": ensemble, "tile": tile, "precision": precision}
            options |= {
                "light": light,
                "levels": levels,
                "strength": strength,
                "detail": detail,
                "axes": axes,
                "group": group,
                "force": force,
            }
            result = self.denoise(span.seen(image), progress=progress, report=report, **options)
            if not report:
                return span.back(result, image.dtype)
            return span.back(result[0], image.dtype), result[1].scaled(1 / span.factor)
        noisy, form = images.to_tensor(image, axes=axes, group=group, levels=settings.levels)
        if report and len(noisy) != 1:
            raise UsageError(f"A report is of one picture, not of a batch of {len(noisy)}; give them one by one.")
        settings = settings.of_picture(form.layout, form.dtype)
        if settings.measures and form.white:
            warn_of_few_steps(View.of(noisy), form.white, "The image")
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
            untouched = clipped(noisy, settings.cut_of(View.of(noisy)))
            restored = left_clipped(noisy, restored.clamp_(min(low, 0.0), max(high, 1.0)), untouched)
            restored = guarded(noisy, restored, settings, form.layout, form.dtype, force=force)
            restored = blend_each(noisy, restored, strength, settings.detail)
            result = form.restore(restored)
        if not report:
            return result
        part = middle(noisy.shape[-2], noisy.shape[-1])
        before, after = noisy[..., *part], restored[..., *part]
        return result, make(self.network, self.recipe.scheme, before, after, settings, part, strength=strength)

    def settings(
        self,
        *,
        refine: bool | None = None,
        ensemble: bool | None = None,
        tile: int | None = None,
        precision: str | None = None,
        light: str | None = None,
        levels: str | None = None,
        detail: float | None = None,
    ) -> Settings:
        """How `denoise` applies the network when it is called with these options.

        Raises:
            UsageError: for a value that an option cannot have.
        """
        check(detail=detail)
        refinement = self.recipe.refinement if refine is None else (self.recipe.refinement or R3()) if refine else None
        kept = self.recipe.light if light is None else recipes.load(self.recipe, {"light": light}).light
        shown = self.recipe.levels if levels is None else recipes.load(self.recipe, {"levels": levels}).levels
        together = self.recipe.ensemble if ensemble is None else ensemble
        return Settings(
            refinement=refinement,
            ensemble=together,
            tile=tile,
            precision=precision,
            light=kept,
            levels=shown,
            detail=self.recipe.detail if detail is None else detail,
        )

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
