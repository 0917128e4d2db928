"""A model: a denoiser with weights, the recipe it follows and its card, in one `.safetensors` file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from array_api_compat import is_torch_array

from unnoise import denoisers, images, recipes
from unnoise.errors import UnnoiseWarning, UsageError
from unnoise.inference.channel_choice import choose_axes
from unnoise.inference.forking import compute_alone_after_fork
from unnoise.inference.frame_grid import check_report
from unnoise.inference.kind_settings import settings_for
from unnoise.inference.memory import free_memory
from unnoise.inference.missing_values import filled, find_missing, missing_planes, with_hidden, without_mask
from unnoise.inference.options import DenoiseOptions, OptionFields
from unnoise.inference.pipeline import Pipeline, library_of
from unnoise.inference.repair import Repair
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import rescaling_of_image, source_of_tensor
from unnoise.inference.stores import TensorStore
from unnoise.models import hub
from unnoise.models.card import Card
from unnoise.models.containers import Near, adapter_of
from unnoise.models.notebook import card_html, plot_sample
from unnoise.models.stored_types import prepare
from unnoise.photometry.rescaling import Rescaling
from unnoise.recipes.old_fields import rename_old_fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from unnoise.denoisers.base import Denoiser
    from unnoise.inference.graph_network import GraphNetwork
    from unnoise.models.stacks import StackRepair
    from unnoise.quality.report import Report
    from unnoise.recipes.applied import AppliedRecipe
    from unnoise.recipes.schema import Recipe

APPLIED = "scheme", "refinement", "ensemble", "bias_correction", "normalization", "detail", "half_size", "bounded"
"""Fields of a recipe that may change after training."""
DEVICE_MEMORY_FACTOR = 20
"""A whole picture is moved to a GPU if this many times its bytes are free there."""


class Model:
    """A trained denoiser that restores pictures.

    Attributes:
        network: the bare `nn.Module` in its published value range, (B, C, H, W) → (B, C, H, W); or a graph that
            onnxruntime or OpenVINO runs without torch.
        recipe: how the network is trained and applied.
        card: facts about its origin.

    >>> model = fresh(recipes.load("ap-bsn"))
    >>> model
    Model(ap-bsn: dbsn, ... parameters)
    """

    network: Any
    recipe: Any

    def __init__(self, network: Denoiser | GraphNetwork, recipe: Recipe | AppliedRecipe, card: Card | None = None) -> None:
        compute_alone_after_fork()
        self.network = network
        self.recipe = recipe
        self.card = card or Card()

    @property
    def engine(self) -> str:
        """What runs the network: 'torch', 'onnx' or 'openvino'."""
        return str(self.network.engine) if library_of(self.network) == "numpy" else "torch"

    def pipeline(self, settings: InferenceSettings) -> Pipeline:
        """The pipeline with this model.

        >>> fresh(recipes.load("ap-bsn", {"denoiser.features": 4})).pipeline(InferenceSettings()).library
        'torch'
        """
        return Pipeline(self.network, self.recipe.scheme if self.engine == "torch" else None, settings)

    def __repr__(self) -> str:
        name = self.network.denoiser if self.engine != "torch" else denoisers.name_of(self.network)
        return f"Model({self.recipe.name}: {name}, {self.network.parameter_count():,} parameters)"

    def _repr_html_(self) -> str:
        """The main facts of the card, as notebooks show them."""
        return card_html(str(self), self.card)

    def plot(self) -> Figure:
        """A sample before and after, and what was removed. Raises `UnnoiseError` without matplotlib."""
        return plot_sample(self.denoise)

    def __call__(self, noisy: Tensor) -> Tensor:
        """Restore with the scheme alone in float32, without R³ and bias correction: (B, C, H, W) in 0..1 →
        (B, C, H, W), not clipped."""
        return self.pipeline(InferenceSettings(precision="float32")).restore(noisy)

    def to(self, device: str) -> Model:
        """Move the network to a device ('cpu', 'cuda', 'cuda:1', 'mps', 'auto') and return the model.

        >>> next(fresh(recipes.load("ap-bsn", {"denoiser.features": 4})).to("cpu").network.parameters()).device
        device(type='cpu')
        """
        if self.engine != "torch":
            self.network.to(device)
            return self
        from unnoise.inference.precision import choose_device

        self.network.to(choose_device(device))
        return self

    def applied(self, changes: dict[str, Any]) -> Model:
        """The same network, applied in another way. The changes are appended to the recipe's name.

        Args:
            changes: dotted field → value, for instance ``{"scheme.partitions": 4}``. The first part is one of
                `APPLIED`.

        Raises:
            UsageError: the field is another one, or cannot have the value.

        >>> model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4}))
        >>> model.applied({"refinement": "none"}).recipe.refinement is None
        True
        """
        for field in rename_old_fields(changes):
            if field.split(".")[0] not in APPLIED:
                raise UsageError(
                    f"A trained model can be applied with another {', '.join(APPLIED[:-1])} or {APPLIED[-1]}, not another {field}."
                )
        if not changes:
            return self
        if self.engine != "torch" and any(field.startswith("scheme") for field in changes):
            raise UsageError("The scheme is part of the graph and cannot be changed; give --engine torch, which needs PyTorch.")
        named = ", ".join(f"{field}={value}" for field, value in changes.items())
        recipe = recipes.changed(self.recipe, changes)
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
        """Remove the noise of an image.

        Args:
            image: numpy (H, W) or (H, W, C), or torch (H, W), (C, H, W) or (B, C, H, W). With `axes`, a stack of any
                shape. uint8 and uint16 span black to white. Floats of colors lie in 0..1; those of gray pictures may be
                on any scale. Other whole numbers are measurements, and their channels are no colors. An alpha channel
                is left unchanged: the second of two channels, or the fourth of four. Also the path of a file, a PIL
                image, or a dask or xarray array; see `unnoise.models.containers`.
            options: the options of denoising; None: the defaults.
            progress: called with the number of tiles that are done and the number of all tiles.
            report: whether to judge the result too. This takes as long as about eight restorations. Only the middle of
                a large picture is judged.
            fields: fields of `DenoiseOptions` that replace those of `options`: `refine=True`, `tile=512`,
                `strength=0.5`.

        Returns:
            An image of the same kind, shape and range as the input, and of its dtype unless `dtype` asks for another.
            Whole numbers of measurements with coarse steps are rounded up or down by chance, so that means stay.
            Floats are clipped to 0..1, or to the input's range if that is wider. With `report`, a pair of the image
            and an `unnoise.quality.report.Report`. A path gives an array, and a dask array stays lazy.

        Raises:
            UsageError: the image has another kind or shape, or values that are no numbers; an option cannot have its
                value; or a report on a batch was asked for.

        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).integers(90, 110, (20, 24, 3), np.uint8)
        >>> restored = fresh(recipes.load("ap-bsn", {"denoiser.features": 4})).denoise(noisy, refine=False)
        >>> restored.shape, restored.dtype
        ((20, 24, 3), dtype('uint8'))
        """
        asked = DenoiseOptions.of(fields, options)
        if report:
            check_report(asked.neighbours)
        if (adapter := adapter_of(image)) is not None:
            if report:
                raise UsageError(f"A report needs an array or a tensor, not {type(image).__name__}; try np.asarray(image).")
            near = Near(asked.neighbours, asked.along)
            return adapter(image, partial(self._denoise_array, asked, progress), asked.axes, asked.dtype, near)
        given, gaps = image, find_missing(image, asked)
        image, options, restore, whole_numbers = prepare(without_mask(image), asked)
        plain = image if gaps is None else filled(image, gaps)
        axes, layout = choose_axes(plain, options.axes, options.channels) if options.strength > 0 else (options.axes, None)
        options = replace(options, axes=axes)
        settings = options.settings(self.recipe)
        pipeline = self.pipeline(settings)
        pipeline.check_neighbours(options.neighbours)
        rescaling = None
        if settings.strength > 0:
            rescaling = rescaling_of_image(plain, settings.normalization, axes=options.axes, group=options.group)
        noisy, form = self._tensor(plain, options, settings, rescaling, layout)
        if report and len(noisy) not in (1, form.channels):
            raise UsageError(f"A report is of one picture, not of a batch of {len(noisy)}; give them one by one.")
        missing = missing_planes(gaps, form, options, pipeline.library)
        repaired: Repair | StackRepair | None
        if options.neighbours and settings.strength > 0:
            from unnoise.models.stacks import Stack

            stack = Stack(noisy, form, rescaling, missing, whole_numbers)
            restored, repaired = stack.denoise(pipeline, options, progress)
        else:
            store = TensorStore(noisy)
            source = source_of_tensor(noisy, form, rescaling, missing=missing, whole_numbers=whole_numbers)
            repaired = pipeline.run(with_hidden(source, form.alpha), store, progress)
            restored = store.tensor
        if settings.strength == 0:  # a copy, since float64 would lose digits as float32
            result = image.clone() if is_torch_array(image) else image.copy()
        else:
            result = form.restore(restored)
            result = rescaling.inverse(result, image.dtype) if rescaling else result
            result = _put_back(image, result, form, repaired) if repaired else result
        if report and isinstance(repaired, Repair):
            noisy = repaired.source.read(slice(0, noisy.shape[-2]), slice(0, noisy.shape[-1]))
        result = restore(result)
        result = np.ma.MaskedArray(result, given.mask) if isinstance(given, np.ma.MaskedArray) else result
        return (result, _report(pipeline, noisy, restored, form, rescaling)) if report else result

    def _denoise_array(
        self, options: DenoiseOptions, progress: Callable[[int, int], None] | None, array: Any, axes: str | None
    ) -> Any:
        """Denoise an array of a container."""
        return self.denoise(array, replace(options, axes=axes), progress=progress)

    def judge(self, noisy: Any, result: Any, options: DenoiseOptions | None = None, **fields: Unpack[OptionFields]) -> Report:
        """Judge a result without a clean picture. This takes as long as about eight restorations.

        Args:
            noisy: one picture, as `denoise` takes it.
            result: the result of `denoise`, of the same kind and shape.
            options, fields: those that `denoise` got.

        Returns:
            The estimated gain, the lost structure and the uncertain places. Only the middle of a large picture is
            judged.

        Raises:
            UsageError: as `denoise`; also for a batch, and for a result of another shape.

        >>> import numpy as np
        >>> model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1, "refinement": "none"}))
        >>> noisy = np.random.default_rng(0).integers(90, 110, (40, 40, 3), np.uint8)
        >>> model.judge(noisy, noisy).judgement.taken
        0.0
        """
        given = DenoiseOptions.of(fields, options)
        gaps = find_missing(noisy, given)
        noisy, options, *_ = prepare(without_mask(noisy), given)
        result = prepare(without_mask(result), replace(given, dtype=None)).image
        if gaps is not None:
            noisy, result = filled(noisy, gaps), filled(result, gaps)
        axes, layout = choose_axes(noisy, options.axes, options.channels)
        options = replace(options, axes=axes)
        settings = options.settings(self.recipe)
        rescaling = rescaling_of_image(noisy, settings.normalization, axes=options.axes, group=options.group)
        before, form = self._tensor(noisy, options, settings, rescaling, layout)
        after, _ = self._tensor(result, options, settings, rescaling, layout)
        if after.shape != before.shape:
            raise UsageError(
                f"The result has the shape {tuple(after.shape)}, the noisy picture {tuple(before.shape)}; give what denoise made of it."
            )
        return _report(self.pipeline(settings), before, after, form, rescaling)

    def _tensor(
        self,
        image: Any,
        options: DenoiseOptions,
        settings: InferenceSettings,
        rescaling: Rescaling | None,
        layout: images.Layout | None,
    ) -> tuple[Tensor, images.Form]:
        """Convert an image to (B, C, H, W) float32, on the network's device if that has enough memory."""
        moderate = rescaling.forward(image) if rescaling else image
        library = library_of(self.network)
        if library == "numpy" and is_torch_array(moderate):
            raise UsageError(
                f"The engine {self.engine} takes arrays, not tensors; give image.numpy(), or load the model with engine='torch'."
            )
        noisy, form = images.to_tensor(
            moderate,
            axes=options.axes,
            group=options.group,
            normalization=settings.normalization,
            layout=layout,
            library=library,
        )
        if library == "numpy":
            return noisy, form
        device = next(self.network.parameters()).device
        if device.type == "cuda" and DEVICE_MEMORY_FACTOR * noisy.nbytes < free_memory(device):
            noisy = noisy.to(device)
        return noisy, form

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write weights, recipe and card to one `.safetensors` file, atomically.

        Args:
            path: the file.
            half: whether the weights are stored as float16. They are read back as float32.

        Raises:
            UnnoiseError: the file cannot be written.

        >>> import tempfile
        >>> model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(Path(folder) / "small.safetensors", half=True)
        ...     (Path(folder) / "small.safetensors").is_file()
        True
        """
        from unnoise.models import file_format

        if self.engine != "torch":
            raise UsageError(f"A model that the engine {self.engine} runs cannot be saved; load it with engine='torch'.")
        file_format.write(Path(path), self.network, self.recipe, self.card, half=half)

    def push_to_hub(self, repo: str, *, private: bool = False, endpoint: str | None = None, token: str | None = None) -> str:
        """Upload the model to the Hugging Face Hub, as `OWNER/NAME`, with a page made from its card. Returns the address
        that `unnoise.load` takes. Arguments and errors: see `unnoise.models.hub.push`.

        >>> fresh(recipes.load("ap-bsn", {"denoiser.features": 4})).push_to_hub("denoiser")
        Traceback (most recent call last):
        unnoise.errors.UsageError: 'hf://denoiser' is no address of a model; ...
        """
        return hub.push(self, repo, private=private, endpoint=endpoint, token=token)

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read what `save` wrote, onto the CPU in float32.

        Raises:
            UsageError: the file does not exist.
            UnnoiseError: the file is damaged, or is no model of unnoise.

        >>> Model.load("none.safetensors")
        Traceback (most recent call last):
        unnoise.errors.UsageError: There is no model file none.safetensors.
        """
        from unnoise.models import file_format

        network, recipe, card = file_format.read(Path(path))
        if card.warning:
            warnings.warn(f"{path}: {card.warning}", UnnoiseWarning, stacklevel=2)
        return cls(network.eval(), recipe, card)


