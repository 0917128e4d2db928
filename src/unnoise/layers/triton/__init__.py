"""Kernels of our own for NVIDIA GPUs, in Triton: they do in one pass over memory what libraries do in several.

On such a GPU the bias and activation of a layer with 48 features take longer than its convolution, since each is a pass
over all maps. cuDNN still does the convolutions. All tensors are (B, C, H, W), channels last. Sums are in float32.
Measured in `docs/results/speed.md`.

The kernels annotate only their constants. Triton's compiler would try to resolve other annotations on the GPU. The
tests run the kernels in Triton's interpreter and compile them, both without a GPU.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from torch import Tensor


def can_run(x: Tensor) -> bool:
    """Whether the kernels support x: it is on an NVIDIA GPU, and Triton is installed."""
    return x.is_cuda and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
