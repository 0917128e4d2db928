"""A napari layer as unnoise takes it, and a result as a new layer beside the old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError

if TYPE_CHECKING:
    from napari.layers import Image

NAMES = {"c": "C", "ch": "C", "channel": "C", "channels": "C", "t": "T", "time": "T", "frame": "T", "z": "Z", "depth": "Z"}
"""Names of a layer's axes, in small letters → the letter that they have here."""
FREE = "TZABDEFGHIJKLMNOPQRUVW"
"""Letters for axes that have other names: they number pictures."""
KEPT = (
    "affine", "axis_labels", "blending", "colormap", "contrast_limits", "gamma", "interpolation2d", "opacity", "rgb", "rotate",
    "scale", "shear", "translate", "units",
)  # fmt: skip
"""What a result's layer takes over from the noisy one."""

LayerData = tuple[NDArray[Any], dict[str, Any], str]
"""What napari calls a layer data tuple: pixels, properties, the kind of layer."""


@dataclass(frozen=True, eq=False)
class LayerPixels:
    """The pixels of a layer.

    >>> LayerPixels(np.zeros((5, 8, 9), np.uint16), "TYX").middle().shape
    (8, 9)
    """

    pixels: NDArray[Any]
    axes: str
    """One letter for each axis of `pixels`, as `unnoise.Model.denoise` takes them."""

    def middle(self) -> NDArray[Any]:
        """The picture in the middle of a stack: (H, W), or (H, W, 3) for colors. Of channels, the first."""
        places = tuple(
            slice(None) if letter in "YXS" else 0 if letter == "C" else length // 2
            for letter, length in zip(self.axes, self.pixels.shape, strict=True)
        )
        return self.pixels[places]


def pixels_of(layer: Image) -> LayerPixels:
    """Read a layer into memory; of several resolutions, the finest.

    Args:
        layer: an image: gray, colors, or a stack with any number of axes before the rows. An axis that is named *c* or
            *channel* holds channels, each of which is restored by itself; others number pictures.

    Raises:
        UsageError: the layer has only one axis, or its pixels are no numbers.

    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(
    ...     name="a", data=np.zeros((2, 3, 8, 9)), rgb=False, multiscale=False, axis_labels=("time", "channel", "y", "x")
    ... )
    >>> pixels_of(layer).axes
    'TCYX'
    """
    pixels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    inner = "YXS" if layer.rgb else "YX"
    count = pixels.ndim - len(inner)
    if count < 0:
        raise UsageError(f"The layer {layer.name} has only {pixels.ndim} axis; choose an image.")
    if pixels.dtype.kind not in "uif":
        raise UsageError(f"The layer {layer.name} holds {pixels.dtype}, which is no brightness; choose an image.")
    return LayerPixels(pixels, letters_of(layer.axis_labels[:count]) + inner)


def letters_of(names: tuple[str, ...]) -> str:
    """One letter for each axis before the rows, each once.

    >>> letters_of(("time", "z")), letters_of(("axis -4", "axis -3")), letters_of(("c", "c"))
    ('TZ', 'TZ', 'CT')
    """
    wanted = [NAMES.get(str(name).lower()) for name in names]
    letters: list[str] = []
    for number, letter in enumerate(wanted):
        if letter is None or letter in letters:
            letter = next(free for free in FREE if free not in letters and free not in wanted[number + 1 :])
        letters.append(letter)
    return "".join(letters)


def result_of(layer: Image, pixels: NDArray[Any], facts: dict[str, Any]) -> LayerData:
    """The layer of a result: where the noisy one lies, with its colors and contrast, and its name with 'denoised'.

    Args:
        layer: the noisy one.
        pixels: of its shape.
        facts: how the result was made; they are in the new layer's metadata under 'unnoise'.
    """
    _, state, kind = layer.as_layer_data_tuple()  # type: ignore[no-untyped-call]
    kept = {name: state[name] for name in KEPT if name in state}
    metadata = {**state.get("metadata", {}), "unnoise": {"noisy": layer.name, **facts}}
    return pixels, {**kept, "name": f"{layer.name} denoised", "metadata": metadata}, kind
