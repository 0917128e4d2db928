"""How much of a neighbouring frame counts at each pixel, told from both noisy frames by a statistical test.

The difference of two frames of a still scene is noise. Its mean over a Gaussian of several widths is compared with what
noise alone gives. Where it is too large at any width, something has moved, appeared or vanished, and the neighbour does
not count there. Differences are tested over surroundings, as in V-BM4D (Maggioni, Boracchi, Foi and Egiazarian, "Video
denoising, deblocking, and enhancement through separable 4-D nonlocal spatiotemporal transforms", 2012) and in the
adaptive windows of Boulanger et al. ("Patch-based nonlocal functional for denoising fluorescence microscopy image
sequences", 2010).

Bleaching and lamps change the brightness of whole frames. So each neighbour is first matched by a gain and an offset. The
noise by brightness is measured in the differences too, since a still scene is not in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unnoise.inference.sources import PixelSource
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_model import NoiseModel
from unnoise.noise.residual_noise import interpolate
from unnoise.photometry.array_ops import average_pool, upsample_bilinear
from unnoise.regions import sample_windows

WINDOW_PIXELS = 256
"""Side of the windows in which frames are matched, at most nine of them."""
CELL_PIXELS = 8
"""Side of the cells whose means are matched, and whose noise is measured."""
DETAIL_SIGMA_PIXELS = 1.0
"""Noise is measured in what a Gaussian of this width takes away."""
DETAIL_SHARE = 0.76
"""How much that is, of the variance of white noise."""
SCALES = (1.5, 1), (3.0, 2), (6.0, 4)
"""Standard deviations of the Gaussians in pixels, and the side of the cells on which each is computed."""
SURE, GONE = 2.0, 3.5
"""A neighbour counts fully up to the first, and not at all from the second on, in standard deviations of the noise."""
HALO_PIXELS = 32
"""Weights depend on pixels up to this far away. Regions that begin at multiples of `ALIGN_PIXELS` agree with the whole."""
ALIGN_PIXELS = 4
FIT_ROUNDS = 4
OUTLIER_SPREADS = 2.5
"""Cells that differ by more, in robust standard deviations, do not take part in the match: there something has changed."""
KNOTS = 12
CELLS_OF_A_KNOT = 64
"""The noise is measured at up to so many brightnesses, in at least so many cells each."""
TINY = 1e-20


@dataclass(frozen=True)
class FrameSample:
    """Windows of a frame, from which it is matched with its neighbours.

    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> FrameSample.of(source_of_tensor(*images.to_tensor(np.zeros((40, 50), np.uint8)))).windows.shape
    torch.Size([1, 1, 40, 50])
    """

    windows: Tensor
    """(P, n, h, w): n windows of P planes."""

    @classmethod
    def of(cls, source: PixelSource) -> FrameSample:
        """Read the windows of a picture or batch (B, C, H, W), as B·C planes."""
        parts = [source.read(*part).flatten(0, 1) for part in sample_windows(source.size, WINDOW_PIXELS)]
        return cls(torch.stack(parts, dim=1))

    def cells(self) -> Tensor:
        """Mean of each cell, (P, M)."""
        return _cells(self.windows)


@dataclass(frozen=True)
class BrightnessMatch:
    """A neighbour as bright as the frame: gain · neighbour + offset.

    >>> frame = torch.linspace(0, 1, 64).expand(1, 1, 64, 64) + 0.01 * torch.randn(1, 1, 64, 64)
    >>> match = BrightnessMatch.between(FrameSample(frame), FrameSample(frame * 2 + 1))
    >>> abs(match.gain.item() - 0.5) < 0.01
    True
    """

    gain: Tensor
    """(P, 1, 1)."""
    offset: Tensor
    """(P, 1, 1)."""

    @classmethod
    def between(cls, frame: FrameSample, other: FrameSample) -> BrightnessMatch:
        """Match a neighbour with a frame, plane by plane. Places that have changed are left out as outliers.

        Noise in the neighbour would lower the gain. So its share is taken off the variance, and where structure does not
        exceed noise, the gain is 1.
        """
        x, y = frame.cells().double(), other.cells().double()  # (P, M)
        noise = _noise_of_cells(other).double()
        counted = torch.ones_like(x)
        gain, offset = torch.ones_like(x[:, :1]), torch.zeros_like(x[:, :1])
        for _ in range(FIT_ROUNDS):
            number = counted.sum(1, keepdim=True).clamp(min=1)
            mean_x, mean_y = ((counted * each).sum(1, keepdim=True) / number for each in (x, y))
            spread = (counted * (y - mean_y).square()).sum(1, keepdim=True) / number
            common = (counted * (x - mean_x) * (y - mean_y)).sum(1, keepdim=True) / number
            structure = spread - noise
            trust = (structure / (noise + TINY) - 1).clamp(0, 1)
            slope = common / structure.clamp(min=TINY)
            gain = torch.where((trust > 0) & (slope > 0), 1 + trust * (slope - 1), 1.0)
            offset = mean_x - gain * mean_y
            left = (x - gain * y - offset).abs()
            counted = (left <= OUTLIER_SPREADS * 1.4826 * left.median(1, keepdim=True).values).double()
        return cls(*(each.float()[..., None] for each in (gain, offset)))

    def apply(self, neighbour: Tensor) -> Tensor:
        """(B, C, h, w) → the same shape."""
        gain, offset = (each.reshape(*neighbour.shape[:2], 1, 1).to(neighbour) for each in (self.gain, self.offset))
        return gain * neighbour + offset


@dataclass(frozen=True)
class NoiseByBrightness:
    """The variance of a pixel's detail noise, for P planes, and what smoothing leaves of noise.

    >>> source = torch.Generator().manual_seed(0)
    >>> frame, other = (FrameSample(torch.randn(1, 1, 64, 64, generator=source)) for _ in range(2))
    >>> found = NoiseByBrightness.measure(frame, [(other, BrightnessMatch.between(frame, other))], [None], linear=False)
    >>> abs(found.variance.mean().item() / DETAIL_SHARE - 1) < 0.1
    True
    """

    brightness: Tensor
    """(P, K), rising."""
    variance: Tensor
    """(P, K), of what `DETAIL_SIGMA_PIXELS` takes away."""
    left: Tensor
    """(P, scales): the variance after each of `SCALES`, as a share of `variance`."""

    @classmethod
    def measure(
        cls, frame: FrameSample, others: list[tuple[FrameSample, BrightnessMatch]], model: list[NoiseModel | None], linear: bool
    ) -> NoiseByBrightness:
        """Measure the noise of a frame in its differences from its neighbours.

        The median over cells is taken, so that what has changed somewhere does not count.

        Args:
            frame: the frame.
            others: its neighbours and their matches.
            model: the noise of each plane, for its correlation; None: it is white.
            linear: whether the variance is a straight line of brightness, as in linear light.
        """
        energy, seen = [], []
        for other, match in others:
            gain, offset = match.gain[..., None], match.offset[..., None]
            difference = frame.windows - (gain * other.windows + offset)
            detail = difference - gaussian_blur(difference, DETAIL_SIGMA_PIXELS)
            energy.append(_cells(detail.square()) / (1 + match.gain[:, 0].square()))
            seen.append((frame.cells() + other.cells()) / 2)
        curves = [_curve(*both, linear) for both in zip(torch.cat(seen, 1), torch.cat(energy, 1), strict=True)]
        left = torch.stack([_left_by_smoothing(each) for each in model])
        return cls(torch.stack([x for x, _ in curves]), torch.stack([y for _, y in curves]), left)

    def at(self, brightness: Tensor, scale: int) -> Tensor:
        """The variance of noise that was smoothed by one of `SCALES`, (P, h, w) → (P, h, w)."""
        found = interpolate(brightness.flatten(1), self.brightness.to(brightness), self.variance.to(brightness))
        return found.reshape(brightness.shape) * self.left[:, scale, None, None].to(brightness)


def neighbour_weight(x: Tensor, y: Tensor, match: BrightnessMatch, noise: NoiseByBrightness) -> Tensor:
    """How much a neighbour counts at each pixel.

    Args:
        x, y: rows of the frame and of the neighbour as stored, (B, C, h, w).
        match: of the neighbour.
        noise: of the frame.

    Returns:
        (B, 1, h, w) in 0..1, the same for all channels that are restored together.

    >>> x = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> y = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    >>> y[..., 32:, :] += 3
    >>> same = BrightnessMatch(torch.ones(1, 1, 1), torch.zeros(1, 1, 1))
    >>> noise = NoiseByBrightness(torch.zeros(1, 1), torch.full((1, 1), 0.76), torch.tensor([[0.0465, 0.0116, 0.0029]]))
    >>> weight = neighbour_weight(x, y, same, noise)
    >>> bool(weight[..., :16, :].mean() > 0.8), weight[..., 48:, :].max().item()
    (True, 0.0)
    """
    shape = x.shape
    matched = match.apply(y)
    gain = match.gain.to(x).square()
    planes = torch.cat([x.flatten(0, 1), y.flatten(0, 1), (x - matched).flatten(0, 1)])  # (3·P, h, w)
    worst = torch.zeros_like(x.flatten(0, 1))
    for scale, (sigma, side) in enumerate(SCALES):
        cells = average_pool(planes[None], side)[0] if side > 1 else planes
        own = np.sqrt((sigma**2 - (side**2 - 1) / 12) / side**2)  # what pooling leaves to do
        before, after, difference = gaussian_blur(cells, float(own)).chunk(3)  # (P, h, w) each
        variance = noise.at(before, scale) + gain * noise.at(after, scale)
        far = difference.abs() / (variance + TINY).sqrt()
        if side > 1:
            far = upsample_bilinear(far[None], side)[0][:, : shape[-2], : shape[-1]]
        worst = torch.maximum(worst, far)
    weight = ((GONE - worst) / (GONE - SURE)).clamp(0, 1)
    return weight.reshape(shape).amin(1, keepdim=True)


def _cells(windows: Tensor) -> Tensor:
    """Mean of each cell, (P, n, h, w) → (P, M)."""
    return average_pool(windows, CELL_PIXELS).flatten(1)


def _noise_of_cells(sample: FrameSample) -> Tensor:
    """The variance of noise in the means of cells, (P, 1), as white noise has it. The median, since edges are few."""
    detail = sample.windows - gaussian_blur(sample.windows, DETAIL_SIGMA_PIXELS)
    return _cells(detail.square()).median(1, keepdim=True).values / DETAIL_SHARE / CELL_PIXELS**2


def _curve(brightness: Tensor, energy: Tensor, linear: bool) -> tuple[Tensor, Tensor]:
    """Variance by brightness from the cells of one plane, (M,) each → two of (KNOTS,)."""
    count = max(1, min(KNOTS, len(brightness) // CELLS_OF_A_KNOT))
    order = brightness.argsort().cpu().numpy()
    x, y = (each.double().cpu().numpy() for each in (brightness, energy))
    groups = np.array_split(order, count)
    knots = np.array([x[group].mean() for group in groups])
    variance = np.array([np.median(y[group]) for group in groups])
    if linear and count > 2:
        slope, at_zero = np.polyfit(knots, variance, 1, w=1 / np.maximum(variance, variance.max() * 1e-3 + TINY))
        knots = np.linspace(x.min(), 2 * x.max() - x.min(), KNOTS)  # single pixels are brighter than the means of cells
        variance = np.maximum(max(slope, 0.0) * knots + (at_zero if slope > 0 else np.median(variance)), variance.min() / 2)
    places = np.linspace(knots[0], knots[-1], KNOTS)
    found = np.interp(places, knots, variance)
    return torch.from_numpy(places).float().to(brightness), torch.from_numpy(found).float().to(brightness)


def _left_by_smoothing(model: NoiseModel | None) -> Tensor:
    """What each of `SCALES` leaves of the noise, as a share of what `DETAIL_SIGMA_PIXELS` takes away, (scales,)."""
    frequency = np.arange(16) / 32  # of the cosine transform of 16 pixels, in cycles per pixel
    share = np.full(16, 1 / 16)
    share[0] /= 2
    share[-1] *= 1.5  # up to half a cycle
    power = np.ones((16, 16)) if model is None or model.is_none else model.filled_spectrum().mean(0).double().numpy()
    power = power * np.outer(share, share)

    def response(sigma: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        along = np.exp(-2 * (np.pi * sigma * frequency) ** 2)
        made: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.outer(along, along)
        return made

    detail = (power * (1 - response(DETAIL_SIGMA_PIXELS)) ** 2).sum()
    return torch.tensor([float((power * response(sigma) ** 2).sum() / max(detail, TINY)) for sigma, _ in SCALES])
