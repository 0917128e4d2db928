"""Reports on restorations: the pipeline makes the further restorations that `quality.report` needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.inference.blending import blend_guarded
from unnoise.inference.bounded_removal import bounded_removal
from unnoise.inference.do_no_harm import Guard
from unnoise.inference.pipeline import Pipeline
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_sampling import white_part
from unnoise.photometry.normalization import measure_scale
from unnoise.photometry.photometry import Photometry
from unnoise.quality.report import Report, make
from unnoise.regions import Region, RegionSource
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot, TunableScheme

VARIANT_COUNT = 3
"""Number of variants of a result that are compared."""


def report_on(
    pipeline: Pipeline,
    noisy: Tensor,
    restored: Tensor,
    part: Region,
    *,
    colours: str = "rgb",
    dtype: np.dtype[Any] | torch.dtype = torch.uint8,
    white: int = 0,
    check: Callable[[], None] | None = None,
) -> Report:
    """Judge a restoration. This takes as long as about eight restorations.

    Args:
        pipeline: made the result. Its settings are those for this kind of picture (`InferenceSettings.of_kind`).
        noisy, restored: (1, C, H, W) in 0..1, or on any scale if the pipeline normalizes; the result after blending.
        part: the rows and columns of the picture that these tensors show, as `quality.report.middle` returns them.
        colours, dtype, white: of the picture as it is stored, as in a `PixelSource`. White is 0 for floats.
        check: called before each restoration. An error that it raises ends the report.

    Raises:
        UsageError: a batch of pictures was given.
    """
    check_judged(pipeline)
    if len(noisy) != 1:
        raise UsageError(f"A report is of one picture, not of a batch of {len(noisy)}; give them one by one.")
    settings = replace(pipeline.settings, precision="float32")  # the report measures small differences
    exact = replace(pipeline, settings=settings)
    photometry = exact.photometry_of(noisy)
    measured = exact.is_measured(colours, dtype)
    few_photons = any(exact.photon_steps(RegionSource.of(noisy)))
    span = 1.0
    if photometry[0].normalization and (scale := measure_scale(RegionSource.of(noisy))):
        span = (scale.high - scale.low) or 1.0
        noisy, restored = scale.unit(noisy), scale.unit(restored)  # else the report would show a dim measurement as black
        photometry = exact.photometry_of(noisy)
    guard = None
    if settings.bounded:  # decided once, by the picture itself, as for the result
        step = 1 / white if white and not measured else None
        view = RegionSource.of(noisy)
        guard = Guard.of(view, step=step, measured=measured, measures_noise=not few_photons, force=settings.force)
        share = settings.half_size * guard.coarse_share
        photometry = [each.with_bent_noise(guard.bent).with_half_size(share) for each in photometry[:1]] + photometry[1:]

    def restore_again(x: Tensor) -> Tensor:
        if check:
            check()
        return blend_guarded(x, exact.restore(x, photometry), settings.strength, settings.detail, guard)

    noise = estimate_noise(RegionSource.of(noisy), coded=not measured)
    if noise and measured:
        noise = white_part(noise)
    if noise and measured and settings.bounded and settings.strength and torch.equal(noisy, restored):
        noise = replace(noise, spectrum=torch.zeros_like(noise.spectrum))  # it was left as it is: none can be told
    excess = None
    if noise and not noise.is_none:
        excess = bounded_removal(noisy, restored, noise) - restored
    variants, varied = _variants(exact, noisy, photometry)
    made = make(
        noisy, restored, restore_again, variants, varied=varied, part=part, noise=noise, excess=excess, white=white or 1
    )
    return made.scaled(span)


def check_judged(pipeline: Pipeline) -> None:
    """Raise `UsageError` if results of this pipeline cannot be judged, since its network is no torch network.

    >>> from unnoise.inference.settings import InferenceSettings
    >>> from unnoise.models import shipped
    >>> check_judged(shipped.load("fast", "torch").pipeline(InferenceSettings()))
    """
    if pipeline.library != "torch":
        raise UsageError("A report needs PyTorch; install it and give --engine torch, or leave the report out.")


def _variants(pipeline: Pipeline, noisy: Tensor, photometry: Sequence[Photometry]) -> tuple[list[Tensor], str]:
    """`VARIANT_COUNT` results of one picture (1, C, H, W) that should be equal, and the name of what varies.

    A network with tunable blind spots varies their sizes. A scheme with random masks, or R³, varies the random numbers.
    Else the picture is flipped.
    """
    settings = replace(pipeline.settings, ensemble=False)
    pipeline = replace(pipeline, settings=settings)
    scheme: Any = pipeline.scheme
    network: Any = pipeline.network
    if isinstance(scheme, TunableScheme) and network.has_tunable_blind_spot:
        plain = replace(pipeline, settings=replace(settings, refinement=None))
        schemes = [TunableBlindSpot(infer_hole=hole, train_hole=scheme.train_hole, pad=scheme.pad) for hole in (1, 3, 5)]
        return [replace(plain, scheme=each).restore(noisy, photometry) for each in schemes], "blind spots"
    if settings.refinement is not None or scheme.is_random:
        seeds = [settings.seed + 1 + number for number in range(VARIANT_COUNT)]
        drawn = [replace(pipeline, settings=replace(settings, seed=seed)) for seed in seeds]
        return [each.restore(noisy, photometry) for each in drawn], "draws"
    flips: list[tuple[int, ...]] = [(), (-1,), (-2,)]
    return [pipeline.restore(noisy.flip(flip), photometry).flip(flip) for flip in flips], "flips"
