"""The plugin's three widgets. napari makes each of a function's arguments: their annotations say how (magicgui).

They are no strings, as `from __future__ import annotations` would make them: magicgui reads those without this module's names.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

from unnoise.models import shipped
from unnoise.napari_plugin.actions import denoise_layer, report_on_layer, train_on_layer
from unnoise.napari_plugin.background import start, stepwise
from unnoise.napari_plugin.layer_pixels import LayerData

if TYPE_CHECKING:
    import napari

TRAINED: list[str] = []
"""Folders of the models that this session trained."""


def model_choices(widget: Any = None) -> list[str]:
    """The models that can be chosen: those that ship, and those of this session.

    >>> {'default', 'fast'} <= set(model_choices())
    True
    """
    return [*shipped.names(), *TRAINED]


def denoise(
    viewer: "napari.viewer.Viewer",
    layer: "napari.layers.Image",
    model: Annotated[str, {"choices": model_choices}] = "default",
    other_model: Annotated[Optional[Path], {"filter": "*.safetensors *.onnx", "nullable": True}] = None,  # noqa: UP045 (magicgui)
    strength: Annotated[float, {"widget_type": "FloatSlider", "min": 0, "max": 1, "step": 0.05}] = 1.0,
    neighbours: Annotated[int, {"min": 0, "max": 5, "tooltip": "Frames on each side of a stack that help"}] = 0,
) -> Any:
    """Add a layer with the noise removed.

    Args:
        viewer: where the new layer goes.
        layer: the noisy one.
        model: a name of `model_choices`.
        other_model: a file in place of `model`.
        strength, neighbours: as `denoise_layer` takes them.

    Returns:
        napari's worker while it runs; None where there is no window: then it is done.

    Raises:
        UsageError: as `denoise_layer`.

    >>> import numpy as np
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> denoise(viewer, viewer.add_image(np.full((16, 16), 7, np.uint8), name="cells"), "fast")
    >>> [layer.name for layer in viewer.layers]
    ['cells', 'cells denoised']
    """
    work = partial(_denoise, layer, str(other_model or model), strength, neighbours)
    return start(lambda: stepwise(work), f"Denoising {layer.name}", partial(_add, viewer))


def train(
    viewer: "napari.viewer.Viewer",
    layer: "napari.layers.Image",
    folder: Annotated[Path, {"mode": "d", "tooltip": "A new folder for the model"}] = Path("unnoise-model"),
    minutes: Annotated[float, {"min": 0.1, "max": 1440, "step": 1}] = 10.0,
) -> Any:
    """Train a model on a layer, and add the layer that it makes. `Denoise` then offers the model too.

    Args:
        viewer: where the new layer goes.
        layer, folder, minutes: as `train_on_layer` takes them.

    Returns:
        As `denoise`.

    Raises:
        UsageError, UnnoiseError: as `train_on_layer`.

    >>> from types import SimpleNamespace
    >>> train(None, SimpleNamespace(name="line", data=[1], rgb=False, multiscale=False, axis_labels=("x",)))
    Traceback (most recent call last):
    unnoise.errors.UsageError: The layer line has only 1 axis; choose an image.
    """

    def done(made: LayerData) -> None:
        TRAINED.append(made[1]["metadata"]["unnoise"]["model"])
        _add(viewer, made)

    work = partial(_train, layer, folder, minutes)
    return start(lambda: stepwise(work), f"Training on {layer.name}", done)


def report(
    viewer: "napari.viewer.Viewer",
    layer: "napari.layers.Image",
    restored: Optional["napari.layers.Image"] = None,
) -> Any:
    """Show what noise a layer has, and whether its restoration can be trusted.

    Args:
        viewer: which shows the text, as a new panel or, without a window, as its help.
        layer, restored: as `report_on_layer` takes them.

    Returns:
        As `denoise`.

    Raises:
        UsageError: as `report_on_layer`.

    >>> import numpy as np
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> report(viewer, viewer.add_image(np.random.default_rng(0).normal(500, 9, (64, 64)), name="cells"))
    >>> "noise level" in viewer.help
    True
    """
    work = partial(_report, layer, restored)
    return start(lambda: stepwise(work), f"Measuring {layer.name}", partial(_show, viewer, f"Report on {layer.name}"))


def _denoise(layer: Any, model: str, strength: float, neighbours: int, tell: Any) -> LayerData:
    return denoise_layer(layer, model, strength=strength, neighbours=neighbours, tell=tell)


def _train(layer: Any, folder: Path, minutes: float, tell: Any) -> LayerData:
    return train_on_layer(layer, folder, minutes=minutes, tell=tell)


def _report(layer: Any, restored: Any, tell: Any) -> str:
    return report_on_layer(layer, restored)


def _add(viewer: Any, made: LayerData) -> None:
    pixels, properties, _ = made
    viewer.add_image(pixels, **properties)


def _show(viewer: Any, title: str, text: str) -> None:
    window = getattr(viewer, "window", None)
    if window is None:
        viewer.help = text
        return
    from qtpy.QtGui import QFontDatabase
    from qtpy.QtWidgets import QPlainTextEdit

    panel = QPlainTextEdit(text)
    panel.setReadOnly(True)
    panel.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    panel.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    window.add_dock_widget(panel, name=title, area="bottom")
