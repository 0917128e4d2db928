"""A GPU that fails: after most of its errors, nothing more can be computed in the process."""

from __future__ import annotations

import sys

from unnoise.errors import UnnoiseError

WORDS = ("CUDA error", "HIP error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "MPS backend", "XPU error")
"""What PyTorch says of a device. Memory that ran out is another matter: `inference.memory.is_out_of_memory`."""


class DeviceError(UnnoiseError):
    """The device failed.

    >>> DeviceError.exit_status
    1
    """


def is_device_failure(error: BaseException) -> bool:
    """Whether an error is that of a device.

    >>> is_device_failure(RuntimeError("CUDA error: an illegal memory access was encountered"))
    True
    >>> is_device_failure(RuntimeError("The size of tensor a must match the size of tensor b"))
    False
    """
    kind = getattr(sys.modules.get("torch"), "AcceleratorError", None)
    return (kind is not None and isinstance(error, kind)) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in WORDS)
    )


def device_sentence(
    error: BaseException, what: str, remedy: str = "give the same command again, or --device cpu"
) -> DeviceError:
    """The error as one sentence.

    Args:
        error: of the device.
        what: was not done, as `a.png was not denoised`.
        remedy: what to do.

    >>> str(device_sentence(RuntimeError("CUDA error: unspecified launch failure\\nCUDA kernel errors might be"), "a.png was lost"))
    'a.png was lost, as the device failed (CUDA error: unspecified launch failure); give the same command again, or --device cpu.'
    """
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return DeviceError(f"{what}, as the device failed ({said}); {remedy}.")
