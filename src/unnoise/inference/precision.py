"""The device and the precision in which a network runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from unnoise.errors import UsageError
from unnoise.layers.quantized.int8 import int8_inference

if TYPE_CHECKING:
    from unnoise.denoisers.base import Denoiser

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.int8}


def choose_device(name: str | None = None) -> torch.device:
    """The device of that name, or the best one that is present: CUDA, then Apple's MPS, then the CPU.

    Args:
        name: as in PyTorch, for instance 'cuda:1'; None or 'auto': the best one.

    Raises:
        UsageError: the device is unknown or absent.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # some devices hold no values
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0].partition(". ")[0].rstrip(".")  # PyTorch's messages can be a page long
        raise UsageError(f"The device '{name}' cannot be used here: {why}; choose another, or leave it out.") from error
    return device


def choose_precision(name: str | None, device: torch.device, network: Denoiser | None = None) -> torch.dtype:
    """The precision of that name, or the fastest one that the hardware supports without harm to the picture.

    *auto* is the first of these that fits:

    - bfloat16, if the hardware multiplies it natively: CUDA from Ampere on, CPUs with AVX-512 BF16 or AMX;
    - int8, if the network gains by it and the CPU multiplies bytes (VNNI);
    - float32.

    Args:
        name: 'float32', 'bfloat16', 'float16', 'int8' or 'auto'; None: 'auto'.
        device: the device of the network.
        network: the network that is applied; None: the precision is for training.

    Raises:
        UsageError: the name is unknown, or int8 was asked for in training or on a device without it.

    >>> choose_precision("float16", torch.device("cpu"))
    torch.float16
    """
    if name is None or name == "auto":
        if has_fast_bfloat16(device):
            return torch.bfloat16
        gains = network is not None and network.prefers_int8
        return torch.int8 if gains and has_fast_int8(device) else torch.float32
    if name not in PRECISIONS:
        raise UsageError(f"There is no precision '{name}'; choose one of auto, {', '.join(PRECISIONS)}.")
    if name == "int8" and network is None:
        raise UsageError("Training cannot run in int8; choose another precision, or auto.")
    if name == "int8" and not has_fast_int8(device):
        raise UsageError(
            "int8 wants a CPU that multiplies bytes (VNNI or AMX), which is not here; choose another precision, or auto."
        )
    return PRECISIONS[name]


@contextmanager
def running_in(precision: torch.dtype, device: torch.device) -> Iterator[None]:
    """Within this context, networks on the device run in a precision that `choose_precision` returned.

    >>> with running_in(torch.float32, torch.device("cpu")):
    ...     pass
    """
    if precision == torch.int8:
        with int8_inference():
            yield
    else:
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            yield


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are native to the device, not emulated.

    >>> isinstance(has_fast_bfloat16(torch.device("cpu")), bool)
    True
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def has_fast_int8(device: torch.device) -> bool:
    """Whether the device is a CPU that multiplies bytes and adds the products in 32 bits, and PyTorch supports it.

    Without such instructions, sums of products saturate or take longer than in float32.

    >>> isinstance(has_fast_int8(torch.device("cpu")), bool)
    True
    """
    return (
        device.type == "cpu"
        and bool(torch.cpu._is_vnni_supported())
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.onednn, "qconv2d_pointwise")
        and hasattr(torch, "quantize_per_tensor")  # a coming version of PyTorch removes it
    )
