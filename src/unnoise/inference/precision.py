"""Choosing where and in which precision a network runs."""

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
    """The device of that name, or the best one present: CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: for a device that is unknown or absent.
    """
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # some devices hold no values
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0].partition(". ")[0].rstrip(".")  # torch's own sentences may go on for a page
        raise UsageError(f"The device '{name}' cannot be used here: {why}; choose another, or leave it out.") from error
    return device


def choose_precision(name: str | None, device: torch.device, network: Denoiser | None = None) -> torch.dtype:
    """The precision of that name, or the fastest one that the hardware runs without harm to the picture.

    *auto* is bfloat16 where the hardware multiplies it natively (CUDA from Ampere on, CPUs with AVX-512 BF16 or AMX), else int8 for a
    network that gains by it, on a CPU that multiplies bytes (VNNI), else float32.

    Args:
        name: or None for *auto*.
        device: that the network is on.
        network: that is to be applied; None: it is to be trained.

    Raises:
        UsageError: for an unknown name, and for int8 where the device cannot do it and in training.
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
    """While this lasts, networks on the device run in a precision that `choose_precision` gave."""
    if precision == torch.int8:
        with int8_inference():
            yield
    else:
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            yield


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are native to the device, not emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def has_fast_int8(device: torch.device) -> bool:
    """Whether it is a CPU that multiplies bytes and adds the products in 32 bits, and this torch can do it.

    Without such instructions sums of products saturate or take longer than in float32.
    """
    return (
        device.type == "cpu"
        and bool(torch.cpu._is_vnni_supported())
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.onednn, "qconv2d_pointwise")
        and hasattr(torch, "quantize_per_tensor")  # which a coming version is to lose
    )
