"""The halo of tiles: how many pixels around a tile are read so that the tile comes out as in the whole picture.

The halo follows from the network's receptive field, from the scheme, and from whether R³ refines the estimate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unnoise.denoisers.base import Denoiser
    from unnoise.schemes.base import Scheme

UNBOUNDED_HALO_PIXELS = 64
"""The radius that is assumed for a network whose receptive field covers the whole picture."""
MAX_RADIUS_PIXELS = 512
"""A network with a larger radius is treated as unbounded. Its tiles would consist mostly of halo and need too much
memory."""


def bounded_radius(network: Denoiser) -> int | None:
    """The radius of the network's receptive field in pixels; None: it is unbounded, or above `MAX_RADIUS_PIXELS`.

    >>> from unnoise import denoisers
    >>> bounded_radius(denoisers.create("dncnn", features=4, layers=3))
    3
    """
    radius = network.receptive_field_radius
    return None if radius is None or radius > MAX_RADIUS_PIXELS else radius


def effective_radius(network: Denoiser) -> int:
    """The radius in pixels that tiles are planned with: `bounded_radius`, or `UNBOUNDED_HALO_PIXELS` where there is
    none.

    >>> from unnoise import denoisers
    >>> effective_radius(denoisers.create("dncnn", layers=5, features=4))
    5
    """
    radius = bounded_radius(network)
    return UNBOUNDED_HALO_PIXELS if radius is None else radius


def tile_halo(network: Denoiser, scheme: Scheme, *, refined: bool) -> int:
    """The halo of a tile in pixels.

    Args:
        network: the network.
        scheme: the scheme that applies it.
        refined: whether R³ follows. R³ adds one pass of the network at full resolution, and so adds the radius of that
    pass.

    >>> from unnoise import denoisers
    >>> from unnoise.schemes.distillation import Distillation
    >>> tile_halo(denoisers.create("dncnn", layers=5, features=4), Distillation(), refined=False)
    5
    """
    radius = effective_radius(network)
    return scheme.restore_radius(radius) + (scheme.refine_radius(radius) if refined else 0)
