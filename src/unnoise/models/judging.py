"""Reports on restorations: what `quality.report` asks of a network, answered by the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from unnoise.errors import UsageError
from unnoise.inference.blending import blend
from unnoise.inference.pipeline import Pipeline
from unnoise.photometry.normalization import measure_scale
from unnoise.photometry.photometry import Photometry
from unnoise.quality.report import Report, make
from unnoise.regions import Region, RegionSource
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot, TunableScheme

VARIANTS = 3


def report_on(pipeline: Pipeline, noisy: Tensor, restored: Tensor, part: Region) -> Report:
    """Judge a restoration; takes as long as about eight restorations.

    Args:
        pipeline: by which the result was made; its settings have been asked for this kind of picture (`of_kind`).
        noisy, restored: (1, C, H, W) in 0..1, on any scale where the pipeline normalizes; the result after blending.
        part: the rows and columns that these are of the picture, as `quality.report.middle` gives them.

    Raises:
        UsageError: for a batch of pictures.
    """
    if len(noisy) != 1:
        raise UsageError(f"A report is of one picture, not of a batch of {len(noisy)}; give them one by one.")
    settings = replace(pipeline.settings, precision="float32")  # the judgement lives on small differences
    exact = replace(pipeline, settings=settings)
    photometry = exact.photometry_of(noisy)
    if photometry[0].normalization and (scale := measure_scale(RegionSource.of(noisy))):
        noisy, restored = scale.unit(noisy), scale.unit(restored)  # so that a dim measurement can be seen in the report too
        photometry = exact.photometry_of(noisy)

    def restore_again(x: Tensor) -> Tensor:
        return blend(x, exact.restore(x, photometry), settings.strength, settings.detail)

    variants, varied = _variants(exact, noisy, photometry)
    return make(noisy, restored, restore_again, variants, varied=varied, part=part)


def _variants(pipeline: Pipeline, noisy: Tensor, photometry: Sequence[Photometry]) -> tuple[list[Tensor], str]:
    """`VARIANTS` results of one picture (1, C, H, W) that ought to be the same, and what differs.

    Of a network with tunable blind spots these differ; of a scheme with random masks, or with R³, the draws; else the picture is flipped.
    """
    settings = replace(pipeline.settings, ensemble=False)
    pipeline = replace(pipeline, settings=settings)
    scheme = pipeline.scheme
    if isinstance(scheme, TunableScheme) and pipeline.network.has_tunable_blind_spot:
        plain = replace(pipeline, settings=replace(settings, refinement=None))
        schemes = [TunableBlindSpot(infer_hole=hole, train_hole=scheme.train_hole, pad=scheme.pad) for hole in (1, 3, 5)]
        return [replace(plain, scheme=each).restore(noisy, photometry) for each in schemes], "blind spots"
    if settings.refinement is not None or scheme.is_random:
        seeds = [settings.seed + 1 + number for number in range(VARIANTS)]
        drawn = [replace(pipeline, settings=replace(settings, seed=seed)) for seed in seeds]
        return [each.restore(noisy, photometry) for each in drawn], "draws"
    flips: list[tuple[int, ...]] = [(), (-1,), (-2,)]
    return [pipeline.restore(noisy.flip(flip), photometry).flip(flip) for flip in flips], "flips"
