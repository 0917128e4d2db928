"""Restoring one region of a picture: value range, precision, scheme, refinement and self-ensemble, in that order.

`Chain` also estimates the memory that a region takes. Which regions a picture is divided into is decided in `tiling`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.halo import bounded_radius, effective_radius, tile_halo
from unnoise.inference.memory import SCRATCH_FACTOR, pixels_at_work
from unnoise.inference.precision import choose_precision, running_in
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.tensor_memory import peak_bytes
from unnoise.layers.partial.row_chunks import force_chunking
from unnoise.layers.weight_cache import cached_weights
from unnoise.regions import Region, RegionSource, dilate, relative_to
from unnoise.rng import PositionalGenerator
from unnoise.schemes.base import Scheme
from unnoise.schemes.self_ensemble import self_ensemble_region

_bytes_per_pixel: WeakKeyDictionary[Denoiser, dict[str, tuple[float, float]]] = WeakKeyDictionary()
"""Measured bytes per pixel of each network, by how it is applied. The measurement takes longer than a GPU takes for a
picture."""
IDLE_BYTES_PER_PIXEL = 100
"""Bytes for each pixel of a tile while the network works on other pixels: picture, masks and results."""


@dataclass(frozen=True)
class Chain:
    """A trained network, the scheme it was trained by, and how both are applied.

    If the receptive field is bounded, a region does not depend on the tiles around it, except for rounding. This holds
    because the halo is read too, and because each random number depends on its place in the picture.

    >>> from unnoise import denoisers, recipes
    >>> network = denoisers.create("dncnn", channels=1, features=4, layers=3)
    >>> chain = Chain(network, recipes.load("ap-bsn").scheme, InferenceSettings())
    >>> chain.restore(RegionSource.of(torch.rand(1, 1, 16, 16)), (slice(0, 8), slice(0, 16))).shape
    torch.Size([1, 1, 8, 16])
    """

    network: Denoiser
    scheme: Scheme
    settings: InferenceSettings

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def channels(self) -> int:
        """Number of channels that the network takes."""
        return int(self.network.sizes.get("channels", 3))

    @property
    def size_multiple(self) -> int:
        """See `Denoiser.size_multiple`."""
        return self.network.size_multiple

    @property
    def halo_relative_cost(self) -> float:
        """See `Denoiser.halo_relative_cost`."""
        return self.network.halo_relative_cost

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within this context regions are restored: the network is in evaluation mode, and for good in the memory format
        channels-last."""
        was_training = self.network.training
        self.network.eval()
        if not all(x.is_contiguous(memory_format=torch.channels_last) for x in self.network.parameters() if x.dim() == 4):
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # takes milliseconds even if nothing changes
        try:
            yield
        finally:
            self.network.train(was_training)

    @contextmanager
    def in_one_band(self) -> Iterator[None]:
        """Within this context no gradients are noted, and prepared weights are kept."""
        with cached_weights(self.network), torch.inference_mode():
            yield

    def release_memory(self) -> None:
        """Give back what torch keeps of the device's memory."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def step(self) -> int:
        """Alignment of tiles in pixels. The scheme's grid and the network's pooling fit tiles that begin at its
        multiples."""
        return self.scheme.tile_alignment * self.network.size_multiple

    @property
    def is_finite(self) -> bool:
        """Whether tiles agree with the whole picture, since scheme and receptive field are bounded."""
        return bounded_radius(self.network) is not None and self.scheme.is_local

    @cached_property
    def halo(self) -> int:
        """How many pixels around a region are read for it; see `halo.tile_halo`."""
        return tile_halo(self.network, self.scheme, refined=self.settings.refinement is not None)

    @cached_property
    def _radius(self) -> int:
        return effective_radius(self.network)

    def restore(self, view: RegionSource, part: Region) -> Tensor:
        """Restore a region of a picture.

        Args:
            view: the picture, (1, C, H, W) in 0..1 on any device, with the network's number of channels.
            part: the rows and columns wanted.

        Returns:
            (1, C, rows, columns) in about 0..1, not clipped, on the network's device. float32; float64 if the picture
        is float64."""
        low, high = self.network.value_range
        is_unit = (low, high) == (0, 1)  # the usual case; it saves two passes over all pixels

        def read(rows: slice, columns: slice) -> Tensor:
            piece = view.read(rows, columns).to(self.device)
            piece = piece if piece.dtype == torch.float64 else piece.float()
            piece = view.scale.forward(piece) if view.scale else piece
            return (piece if is_unit else piece * (high - low) + low).contiguous(memory_format=torch.channels_last)

        precision = choose_precision(self.settings.precision, self.device, self.network)
        with torch.inference_mode(), running_in(precision, self.device):
            scaled = RegionSource(view.size, read)
            restored = (
                self_ensemble_region(self._restore, scaled, part) if self.settings.ensemble else self._restore(scaled, part, 0)
            )
            restored = restored if is_unit else (restored - low) / (high - low)
            return view.scale.inverse(restored, view.read(*part).to(restored)) if view.scale else restored

    def _restore(self, view: RegionSource, part: Region, symmetry: int) -> Tensor:
        if self.settings.refinement is None:
            return self._estimate(view, part, symmetry)
        around = dilate(part, self.scheme.refine_radius(self._radius), view.size, self.network.size_multiple)
        estimate = self._estimate(view, around, symmetry)
        masks = self._generator(around, symmetry, 1)
        refined = self.settings.refinement(
            lambda mixed: self.scheme.refine_cropped(self.network, mixed, relative_to(part, around), masks),
            view.read(*around),
            estimate,
            self.scheme.replacement,
            self._generator(around, symmetry, 2),
        )
        return _at_least_float32(refined)

    def _estimate(self, view: RegionSource, part: Region, symmetry: int) -> Tensor:
        draws = self._generator(part, symmetry, 0)
        if self.is_finite:
            return _at_least_float32(
                self.scheme.restore_region(self.network, view, part, self._radius, self.network.size_multiple, draws)
            )
        around = dilate(part, self.scheme.restore_radius(self._radius), view.size, self.step)
        draws = self._generator(around, symmetry, 0)
        return _at_least_float32(
            self.scheme.restore_cropped(self.network, view.read(*around), relative_to(part, around), draws)
        )

    def _generator(self, part: Region, symmetry: int, use: int) -> PositionalGenerator:
        """A generator for a region. Each seed, each symmetry of the self-ensemble and each of three uses has its own
        stream."""
        return PositionalGenerator((self.settings.seed * 8 + symmetry) * 3 + use, part[0].start, part[1].start)

    def bytes_for(self, wanted: int, read: int, *, whole: bool) -> float:
        """Estimate the bytes that restoring a region takes.

        Args:
            wanted: number of pixels that are restored.
            read: number of pixels that are read for them, the halo included.
            whole: whether the region is the whole picture.
        """
        of_wanted, of_halo = self.bytes_per_pixel()
        refined = self.settings.refinement is not None
        held = pixels_at_work(self.scheme, read, self.device, by_parts=self.is_finite and not whole, refined=refined)
        share = wanted / read
        return held * (share * of_wanted + (1 - share) * of_halo) + (read - held) * IDLE_BYTES_PER_PIXEL

    def bytes_per_pixel(self) -> tuple[float, float]:
        """Estimate the bytes that restoring takes for each wanted pixel, and for each pixel of the halo.

        Both are measured once for each network, on a small piece of noise.
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
        """Peak bytes per pixel of the noise when only these of its rows and columns are wanted."""
        # The eight passes of the self-ensemble run one after the other, so one is measured. All eight could take half a minute.
        alone = replace(self, settings=replace(self.settings, ensemble=False))
        with force_chunking():
            taken = peak_bytes(lambda: alone.restore(RegionSource.of(noise), (stretch, stretch)))
        shown = self.scheme.network_pixels(
            noise.shape[-2], noise.shape[-1]
        )  # leaves out padding, which is negligible in a large tile
        return SCRATCH_FACTOR * taken / shown


def _at_least_float32(x: Tensor) -> Tensor:
    """Convert to float32; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()
