"""The settings for the kind of a picture: some gray pictures of few values are measurements."""

from __future__ import annotations

import numpy as np

from unnoise.inference.photon_binning import photon_step
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import PixelSource
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.integer_steps import are_few_counts


def settings_for(source: PixelSource, settings: InferenceSettings) -> InferenceSettings:
    """The settings for the kind of a picture. Gray pictures of 8 bits that hold few counts or photons are measurements
    too.

    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> from unnoise.photometry.normalization import Normalization
    >>> source = source_of_tensor(*images.to_tensor(np.zeros((40, 50), np.uint16)), None)
    >>> settings_for(source, InferenceSettings(normalization=Normalization())).is_measured
    True
    """
    chosen = settings.of_kind(source.layout.colours, source.dtype)
    undecided = source.layout.colours == "grey" and chosen.normalization is not None and not chosen.is_measured
    if undecided and source.white and (are_few_counts(source, 1 / source.white) or _are_few_photons(source)):
        return settings.of_kind("channels", source.dtype)
    return chosen


def _are_few_photons(source: PixelSource) -> bool:
    """Whether a gray picture of 8 bits holds few photons, each of several steps. Two values alone may be a dither."""
    step = photon_step(source)
    if step is None:
        return False
    values = {float(value) for window in source.sample_windows() for value in np.unique(to_numpy(window))}
    return len(values) > 2
