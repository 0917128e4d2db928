"""Kernels of our own for NVIDIA GPUs, in Triton: what libraries do in several passes over memory, in one.

On such a GPU a layer of 48 features spends more time on its bias and its activation than on its convolution: each is a pass over
all maps. The convolutions themselves are cuDNN's. Tensors are (B, C, H, W) with channels last in memory throughout; sums are in
float32. Measured in `docs/results/speed.md`, on a GPU and against the ordinary layers.

The kernels bear no annotations but those of their constants: Triton's compiler would look up what the names mean on the GPU. Their
tests run them in Triton's interpreter and compile them, both without a GPU.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from torch import Tensor


def can_run(x: Tensor) -> bool:
    """Whether the kernels work on x: it is on an NVIDIA GPU, and Triton is installed, as it is with torch's builds for these."""
    return x.is_cuda and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
