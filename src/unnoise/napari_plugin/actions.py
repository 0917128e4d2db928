"""What the plugin does with a layer. It needs no window and no viewer."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.errors import UsageError
from unnoise.inference.options import DenoiseOptions
from unnoise.models import shipped
from unnoise.models.inspection import inspect
from unnoise.models.model import Model
from unnoise.napari_plugin.background import Tell
from unnoise.napari_plugin.layer_pixels import LayerData, pixels_of, result_of

if TYPE_CHECKING:
    from napari.layers import Image

TRAINING_SHARE = 0.9
"""Share of the progress bar that training takes; the rest is for denoising."""


def denoise_layer(
    layer: Image, model: str = "default", *, strength: float = 1.0, neighbours: int = 0, tell: Tell = lambda share: None
) -> LayerData:
    """Denoise a layer: gray, colors, a stack, or channels.

    Args:
        layer: is not changed.
        model: a name, a file, or the folder that a training wrote.
        strength: 0 gives the layer itself, 1 all of the restoration.
        neighbours: frames of a stack on each side that help; 0: each frame by itself.
        tell: called with the share that is done.

    Returns:
        The layer data tuple of a new layer.

    Raises:
        UsageError: the layer is no image, or there is no such model; also as `unnoise.Model.denoise`.

    >>> import numpy as np
    >>> from napari.layers import Image
    >>> pixels, properties, kind = denoise_layer(Image(np.full((16, 16), 7, np.uint8), name="cells"), "fast")
    >>> pixels.shape, properties["name"], kind
    ((16, 16), 'cells denoised', 'image')
    """
    noisy = pixels_of(layer)
    chosen = {"strength": strength, "neighbours": neighbours, "along": _along(noisy.axes, neighbours)}
    options = DenoiseOptions(axes=noisy.axes, **chosen)  # type: ignore[arg-type]
    restored = _loaded(model, _version(model)).denoise(
        noisy.pixels, options, progress=lambda done, tiles: tell(done / max(1, tiles))
    )
    return result_of(layer, restored, {"model": model, **chosen})


def train_on_layer(
    layer: Image,
    folder: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    tell: Tell = lambda share: None,
) -> LayerData:
    """Train a model on a layer alone, and denoise the layer with it.

    Args:
        layer: noisy; a stack has more to learn from.
        folder: for the run and its model; it must be new or empty.
        minutes, steps: length of the training, as `unnoise.train` takes them.
        tell: called with the share that is done.

    Returns:
        As `denoise_layer`. The folder is in the metadata as the model.

    Raises:
        UsageError, UnnoiseError: as `unnoise.train`.

    >>> from types import SimpleNamespace
    >>> train_on_layer(SimpleNamespace(name="line", data=[1], rgb=False, multiscale=False, axis_labels=("x",)), Path("run"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: The layer line has only 1 axis; choose an image.
    """
    from unnoise.training.train import train

    noisy = pixels_of(layer)
    train(
        [noisy.pixels],
        "auto",
        output=folder,
        minutes=minutes,
        steps=steps,
        axes=noisy.axes,
        progress=lambda status: tell(TRAINING_SHARE * status.share),
    )
    return denoise_layer(layer, str(folder), tell=lambda share: tell(TRAINING_SHARE + (1 - TRAINING_SHARE) * share))


def report_on_layer(layer: Image, restored: Image | None = None) -> str:
    """Tell what noise a layer has, and, without a clean picture, whether its restoration is good.

    Args:
        layer: the noisy one. Of a stack, a sample is measured.
        restored: a layer that `denoise_layer` made of it; of a stack, the picture in the middle is judged.

    Raises:
        UsageError: `restored` was not made of `layer`.

    >>> import numpy as np
    >>> from napari.layers import Image
    >>> noisy = np.random.default_rng(0).normal(500, 9, (64, 64)).astype(np.float32)
    >>> "noise level" in report_on_layer(Image(noisy))
    True
    """
    from unnoise.noise.html import as_text

    noisy = pixels_of(layer)
    axes = noisy.axes if len(noisy.axes) > 2 and noisy.axes != "YXS" else None
    text = as_text(inspect(noisy.pixels, name=layer.name, axes=axes).table())
    if restored is None:
        return text
    facts = restored.metadata.get("unnoise", {})
    result = pixels_of(restored)
    if facts.get("noisy") != layer.name or result.pixels.shape != noisy.pixels.shape:
        raise UsageError(f"The layer {restored.name} was not made of {layer.name}; choose the two that belong together.")
    judged = _loaded(facts["model"], _version(facts["model"])).judge(
        noisy.middle(), result.middle(), axes="YXS" if layer.rgb else "YX", strength=facts["strength"]
    )
    return f"{judged.sentence()}\n\n{text}"


def _along(axes: str, neighbours: int) -> str | None:
    """The axis along which frames are neighbours: time, if there is any, else the last one before the rows."""
    numbering = [letter for letter in axes if letter not in "YXSC"]
    if not neighbours or not numbering:
        return None
    return "T" if "T" in numbering else numbering[-1]


def _version(model: str) -> Any:
    """Changes when a model's folder is trained anew."""
    file = Path(model) / "model.safetensors"
    return file.stat().st_mtime_ns if file.is_file() else None


@lru_cache(maxsize=2)
def _loaded(model: str, version: Any) -> Model:
    return shipped.load(model)
