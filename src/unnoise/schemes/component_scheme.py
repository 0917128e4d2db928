"""What schemes share that restore a picture by its polyphase components: how far they look, and what tiles need.

Each component of stride s holds every s-th pixel. A network that steps over one pixel in it steps over s of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.schemes.base import Scheme


class ComponentScheme(Scheme):
    """A scheme whose field `infer_stride` is the stride of its components. Subclasses declare the field, as recipes list
    fields in the order in which each scheme declares them.

    >>> from unnoise.schemes.pd_blind_spot import PDBlindSpot
    >>> scheme = PDBlindSpot(infer_stride=3)
    >>> scheme.tile_alignment, scheme.restore_radius(10), scheme.sequential_parts
    (3, 30, 9)
    """

    if TYPE_CHECKING:
        infer_stride: int

    @property
    def tile_alignment(self) -> int:
        """That of PD: a tile that begins elsewhere would be split differently."""
        return self.infer_stride

    def restore_radius(self, network_radius: int) -> int:
        """Within a component the network steps over `infer_stride` pixels of the picture at a time."""
        return network_radius * self.infer_stride

    @property
    def sequential_parts(self) -> int:
        """The components, which come one after the other where they do not fit into one batch."""
        return self.infer_stride**2
