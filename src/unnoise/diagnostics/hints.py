"""What would make denoising faster on this machine, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unnoise.diagnostics.installation import Installation
from unnoise.registry import torch_missing

if TYPE_CHECKING:
    from unnoise.diagnostics.speed import DeviceFacts, Speed

LITTLE_MEMORY_GB = 4.0
"""With less free memory, tiles are small, and their borders are computed twice."""
WITHOUT_TORCH = (
    f"{str(torch_missing()).rstrip('.')}; or run: pip install openvino, which denoises about twice as fast as onnxruntime on "
    "processors with bfloat16, and trains nothing."
)
"""The hint where onnxruntime denoises."""
BUSY_SHARE = 0.7
"""On a CPU, a process that gets less than this of one core shares it with other programs."""


def find_hints(
    installation: Installation, devices: Sequence[DeviceFacts] = (), speeds: Sequence[Speed] = (), free_gb: float | None = None
) -> list[str]:
    """Sentences that say what is missing or slow, and what to do. Empty: nothing is.

    Args:
        installation: what is installed.
        devices: what torch can use; empty without torch.
        speeds: how fast models are, by torch or by onnxruntime.
        free_gb: free memory of the machine, in 10⁹ bytes; None: not known.

    >>> from unnoise.diagnostics.installation import find_installation
    >>> here = find_installation()
    >>> find_hints(here.model_copy(update={"libraries": {"torch": None}}))
    ['PyTorch is not installed; run: pip install torch ...']
    """
    if not installation.has_torch:
        hints = [str(torch_missing()) if installation.has_openvino else WITHOUT_TORCH]
    else:
        hints = [*_device_hints(installation, devices), *_core_hints(installation, speeds)]
    busy = [speed.processor_share for speed in speeds if speed.device == "cpu" and speed.processor_share < BUSY_SHARE]
    if busy:
        hints.append(
            f"Other programs were running: this one got {min(busy):.0%} of a core. "
            "The times are longer than on an idle machine; end what you do not need."
        )
    if free_gb is not None and free_gb < LITTLE_MEMORY_GB:
        hints.append(f"Only {free_gb:.1f} GB of memory are free, so tiles are small; close other programs.")
    return hints


def _device_hints(installation: Installation, devices: Sequence[DeviceFacts]) -> list[str]:
    if any(device.name != "cpu" for device in devices):
        return [
            f"{device.label} ({device.name}) has no bfloat16 and computes in float32; a GPU from NVIDIA's Ampere on is faster."
            for device in devices
            if device.name.startswith("cuda") and not device.bfloat16
        ]
    hints = []
    if installation.has_nvidia_gpu:
        hints.append(
            "There is an NVIDIA GPU, but this PyTorch cannot use it; in your copy of unnoise's source run: pip install '.[torch]'."
        )
    cpu = next((device for device in devices if device.name == "cpu"), None)
    if cpu and not cpu.bfloat16:
        hints.append(
            "This processor has int8 but no bfloat16; 'unnoise quantize' makes an int8 model of a student."
            if cpu.int8
            else "This processor has neither bfloat16 nor int8 and computes in float32; --model fast is several times as fast as default."
        )
    return hints


def _core_hints(installation: Installation, speeds: Sequence[Speed]) -> list[str]:
    hints = []
    if installation.cores < installation.machine_cores:
        hints.append(
            f"This process may use {installation.cores} of {installation.machine_cores} cores; "
            "taskset, a container or a scheduler limits it."
        )
    threads = max((speed.threads for speed in speeds if speed.device == "cpu"), default=None)
    # torch takes one thread for each physical core, so half of the logical ones is usual
    if threads is not None and 2 * threads < installation.cores:
        hints.append(
            f"PyTorch uses {threads} of {installation.cores} cores; unset OMP_NUM_THREADS, or set it to a higher number."
        )
    return hints
