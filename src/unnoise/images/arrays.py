"""Conversion of arrays and tensors of many forms to the network's float32 (B, C, H, W) in 0..1, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from array_api_compat import is_torch_array

from unnoise.array_api import array_namespace
from unnoise.deprecated.keywords import renamed_keywords
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.arrays_on_disk import Axes
from unnoise.images.picture import Layout
from unnoise.images.pixels import DTYPES, check_array, check_range

if TYPE_CHECKING:
    import torch
    from torch import Tensor

WHITE = {"uint8": 255, "uint16": 65535}
Library = Literal["torch", "numpy"]
"""Which kind of arrays pixels become."""


class AnyScale(Protocol):
    """Says which pictures may have floats on any scale; `unnoise.photometry.normalization` has one."""

    def of_kind(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> object | None:
        """None: floats of this kind of picture must lie in 0..1."""
        ...


@dataclass(frozen=True, eq=False)
class Form:
    """The form of an image that `to_tensor` converted: type, shape, range, device and alpha. `restore` returns to it.

    >>> tensor, form = to_tensor(np.full((4, 5, 3), 51, np.uint8))
    >>> form.white, form.restore(tensor).dtype
    (255, dtype('uint8'))
    """

    dtype: np.dtype[Any] | torch.dtype
    device: torch.device | None
    """Of the tensor that was given; None: it was an array."""
    alpha: Any | None
    """(B, A, H, W), a copy in the type that was given."""
    planes: tuple[int, int, int, int]
    """The shape (B, C, H, W) of the tensor that was made, without alpha."""
    stacked: tuple[int, ...]
    """The shape (…, C, H, W) of what was given, with alpha, once its axes were put into this order."""
    order: tuple[int, ...]
    """Where each of these axes was; one fewer where there was none of channels."""
    layout: Layout
    """What the channels are."""

    @property
    def white(self) -> int:
        """The whole number that is 1; 0 for floats."""
        return WHITE.get(_name(self.dtype), 0)

    @property
    def channels(self) -> int:
        """The number of channels of one picture, without alpha. They may be several pictures of the tensor."""
        return self.stacked[-3] - self.layout.alpha

    def restore(self, tensor: Any) -> Any:
        """Turn (B, C, H, W) in 0..1, of any float type and device, into an array or tensor like the one that was given.

        Integers are rounded to the nearest and clipped; floats are given as they are, also beyond 0..1. Alpha is put
        back. The result is exactly what was given if `tensor` is what `to_tensor` made (float64: to the precision of
        float32).

        Raises UsageError for another shape, UnnoiseError for NaN or infinite values.
        """
        if tuple(tensor.shape) != self.planes:
            raise UsageError(f"Expected a tensor of shape {self.planes} to put back, got {tuple(tensor.shape)}; keep the size.")
        low, high = _ends(tensor)
        if not math.isfinite(low) or not math.isfinite(high):
            raise UnnoiseError(
                "The result holds NaN or infinite values; use --precision float32, or check the model's weights."
            )
        name = _name(self.dtype)
        xp: Any = array_namespace(tensor)
        values = tensor.detach() if is_torch_array(tensor) else tensor
        if name in WHITE:
            values = xp.astype(values, xp.float32, copy=False) * WHITE[name]
            rounded = values.round_().clamp_(0, WHITE[name]) if is_torch_array(values) else _rounded(values, WHITE[name])
            values = xp.astype(rounded, getattr(xp, name), copy=False)
        else:
            values = xp.astype(values, getattr(xp, name), copy=False)
        return self._arranged(values, self.alpha)

    def mask(self, where: Any) -> Any:
        """Arrange (B, C, H, W) of bool, such as pixels of what `to_tensor` made, as the image given; False in alpha."""
        xp: Any = array_namespace(where)
        alpha = None if self.alpha is None else array_namespace(self.alpha).zeros_like(self.alpha, dtype=xp.bool)
        return replace(self, dtype=np.dtype(bool) if isinstance(self.dtype, np.dtype) else xp.bool)._arranged(where, alpha)

    def _arranged(self, values: Any, alpha: Any | None) -> Any:
        """Values (B, C, H, W) with alpha in the order of axes that was given."""
        xp: Any = array_namespace(values)
        *outer, channels, height, width = self.stacked
        values = xp.reshape(values, (math.prod(outer), -1, height, width))  # (B, C, H, W), B and C as given
        if alpha is not None:
            values = xp.concat(
                [values, alpha.to(values.device) if is_torch_array(values) else alpha], axis=1
            )  # (B, C + A, H, W)
        values = xp.reshape(values, (*outer, channels, height, width))  # (…, C, H, W)
        if len(self.order) < len(self.stacked):
            values = xp.squeeze(values, axis=-3)  # (…, H, W)
        values = xp.permute_dims(values, tuple(self.order.index(axis) for axis in range(len(self.order))))
        if not isinstance(self.dtype, np.dtype):
            return values.to(self.device).contiguous()
        return np.ascontiguousarray(values.cpu().numpy() if is_torch_array(values) else values, dtype=self.dtype)


@renamed_keywords(levels="normalization")
def to_tensor(
    image: Any,
    *,
    name: str = "The image",
    layout: Layout | None = None,
    axes: str | None = None,
    group: int = 1,
    normalization: AnyScale | None = None,
    library: Library = "torch",
) -> tuple[Any, Form]:
    """Turn an image into a new float32 tensor (B, C, H, W) with black 0 and white 1, and a `Form` that turns it back.

    Args:
        image: an array (H, W) or (H, W, C), or a tensor (H, W), (C, H, W) or (B, C, H, W), with C in 1..4. With
            `layout` or `axes` it may have any shape. uint8 and uint16 over their whole range, or float16, float32 and float64 in 0..1: a
            little beyond (−0.5 to 1.5) is noise or overshoot, and is neither refused nor clipped.
        name: the subject of error messages, for instance the file.
        layout: the meaning of the channels; None: the usual one, where the last of 2 or 4 channels is alpha. The form
            keeps alpha, and the tensor has none. Colours stay together. Inks of CMYK and other channels become single
            pictures.
        axes: of an image of any dimension, one letter for each: Y and X are rows and columns, C mere channels, S
            samples of a colour as in `layout`; any other numbers pictures: 'ZYX', 'TCYX', 'ZYXS'. Each picture is a
            picture of the batch.
        group: number of consecutive channels that stay together, if they are no colours.
        normalization: the rule of the network. Where it uses the range of the picture, floats may be on any scale, as counts
            of photons are.
        library: what an array becomes: a tensor, or with *numpy* an array again, without torch. Tensors stay tensors.

    The tensor shares no memory with `image` and stays on its device.

    Raises:
        UsageError: another shape or type, an image without pixels, NaN or infinite values, floats on another scale,
            axes that do not fit, or channels that do not divide into groups.

    >>> tensor, form = to_tensor(np.full((4, 5, 3), 51, np.uint8))
    >>> tensor.shape, round(float(tensor[0, 0, 0, 0]), 3)
    (torch.Size([1, 3, 4, 5]), 0.2)
    """
    if isinstance(image, np.ndarray):
        if isinstance(image, np.ma.MaskedArray) and image.mask.any():
            raise UsageError(
                f"{name} has masked values, and each pixel needs one; fill them first, as with image.filled(value)."
            )
        if axes is None:
            check_array(image, name, any_channels=layout is not None)
        else:
            check_array(image.reshape(1, -1), name)
        whole: Any = _in_library(image, library)
        dtype: np.dtype[Any] | torch.dtype = image.dtype
        device = None
    elif is_torch_array(image):
        _check_tensor(image, name, any_shape=axes is not None, any_channels=layout is not None)
        whole = image.detach()
        dtype, device = image.dtype, image.device
    else:
        raise UsageError(f"{name} must be a numpy array or a torch tensor, not {type(image).__name__}; try np.asarray(image).")
    if axes is None:
        axes = ("YXS" if isinstance(image, np.ndarray) else "NSYX"[-whole.ndim :])[: whole.ndim] if whole.ndim > 2 else "YX"
    letters = Axes.of(tuple(whole.shape), axes, name).letters
    order = tuple(sorted(range(len(letters)), key=lambda i: "CSYX".find(letters[i])))  # others come first, as they are
    xp: Any = array_namespace(whole)
    stacked = xp.permute_dims(whole, order)
    if not {"C", "S"} & set(letters):
        stacked = xp.expand_dims(stacked, axis=-3)  # (…, C, H, W)
    pictures = xp.reshape(stacked, (-1, *stacked.shape[-3:]))  # (B, C, H, W)
    usual = Layout("channels") if "C" in letters else Layout.of((0, 0, pictures.shape[1]))
    layout = layout or usual
    alpha = xp.asarray(pictures[:, -layout.alpha :], copy=True) if layout.alpha else None
    colours = pictures if alpha is None else pictures[:, : -layout.alpha]
    if layout.colours in ("cmyk", "channels"):
        if group < 1 or colours.shape[1] % group:
            raise UsageError(
                f"{name} has {colours.shape[1]} channels, which do not divide into groups of {group}; choose another."
            )
        colours = xp.reshape(colours, (-1, group, *colours.shape[-2:]))  # (B · C / group, group, H, W)
    if xp.isdtype(colours.dtype, "real floating"):
        _check_values(
            colours, name, any_scale=normalization is not None and normalization.of_kind(layout.colours, dtype) is not None
        )
    tensor = _float32_copy(colours)
    if _name(dtype) in WHITE:
        tensor /= WHITE[_name(dtype)]
    batch, channels, height, width = tensor.shape
    return tensor, Form(dtype, device, alpha, (batch, channels, height, width), tuple(stacked.shape), order, layout)


def _in_library(image: np.ndarray[Any, Any], library: Library) -> Any:
    if library == "numpy":
        return image.astype(image.dtype.newbyteorder("="), copy=False)
    import torch

    # from_numpy takes neither foreign byte orders, negative strides nor read-only memory: a copy has none of these
    return torch.from_numpy(np.array(image, dtype=image.dtype.newbyteorder("="), order="C"))


def _float32_copy(x: Any) -> Any:
    if not is_torch_array(x):
        return np.array(x, dtype=np.float32, order="C")
    import torch

    return x.to(torch.float32, memory_format=torch.contiguous_format, copy=True)


def _rounded(values: Any, most: int) -> Any:
    np.rint(values, out=values)
    return np.clip(values, 0, most, out=values)


def _ends(x: Any) -> tuple[float, float]:
    """The lowest and the highest value; NaN if there is one."""
    if is_torch_array(x):
        low, high = x.detach().aminmax()
        return low.item(), high.item()
    return float(x.min()), float(x.max())


def _name(dtype: np.dtype[Any] | torch.dtype) -> str:
    """'uint8', 'float32' … for the types of both libraries, in any byte order."""
    return dtype.newbyteorder("=").name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")


def _check_tensor(image: Tensor, name: str, *, any_shape: bool, any_channels: bool) -> None:
    import torch

    shape = tuple(image.shape)
    if image.layout != torch.strided or image.is_meta:
        raise UsageError(
            f"{name} is a tensor without ordinary values ({image.layout}, {image.device}); make a dense one of it."
        )
    if _name(image.dtype) not in DTYPES:
        raise UsageError(f"{name} has values of type {image.dtype}; convert it to uint8, uint16, or float16, 32 or 64 in 0..1.")
    wrong = image.dim() not in (2, 3, 4) or (image.dim() > 2 and shape[-3] not in (1, 2, 3, 4) and not any_channels)
    if wrong and not any_shape:
        channels_last = image.dim() in (3, 4) and shape[-1] in (1, 2, 3, 4)
        remedy = (
            "move the channels first with image.movedim(-1, -3)"
            if channels_last
            else "split it into such images, or name the axes, as axes='ZYX' for a stack"
        )
        raise UsageError(
            f"{name} has the shape {shape}, but a tensor should be (H, W), (C, H, W) or (B, C, H, W) with C in 1..4; {remedy}."
        )
    if 0 in shape:
        raise UsageError(f"{name} has the shape {shape}, which holds no pixels; give at least one row and one column.")


def _check_values(colours: Any, name: str, *, any_scale: bool) -> None:
    """Refuse with a UsageError floats that are not finite or, but for `any_scale`, further from 0..1 than noise
    goes."""
    low, high = _ends(colours)
    bad = 0
    if not math.isfinite(low) or not math.isfinite(high):
        bad = int((~array_namespace(colours).isfinite(colours)).sum())
    if bad or not any_scale:
        own = "for measurements use the picture's own range (--normalization picture)"
        check_range(low, high, bad, name, or_else=own)
