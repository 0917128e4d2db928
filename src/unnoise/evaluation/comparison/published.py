"""Published mean PSNR in dB of methods on data sets, for the column beside ours.

Of classical methods, those of the data sets' benchmarks; of recipes, those of their papers. The models of the papers were
trained with other means than ours, so the column says what a method can reach.
"""

from __future__ import annotations

PSNR_DB: dict[tuple[str, str], float] = {
    ("bm3d", "polyu"): 37.40,
    ("bm3d", "sidd-val"): 31.75,
    ("wnnm", "sidd-val"): 26.31,
    ("noise2void", "sidd-val"): 29.35,
    ("noise2self", "sidd-val"): 30.72,
    ("neighbor2neighbor", "sidd-val"): 27.94,
    ("r2r", "sidd-val"): 35.04,
    ("zs-n2n", "sidd-val"): 25.59,
    ("at-bsn", "sidd-val"): 36.80,
    ("at-bsn-d", "sidd-val"): 37.88,
    ("tm-bsn", "sidd-val"): 37.31,
    ("tm-bsn-d", "sidd-val"): 38.08,
}
"""By method and data set. SIDD's are of all 40 scenes of its validation set."""


def published_psnr(method: str, data: str) -> float | None:
    """The published PSNR in dB; None: unknown.

    Args:
        method: a model's or a recipe's name. A quick recipe is not that of its paper.
        data: the data set as SET:DIR.

    >>> published_psnr("bm3d", "polyu:photos"), published_psnr("at-bsn-quick", "polyu:photos")
    (37.4, None)
    """
    return PSNR_DB.get((method, data.partition(":")[0]))