def _put_back(image: Any, result: Any, form: images.Form, repaired: Repair | StackRepair) -> Any:
    """The old values where a result keeps them, and a warning that counts what it does not keep."""
    if sentence := repaired.sentence():
        warnings.warn(f"The image {sentence}", UnnoiseWarning, stacklevel=3)
    if not repaired.keeps:
        return result
    kept = form.mask(repaired.kept(slice(0, form.planes[2]), slice(0, form.planes[3])))
    if is_torch_array(image):
        import torch

        return torch.where(kept.to(image.device), image.detach(), result)
    return np.where(kept, image, result)


def _report(pipeline: Pipeline, noisy: Tensor, restored: Tensor, form: images.Form, rescaling: Rescaling | None) -> Report:
    from unnoise.models.judging import check_judged, report_on
    from unnoise.quality.report import middle

    check_judged(pipeline)
    settings = settings_for(source_of_tensor(noisy, form), pipeline.settings)
    part = middle(noisy.shape[-2], noisy.shape[-1])
    noisy, restored = (x.reshape(-1, form.channels, *x.shape[-2:]) for x in (noisy, restored))  # judged as one picture
    stored: dict[str, Any] = {"colours": form.layout.colours, "dtype": form.dtype, "white": form.white}
    found = report_on(replace(pipeline, settings=settings), noisy[..., *part], restored[..., *part], part, **stored)
    return found.scaled(1 / rescaling.factor) if rescaling else found


def fresh(recipe: Recipe) -> Model:
    """A model with random weights, for training by the recipe. Raises `UnnoiseError` if memory has no room for that.

    >>> fresh(recipes.load("ap-bsn", {"denoiser.features": 4})).network.sizes["features"]
    4
    """
    from unnoise.models.stored_tensors import bounded_by_memory

    with bounded_by_memory(recipe.name):
        network = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
    return Model(network, recipe)
