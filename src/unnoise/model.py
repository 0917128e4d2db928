"""A model: a denoiser with weights, the recipe it follows and its card, in one `.safetensors` file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unnoise import denoisers, images, recipes
from unnoise.card import Card
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files import written_whole
from unnoise.inference.apply import Settings, restore
from unnoise.inference.clipping import clipped, left_clipped
from unnoise.inference.memory import free_memory
from unnoise.inference.moderate import span_of_image
from unnoise.inference.precision import choose_device
from unnoise.inference.report import make, middle
from unnoise.inference.steps import warn_of_few_steps
from unnoise.inference.strength import blend_each, check
from unnoise.recipes.schema import Recipe
from unnoise.refinement import R3
from unnoise.views import View

T = TypeVar("T")

FORMAT = "unnoise model 1"
APPLIED = "scheme", "refinement", "ensemble", "light", "levels", "detail"
"""Fields of a recipe that may change after training."""


SMALL = 10_000
"""A network's size may be so large however few weights it has."""
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
    ) -> Any:
        """Take the noise out of an image.

        Args:
            image: numpy (H, W) or (H, W, C), or torch (H, W), (C, H, W) or (B, C, H, W); uint8, uint16, or floats in 0..1, and
                with `levels` of the picture on any scale. An alpha channel (the second of two, the fourth of four) stays as it is.
                With `axes` a stack of any shape.
            refine: R³ after the first estimate; None: as the recipe says.
            ensemble: average over the eight flips and quarter turns, eight times the work; None: as the recipe says.
            tile: side of the tiles in pixels; None: chosen for the picture.
            precision: 'float32', 'bfloat16', 'float16', 'int8' (for models whose maps are bytes, as `default`'s) or 'auto'.
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
            options |= {"light": light, "levels": levels, "strength": strength, "detail": detail, "axes": axes, "group": group}
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
        tensors = {
            key: (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
            for key, value in self.network.state_dict().items()
        }
        header = {
            "format": FORMAT,
            "denoiser": denoisers.name_of(self.network),
            "sizes": json.dumps(self.network.sizes),
            "recipe": self.recipe.model_dump_json(),
            "card": self.card.model_dump_json(),
        }
        with written_whole(Path(path)) as temporary:
            try:
                save_file(tensors, temporary, metadata=header)
            except SafetensorError as error:
                raise _as_os_error(error) from error

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read what `save` wrote, onto the CPU in float32.

        Raises:
            UsageError: when there is no such file.
            UnnoiseError: when the file is damaged, or is no model of unnoise.
        """
        path = Path(path)
        if not path.is_file():
            raise UsageError(f"There is no model file {path}.")
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise UnnoiseError(f"{path} is damaged or no safetensors file ({error}); get it again.") from error
        if header.get("format") != FORMAT:
            raise UnnoiseError(f"{path} is no model of unnoise (its header lacks '{FORMAT}'); make one with 'unnoise import'.")
        check_finite(tensors, path)
        recipe = _read(header, "recipe", lambda text: recipes.validate(json.loads(text), str(path)), path)
        card = _read(header, "card", Card.model_validate_json, path)
        sizes = _read(header, "sizes", json.loads, path)
        network = _read(header, "denoiser", lambda name: _made(name, sizes, tensors), path)
        if network is None:
            raise UnnoiseError(f"The weights in {path} do not fit its own header; get the file again.")
        return cls(network.eval(), recipe, card)


def is_model(path: Path) -> bool:
    """Whether this file says that unnoise wrote it, whatever it is called."""
    try:
        with safe_open(path, framework="np") as file:
            return str((file.metadata() or {}).get("format")).startswith(FORMAT.rstrip("0123456789"))
    except (SafetensorError, OSError):
        return False


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise `UnnoiseError` where some of a file's weights are NaN or infinite: no picture would come of them."""
    for key, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise UnnoiseError(
                f"The weights in {path} are not all finite numbers ('{key}'); get the file again, or train anew."
            )


def _read(header: Mapping[str, str], key: str, read: Callable[[str], T], path: Path) -> T:
    try:
        return read(header[key])
    except MemoryError:
        raise
    except Exception as error:  # bytes that are none of ours fail in any way they like
        raise UnnoiseError(
            f"{path} is damaged, or of another version of unnoise: what its header has as '{key}' cannot be read; get it again."
        ) from error


def _made(name: str, sizes: dict[str, Any], weights: Mapping[str, Tensor]) -> Denoiser | None:
    """The network of these sizes with the weights; None: they do not fit it."""
    largest = max(SMALL, sum(value.numel() for value in weights.values()))
    if any(size > largest for size in _numbers(sizes)):  # it would take all memory, or for ever, to see that it does not fit
        return None
    try:
        network = denoisers.create(name, **sizes)
        network.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in weights.items()})
    except RuntimeError:
        return None
    return network


def _numbers(sizes: Any) -> Iterator[float]:
    if isinstance(sizes, dict | list):
        for size in sizes.values() if isinstance(sizes, dict) else sizes:
            yield from _numbers(size)
    elif isinstance(sizes, int | float):
        yield sizes


def _as_os_error(error: SafetensorError) -> OSError:
    """What the system said, which safetensors wraps in a text of its own."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def fresh(recipe: Recipe) -> Model:
    """A model with random weights, made as the recipe says."""
    return Model(denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes), recipe)
