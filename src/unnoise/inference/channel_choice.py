"""Whether the three channels of a picture are restored together, as colors, or each by itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from unnoise.errors import UnnoiseWarning, UsageError
from unnoise.images.picture import Layout
from unnoise.inference.sources import RegionReader
from unnoise.noise.channel_independence import are_independent
from unnoise.regions import RegionSource

CHOICES = "auto", "separate", "together"
"""*auto* separates channels that have neither noise nor structure in common."""


def check_channels(choice: str | None) -> None:
    """Raise `UsageError` unless the choice is None or one of `CHOICES`.

    >>> check_channels("auto")
    """
    if choice is not None and choice not in CHOICES:
        raise UsageError(f"The channels can be {', '.join(CHOICES[:-1])} or {CHOICES[-1]}, not '{choice}'.")


def choose_layout(view: RegionSource, layout: Layout, choice: str | None, name: str = "The image") -> Layout:
    """The meaning of the channels, by the caller's choice or by the picture.

    Args:
        view: the picture, (1, C, H, W) in any values, without alpha.
        layout: the meaning that file or array has for them.
        choice: one of `CHOICES`; None: *auto*.
        name: the subject of the warning, which says that *auto* separates channels.

    Returns:
        `layout`, or one whose channels are no colors.

    >>> choose_layout(RegionSource.of(np.zeros((1, 3, 64, 64))), Layout("rgb"), "separate").colours
    'channels'
    """
    if layout.colours != "rgb" or choice == "together":
        return layout
    if choice != "separate":
        if not are_independent(view):
            return layout
        warnings.warn(
            f"{name} has channels that are no colors of one scene, so each was restored by itself; add --channels together "
            "to restore them as a photograph.",
            UnnoiseWarning,
            stacklevel=3,
        )
    return Layout("channels", layout.alpha)


def view_of_file(pixels: RegionReader, layout: Layout) -> RegionSource:
    """Stored pixels (H, W, C) as a view (1, C, H, W), without alpha.

    >>> from unnoise.images import Frame, Metadata, Scratch
    >>> frame = Frame(Scratch((4, 6, 4), np.dtype(np.uint8)), Layout("rgb", 1), Metadata(), "a.png")
    >>> view_of_file(frame, frame.layout).read(slice(0, 2), slice(0, 6)).shape
    (1, 3, 2, 6)
    """
    count = pixels.shape[2] - layout.alpha if len(pixels.shape) == 3 else 1

    def read(rows: slice, columns: slice) -> Any:
        part = pixels.region(rows, columns)
        return np.moveaxis(part.reshape(*part.shape[:2], -1)[..., :count], -1, 0)[None]

    return RegionSource((pixels.shape[0], pixels.shape[1]), read)


def choose_axes(image: Any, axes: str | None, choice: str | None) -> tuple[str | None, Layout | None]:
    """The same for an array or tensor, as `images.to_tensor` takes it.

    Args:
        image: one picture or several; their channels are separated only if those of all pictures are to be.
        axes, choice: of the caller.

    Returns:
        `axes` and `layout` for `images.to_tensor`. Both stay as they are unless channels are to be separated.

    >>> choose_axes(np.zeros((8, 8, 3)), None, "separate")
    ('YXC', None)
    """
    is_tensor = is_torch_array(image)
    if not is_tensor and not isinstance(image, np.ndarray):
        return axes, None
    usual = "NSYX"[-image.ndim :] if is_tensor else "YXS"
    letters = axes.upper() if axes else usual
    fits = len(letters) == image.ndim and {"Y", "X", "S"} <= set(letters) and len(set(letters)) == len(letters)
    if not fits or 0 in image.shape or image.shape[letters.index("S")] not in (3, 4):
        return axes, None
    order = sorted(range(len(letters)), key=lambda axis: "SYX".find(letters[axis]))
    ordered: Any = image.permute(order) if is_tensor else image.transpose(order)
    pictures = ordered.reshape(-1, *ordered.shape[-3:])  # (B, S, H, W)
    layout = Layout.of((0, 0, pictures.shape[1]))
    for number in range(len(pictures)):
        told = choose_layout(RegionSource.of(pictures[number : number + 1, :3]), layout, choice)
        if told is layout:
            return axes, None
    return (axes, told) if told.alpha else (letters.replace("S", "C"), None)
