"""Structure in the residual: the correlation of the removed detail with the detail of the restored picture.

In plain regions, the detail of a restored picture is remaining noise, which correlates with the removed noise. So the
correlation is damped there: a quarter of the residual's power is added to the picture's power.
"""

from __future__ import annotations

from torch import Tensor

from unnoise.layers.gaussian_blur import gaussian_blur

DETAIL_SIGMA_PIXELS = 2.0
"""Standard deviation in pixels of the Gaussian that is subtracted to get the detail."""
DAMPING_SHARE = 0.25
"""Share of the residual's power that is added to the picture's power."""
WINDOW_SIGMA_PIXELS = 8.0
"""Standard deviation in pixels of the Gaussian over which the map averages."""


def correlation(residual: Tensor, restored: Tensor) -> float:
    """The damped correlation of the residual's detail with that of the restored picture.

    Noise has a correlation of about 0. A restoration that weakens edges or textures leaves a copy of them in the
    residual, so the correlation is above 0. If nothing was removed, it is 0.

    Args:
        residual, restored: (B, C, H, W).

    Returns:
        −1..1.

    >>> import torch
    >>> picture = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> round(correlation(0.1 * picture, picture), 2)
    1.0
    """
    a, b = _detail(residual), _detail(restored)
    return _correlation((a * b).mean(), a.square().mean(), b.square().mean()).item()


def correlation_map(residual: Tensor, restored: Tensor) -> Tensor:
    """The same around each pixel, all channels together: (B, C, H, W) each → (B, H, W) in −1..1.

    >>> import torch
    >>> correlation_map(torch.zeros(1, 3, 8, 8), torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 8, 8])
    """
    a, b = _detail(residual), _detail(restored)
    together, taken, detail = (
        gaussian_blur(product.mean(1), WINDOW_SIGMA_PIXELS) for product in (a * b, a.square(), b.square())
    )  # (B, H, W)
    return _correlation(together, taken, detail)


def _correlation(together: Tensor, taken: Tensor, detail: Tensor) -> Tensor:
    return together / (taken * (detail + DAMPING_SHARE * taken)).sqrt().clamp(min=1e-12)


def _detail(x: Tensor) -> Tensor:
    return x - gaussian_blur(x, DETAIL_SIGMA_PIXELS)
