"""New colours for a crop and its targets alike: the noise stays real, the colours are new."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unnoise.simulation.settings import SimulationSettings

Array = NDArray[Any]
Share = Annotated[float, Field(ge=0, le=1)]

SMALLEST_CONTRAST = 0.2
"""A tint leaves each channel at least this share of its range."""
LARGEST_SATURATION = 1.8
"""Colours move away from grey by this factor at most."""


class ColorChange(SimulationSettings):
    """How often each change is made; they follow one another in the order of the fields.

    Every change is affine in the pixel values. The mean of the noise therefore stays zero, and a target stays right for its noisy crop.

    >>> never = dict(exchange=0, mix=0, saturate=0, tint=0)
    >>> matrix, offset = ColorChange(**never, negative=1).draw(np.random.default_rng(0))
    >>> matrix @ np.array([1.0, 0.5, 0.0]) + offset
    array([0. , 0.5, 1. ])
    """

    noun: ClassVar[str] = "color change"

    exchange: Share = 0.75
    """Share of the crops whose channels are put in a random order."""
    mix: Share = 0.15
    """Share of the crops whose channels become averages of each other, with random weights. The noise of the channels then correlates."""
    saturate: Share = 0.15
    """Share of the crops whose colours move away from grey, up to 1.8 times as far."""
    tint: Share = 0.25
    """Share of the crops whose channels are each squeezed into a random part of their range: strong colours, fog, fading."""
    negative: Share = 0.15
    """Share of the crops that are inverted."""

    def draw(self, generator: np.random.Generator) -> tuple[Array, Array]:
        """One change: a matrix (3, 3) and an offset (3,), so that a pixel x in 0..1 becomes matrix @ x + offset."""
        matrix, offset = np.eye(3), np.zeros(3)
        if generator.random() < self.exchange:
            matrix = matrix[generator.permutation(3)]
        if generator.random() < self.mix:
            strength = generator.uniform(0, 0.8)
            matrix = ((1 - strength) * np.eye(3) + strength * generator.dirichlet(np.ones(3), 3)) @ matrix  # rows sum to 1
        if generator.random() < self.saturate:
            grey = np.full((3, 3), 1 / 3)
            matrix = (grey + generator.uniform(1, LARGEST_SATURATION) * (np.eye(3) - grey)) @ matrix
        if generator.random() < self.tint:
            contrast = generator.uniform(SMALLEST_CONTRAST, 1, 3)
            matrix = contrast[:, None] * matrix
            offset = (1 - contrast) * generator.beta(0.5, 0.5, 3)
        if generator.random() < self.negative:
            matrix, offset = -matrix, 1 - offset
        return matrix, offset

    def apply(self, stack: Array, generator: np.random.Generator) -> Array:
        """Change all pictures of a stack in the same way.

        Args:
            stack: (H, W, n·3) float32 in 0..1: n pictures of the same place, the noisy one first.
            generator: of the change.

        Returns:
            The same shape and type, cut at 0 and 1, or at the lowest and highest value of the stack where that lies beyond.

        >>> import numpy as np
        >>> changed = ColorChange(negative=1).apply(np.zeros((4, 4, 6), np.float32), np.random.default_rng(0))
        >>> changed.shape, bool(np.array_equal(changed[..., :3], changed[..., 3:]))
        ((4, 4, 6), True)
        """
        matrix, offset = (values.astype(np.float32) for values in self.draw(generator))
        pictures = stack.reshape(*stack.shape[:2], -1, 3)  # (H, W, n, 3)
        low, high = min(0.0, float(stack.min())), max(1.0, float(stack.max()))  # measurements go beyond
        changed: Array = np.clip(pictures @ matrix.T + offset, low, high).reshape(stack.shape)
        return changed
