"""`unnoise.inspect`: the noise of a picture, with advice on the model that suits it."""

from __future__ import annotations

from typing import Any

from unnoise.models.select import nearest
from unnoise.noise.inspection import measure
from unnoise.noise.report import NoiseReport


def inspect(image: Any, *, name: str = "The image") -> NoiseReport:
    """Measure the noise of one picture, and say which shipped model suits it.

    Args:
        image: (H, W) or (H, W, C), or a tensor, as `unnoise.Model.denoise` takes them; one picture. Alpha takes no part.
        name: the subject of error messages, for instance the file.

    Returns:
        As `unnoise.noise.inspection.measure`, where the advice names a model.

    Raises:
        UsageError: for an image of another kind or shape, or with values that are no numbers.

    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).normal(0.5, 0.05, (64, 64)).astype(np.float32)
    >>> inspect(noisy).advice.model in ("default", "fast")
    True
    """
    report = measure(image, name=name)
    if report.advice is None:
        return report
    choice = nearest(report.advice)
    advice = report.advice.model_copy(
        update={"model": choice.name, "model_fits": choice.fits, "reasons": [*report.advice.reasons, choice.reason]}
    )
    return report.model_copy(update={"advice": advice})
