"""What the kernels share: activations, and sums or products with another map."""

from __future__ import annotations

import triton
import triton.language as tl

BLOCK_VALUES = 1024
"""Values of one program, for kernels over a flat range."""
ACTIVATIONS = {"none": 0, "relu": 1, "leaky_relu": 2, "gelu": 3, "sigmoid": 4}
COMBINATIONS = {"none": 0, "plus": 1, "minus": 2, "times": 3}


@triton.jit
def apply_activation(v, slope, ACTIVATION: tl.constexpr):
    """The activation of float32 values."""
    if ACTIVATION == 1:
        v = tl.maximum(v, 0.0)
    elif ACTIVATION == 2:
        v = tl.where(v > 0, v, v * slope)
    elif ACTIVATION == 3:
        v = 0.5 * v * (1 + tl.erf(v * 0.7071067811865476))
    elif ACTIVATION == 4:
        v = 1 / (1 + tl.exp(-v))
    return v


@triton.jit
def combine(v, other, at, inside, OTHER: tl.constexpr):
    """v plus, minus or times the values of another map at the same positions."""
    if OTHER != 0:
        o = tl.load(other + at, mask=inside, other=0).to(tl.float32)
        if OTHER == 1:
            v = v + o
        elif OTHER == 2:
            v = v - o
        else:
            v = v * o
    return v
