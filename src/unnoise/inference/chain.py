"""The whole chain from a noisy picture to its restored part: value range, precision, scheme, refinement, self-ensemble."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.memory import SCRATCH, peak_bytes, pixels_at_work
from unnoise.inference.precision import choose_precision, running_in
from unnoise.inference.settings import InferenceSettings
from unnoise.layers.partial.row_chunks import force_chunking
from unnoise.regions import Region, RegionSource, dilate, flip_region, relative_to, rotate_region
from unnoise.rng import PositionalGenerator
from unnoise.schemes.base import Scheme

_bytes_per_pixel: WeakKeyDictionary[Denoiser, dict[str, tuple[float, float]]] = WeakKeyDictionary()
"""Of networks, by how they are applied: following each tensor takes longer than a GPU takes for a picture."""
UNBOUNDED_HALO = 64
"""How far is far enough for a network that sees without bound, in pixels."""
FAR = 512
"""A network that sees farther, in pixels, is applied like one that sees without bound: tiles would be little else than halo, and need
more memory than there is."""
REST = 100
"""Bytes for each pixel of a tile that the network is not at work on: of picture, masks and results."""


@dataclass(frozen=True)
class Chain:
    """A trained network, the scheme it was trained by, and how both are applied.

    A part of a picture comes out the same, but for rounding, whatever else of the picture is restored with it, if the network's
    reach is finite: more of the picture is read than is restored, and random numbers belong to places of the picture.
    """

    network: Denoiser
    scheme: Scheme
    settings: InferenceSettings

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def step(self) -> int:
        """Parts that begin at its multiples are cut by the scheme and pooled by the network without reading more for it."""
        return self.scheme.tile_alignment * self.network.size_multiple

    @property
    def is_finite(self) -> bool:
        """Whether parts agree with the whole."""
        return self._bound is not None and self.scheme.is_local

    @cached_property
    def halo(self) -> int:
        """How far beyond a part it reads: the first estimate, then one pass at full resolution on top of it."""
        return self.scheme.restore_radius(self._sees) + (
            self.scheme.refine_radius(self._sees) if self.settings.refinement else 0
        )

    @cached_property
    def _bound(self) -> int | None:
        reach = self.network.receptive_field_radius
        return None if reach is None or reach > FAR else reach

    @property
    def _sees(self) -> int:
        return UNBOUNDED_HALO if self._bound is None else self._bound

    def restore(self, view: RegionSource, part: Region) -> Tensor:
        """Restore a part of a picture.

        Args:
            view: of the picture, (1, C, H, W) in 0..1 on any device, with the network's number of channels.
            part: the rows and columns wanted.

        Returns:
            (1, C, rows, columns) float32 in about 0..1, not clipped, on the network's device.
        """
        low, high = self.network.value_range
        is_unit = (low, high) == (0, 1)  # as it most often is: two passes less over all pixels

        def read(rows: slice, columns: slice) -> Tensor:
            piece = view.read(rows, columns).to(self.device)
            piece = piece if piece.dtype == torch.float64 else piece.float()
            piece = view.scale.forward(piece) if view.scale else piece
            return (piece if is_unit else piece * (high - low) + low).contiguous(memory_format=torch.channels_last)

        precision = choose_precision(self.settings.precision, self.device, self.network)
        with torch.inference_mode(), running_in(precision, self.device):
            own = RegionSource(view.size, read)
            restored = self._ensemble(own, part) if self.settings.ensemble else self._restore(own, part, 0)
            restored = restored if is_unit else (restored - low) / (high - low)
            return view.scale.inverse(restored, view.read(*part).to(restored)) if view.scale else restored

    def _ensemble(self, view: RegionSource, part: Region) -> Tensor:
        """The mean over the eight flips and quarter turns of the *whole* picture; `refinement.self_ensemble` of a part."""
        total: Tensor | None = None
        for flip in (False, True):
            seen, place = (view.flip(), flip_region(part, view.size)) if flip else (view, part)
            for turns in range(4):
                result = torch.rot90(self._restore(seen, place, 4 * flip + turns), -turns, (-2, -1))
                result = result.flip(-1) if flip else result
                total = result if total is None else total + result
                seen, place = seen.rotate(), rotate_region(place, seen.size)
        assert total is not None
        return total / 8

    def _restore(self, view: RegionSource, part: Region, symmetry: int) -> Tensor:
        if self.settings.refinement is None:
            return self._estimate(view, part, symmetry)
        around = dilate(part, self.scheme.refine_radius(self._sees), view.size, self.network.size_multiple)
        estimate = self._estimate(view, around, symmetry)
        masks = self._draws(around, symmetry, 1)
        refined = self.settings.refinement(
            lambda mixed: self.scheme.refine_cropped(self.network, mixed, relative_to(part, around), masks),
            view.read(*around),
            estimate,
            self.scheme.replacement,
            self._draws(around, symmetry, 2),
        )
        return _widened(refined)

    def _estimate(self, view: RegionSource, part: Region, symmetry: int) -> Tensor:
        draws = self._draws(part, symmetry, 0)
        if self.is_finite:
            return _widened(self.scheme.restore_region(self.network, view, part, self._sees, self.network.size_multiple, draws))
        around = dilate(part, self.scheme.restore_radius(self._sees), view.size, self.step)
        draws = self._draws(around, symmetry, 0)
        return _widened(self.scheme.restore_cropped(self.network, view.read(*around), relative_to(part, around), draws))

    def _draws(self, part: Region, symmetry: int, use: int) -> PositionalGenerator:
        """Of a stream for each seed, each symmetry of the ensemble, and each of three uses."""
        return PositionalGenerator((self.settings.seed * 8 + symmetry) * 3 + use, part[0].start, part[1].start)

    def bytes_for(self, wanted: int, read: int, *, whole: bool) -> float:
        """About how much memory restoring takes.

        Args:
            wanted: so many pixels,
            read: for which so many are read,
            whole: of the whole picture, or of a part.
        """
        of_wanted, of_halo = self.bytes_per_pixel()
        refined = self.settings.refinement is not None
        held = pixels_at_work(self.scheme, read, self.device, by_parts=self.is_finite and not whole, refined=refined)
        share = wanted / read
        return held * (share * of_wanted + (1 - share) * of_halo) + (read - held) * REST

    def bytes_per_pixel(self) -> tuple[float, float]:
        """About how much memory restoring takes for each pixel of a small picture, and for one around what is wanted.

        Measured once on a small piece of noise.
        """
        known = _bytes_per_pixel.setdefault(self.network, {})
        key = repr((self.scheme, self.settings.refinement, self.settings.ensemble, self.settings.precision, self.device))
        if key not in known:
            side = -(-96 // self.step) * self.step
            noise = torch.rand(1, self.network.sizes.get("channels", 3), side, side)
            some = slice(side // 2 // self.step * self.step, side // 2 // self.step * self.step + self.step)
            taken = [self._bytes(noise, slice(0, side))] * 2
            if self.is_finite and self.network.crops_halo:
                taken[1] = self._bytes(noise, some)
            known[key] = taken[0], taken[1]
        return known[key]

    def _bytes(self, noise: Tensor, stretch: slice) -> float:
        """For each pixel of the noise, where these of its rows and columns are wanted."""
        # The self-ensemble's passes come one by one, and following each tensor of all eight may take half a minute.
        alone = replace(self, settings=replace(self.settings, ensemble=False))
        with force_chunking():
            taken = peak_bytes(lambda: alone.restore(RegionSource.of(noise), (stretch, stretch)))
        shown = self.scheme.network_pixels(noise.shape[-2], noise.shape[-1])  # of a large tile borders are next to nothing
        return SCRATCH * taken / shown


def _widened(x: Tensor) -> Tensor:
    """As float32, unless it is wider."""
    return x if x.dtype == torch.float64 else x.float()
