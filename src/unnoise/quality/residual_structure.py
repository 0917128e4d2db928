"""Whether what was taken from a picture looks like the picture.

In plain places the detail of a restored picture is what is left of its noise, and that is in step with what was taken. So the
correlation is damped where the picture has less detail than was taken: a quarter of the residual's power is added to the picture's.
"""

from __future__ import annotations

from torch import Tensor

from unnoise.layers.gaussian_blur import gaussian_blur

FINE = 2.0
"""Detail is what a Gaussian of this standard deviation, in pixels, leaves."""
DAMPING = 0.25
"""Share of the residual's power that is added to the picture's."""
WINDOW = 8.0
"""Standard deviation in pixels of the Gaussian over which the map averages."""


def correlation(residual: Tensor, restored: Tensor) -> float:
    """Correlation of the residual's fine detail with the restored picture's, −1..1, damped; (B, C, H, W) each.

    Noise has none. A restoration that weakens edges or textures leaves a weaker copy of them in the residual: then it is above 0.
    0 where nothing was taken.
    """
    a, b = _detail(residual), _detail(restored)
    return _correlation((a * b).mean(), a.square().mean(), b.square().mean()).item()


def correlation_map(residual: Tensor, restored: Tensor) -> Tensor:
    """The same around each pixel, the channels together: (B, C, H, W) each → (B, H, W)."""
    a, b = _detail(residual), _detail(restored)
    together, taken, detail = (
        gaussian_blur(product.mean(1), WINDOW) for product in (a * b, a.square(), b.square())
    )  # (B, H, W)
    return _correlation(together, taken, detail)


def _correlation(together: Tensor, taken: Tensor, detail: Tensor) -> Tensor:
    return together / (taken * (detail + DAMPING * taken)).sqrt().clamp(min=1e-12)


def _detail(x: Tensor) -> Tensor:
    return x - gaussian_blur(x, FINE)
