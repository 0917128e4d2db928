"""Where a restoration is unsure: how far results differ that ought to be the same."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.apply import restore
from unnoise.inference.settings import InferenceSettings
from unnoise.schemes.base import Scheme
from unnoise.schemes.multi_mask import MultiMask
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot, TunableScheme

VARIANTS = 3


def spread(network: Denoiser, scheme: Scheme, noisy: Tensor, settings: InferenceSettings) -> tuple[Tensor, str]:
    """The standard deviation over `VARIANTS` results of one picture, (1, C, H, W) → (1, H, W), channels together, in 0..1.

    Of a network with tunable blind spots the holes differ; of a scheme with random masks, or with R³, the draws; else the picture is
    flipped. The second value says which.
    """
    settings = replace(settings, ensemble=False)
    if isinstance(scheme, TunableScheme) and network.has_tunable_blind_spot:
        results, kind = _holes(network, scheme, noisy, settings), "blind spots"
    elif settings.refinement is not None or (isinstance(scheme, MultiMask) and not scheme.checkerboard):
        draws = [replace(settings, seed=settings.seed + 1 + n) for n in range(VARIANTS)]
        results, kind = [restore(network, scheme, noisy, each) for each in draws], "draws"
    else:
        flips: list[tuple[int, ...]] = [(), (-1,), (-2,)]
        results = [restore(network, scheme, noisy.flip(flip), settings).flip(flip) for flip in flips]
        kind = "flips"
    return torch.stack(results).var(0, correction=0).mean(1).sqrt(), kind


def _holes(network: Denoiser, scheme: TunableScheme, noisy: Tensor, settings: InferenceSettings) -> list[Tensor]:
    """Restored with the three smallest holes that the network knows, by the plain scheme."""
    results: list[Tensor] = []
    for hole in (1, 3, 5):
        plain = TunableBlindSpot(infer_hole=hole, train_hole=scheme.train_hole, pad=scheme.pad)
        results.append(restore(network, plain, noisy, replace(settings, refinement=None)))
    return results
