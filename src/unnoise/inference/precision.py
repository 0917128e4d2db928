"""Choosing where and in which precision a network runs."""

from __future__ import annotations

import torch

from unnoise.errors import UsageError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str | None = None) -> torch.device:
    """The device of that name, or the best one present: CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: for a device that is unknown or absent.
    """
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"The device '{name}' cannot be used here: {str(error).splitlines()[0].rstrip('.')}.") from error
    return device


def choose_precision(name: str | None, device: torch.device) -> torch.dtype:
    """The precision of that name, or the fastest one that the hardware runs without harm to the picture.

    *auto* is bfloat16 where the hardware multiplies it natively (CUDA from Ampere on, CPUs with AVX-512 BF16 or AMX), else float32.

    Raises:
        UsageError: for an unknown name.
    """
    if name is None or name == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if name not in PRECISIONS:
        raise UsageError(f"There is no precision '{name}'; choose one of auto, {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are native to the device, not emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
