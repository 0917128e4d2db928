"""Between what users hold (arrays and tensors of many forms) and what networks take: float32, (B, C, H, W), in 0..1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.pixels import DTYPES, check_array, check_range

if TYPE_CHECKING:
    import torch
    from torch import Tensor

WHITE = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True, eq=False)
class Form:
    """What `to_tensor` was given, so that `restore` can give back the same: type, shape, value range, device, alpha."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | torch.dtype
    device: torch.device | None
    """Of the tensor that was given; None: it was an array."""
    alpha: Tensor | None
    """(B, 1, H, W), a copy in the type that was given."""
    planes: tuple[int, int, int, int]
    """The shape (B, C, H, W) of the tensor that was made, without alpha."""

    def restore(self, tensor: Tensor) -> Any:
        """Turn (B, C, H, W) in 0..1, of any float type and device, into an array or tensor like the one that was given.

        Integers are rounded to the nearest and clipped; floats are given as they are, also beyond 0..1. Alpha is put back.
        The result is exactly what was given if `tensor` is what `to_tensor` made (float64: to the precision of float32).

        Raises UsageError for another shape, UnnoiseError for NaN or infinite values.
        """
        import torch

        if tuple(tensor.shape) != self.planes:
            raise UsageError(f"Expected a tensor of shape {self.planes} to put back, got {tuple(tensor.shape)}; keep the size.")
        low, high = (value.item() for value in tensor.detach().aminmax())
        if not math.isfinite(low) or not math.isfinite(high):
            raise UnnoiseError(
                "The result holds NaN or infinite values; use full precision (fp32), or check the model's weights."
            )
        name = _name(self.dtype)
        if name in WHITE:
            values = tensor.detach().to(torch.float32) * WHITE[name]
            values = values.round_().clamp_(0, WHITE[name]).to(getattr(torch, name))
        else:
            values = tensor.detach().to(getattr(torch, name))
        if self.alpha is not None:
            values = torch.cat([values, self.alpha.to(values.device)], dim=1)  # (B, C + 1, H, W)
        if not isinstance(self.dtype, np.dtype):
            return values.to(self.device).reshape(self.shape)
        array = values[0].permute(1, 2, 0).cpu().numpy().reshape(self.shape)  # (H, W, C) or (H, W)
        return np.ascontiguousarray(array, dtype=self.dtype)


def to_tensor(image: Any, *, name: str = "The image") -> tuple[Tensor, Form]:
    """Turn an image into a new float32 tensor (B, C, H, W) with black 0 and white 1, and a `Form` that turns it back.

    Args:
        image: an array (H, W) or (H, W, C), or a tensor (H, W), (C, H, W) or (B, C, H, W), with C in 1..4. 2 means grey and
            alpha, 4 RGB and alpha: the alpha is left out of the tensor and kept in the form. uint8 and uint16 over their whole
            range, or float16, float32 and float64 in 0..1: a little beyond (−0.5 to 1.5) is noise or overshoot, and is neither
            refused nor clipped.
        name: the subject of error messages, for instance the file.

    The tensor shares no memory with `image` and stays on its device.

    Raises UsageError for another shape or type, an image without pixels, NaN or infinite values, and floats on another scale.
    """
    import torch

    if isinstance(image, np.ndarray):
        check_array(image, name)
        # from_numpy takes neither foreign byte orders, negative strides nor read-only memory: a copy has none of these
        native = torch.from_numpy(np.array(image, dtype=image.dtype.newbyteorder("="), order="C"))
        whole = native.reshape(*image.shape[:2], -1).permute(2, 0, 1).unsqueeze(0)  # (1, C, H, W)
        dtype: np.dtype[Any] | torch.dtype = image.dtype
        device = None
    elif isinstance(image, torch.Tensor):
        _check_tensor(image, name)
        whole = image.detach()
        whole = whole.reshape((1,) * (4 - whole.dim()) + tuple(whole.shape))  # (B, C, H, W)
        dtype, device = image.dtype, image.device
    else:
        raise UsageError(f"{name} must be a numpy array or a torch tensor, not {type(image).__name__}; try np.asarray(image).")
    alpha = whole[:, -1:].clone() if whole.shape[1] in (2, 4) else None
    colours = whole if alpha is None else whole[:, :-1]
    if colours.dtype.is_floating_point:
        _check_values(colours, name)
    tensor = colours.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    if _name(dtype) in WHITE:
        tensor /= WHITE[_name(dtype)]
    batch, channels, height, width = tensor.shape
    return tensor, Form(tuple(image.shape), dtype, device, alpha, (batch, channels, height, width))


def _name(dtype: np.dtype[Any] | torch.dtype) -> str:
    """'uint8', 'float32' … for the types of both libraries, in any byte order."""
    return dtype.newbyteorder("=").name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")


def _check_tensor(image: Tensor, name: str) -> None:
    shape = tuple(image.shape)
    if _name(image.dtype) not in DTYPES:
        raise UsageError(f"{name} has values of type {image.dtype}; convert it to uint8, uint16, or floats in 0..1.")
    if image.dim() not in (2, 3, 4) or (image.dim() > 2 and shape[-3] not in (1, 2, 3, 4)):
        channels_last = image.dim() in (3, 4) and shape[-1] in (1, 2, 3, 4)
        remedy = "move the channels first with image.movedim(-1, -3)" if channels_last else "split it into such images"
        raise UsageError(
            f"{name} has the shape {shape}, but a tensor should be (H, W), (C, H, W) or (B, C, H, W) with C in 1..4; {remedy}."
        )
    if 0 in shape:
        raise UsageError(f"{name} has the shape {shape}, which holds no pixels; give at least one row and one column.")


def _check_values(colours: Tensor, name: str) -> None:
    low, high = (value.item() for value in colours.aminmax())  # NaN if there is one
    bad = 0
    if not math.isfinite(low) or not math.isfinite(high):
        bad = int((~colours.isfinite()).sum())
    check_range(low, high, bad, name)
