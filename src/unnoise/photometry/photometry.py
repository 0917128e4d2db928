"""What is decided about a picture's brightness: once, before it is restored, and then handed down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.clipping import BOTH_ENDS, Clipping, measure_clipping
from unnoise.photometry.normalization import CONSTANT_SCALE, Normalization, Scale, measure_scale
from unnoise.photometry.rescaling import Rescaling
from unnoise.photometry.transfer_function import is_linear
from unnoise.regions import RegionSource

LEAST_BENT_SHARE = 0.5
"""Noise that is bent less counts as added to coded values. SIDD has 0.7 to 1, added noise 0 to 0.3."""


def is_added_noise(bent: float) -> bool:
    """Whether noise counts as added to coded values, by how far the curve of sRGB has bent it, −1..1.

    >>> is_added_noise(0.1), is_added_noise(0.9), is_added_noise(-1.0)
    (True, False, False)
    """
    return abs(bent) < LEAST_BENT_SHARE


@dataclass(frozen=True)
class Photometry:
    """How one picture's values stand for light, and what is done about it.

    The default is a picture coded for display whose brightness nothing corrects.
    """

    transfer_function: Literal["srgb", "linear"] = "srgb"
    """*linear*: values are in proportion to light; *srgb*: they are coded for display. Pictures are looked at only where a choice depends
    on it; others count as *srgb*."""
    rescaling: Rescaling | None = None
    """How values of extreme size were brought to where float32 holds them; None: they were moderate."""
    normalization: Scale | None = None
    """How the network sees the values; None: as they are."""
    clipping: Clipping = BOTH_ENDS
    """At which end of the range noise is cut off."""
    bias_correction: BiasCorrection | None = None
    """How the mean brightness of the result is corrected, with a curve that is not *auto*; None: not at all."""
    has_added_noise: bool = False
    """Whether noise was added to coded values. What black and white cut off is then corrected at each pixel, not in cells."""
    is_negative: bool = False
    """Whether the picture is a negative of a photograph. A network then sees it inverted."""

    def with_bent_noise(self, share: float) -> Photometry:
        """The same, where the noise of a picture is known.

        Its mean is right in the values that it was added to. So noise that the curve of sRGB has not bent is averaged in coded values.

        Args:
            share: as `NoiseModel.bent` has it. It counts in pictures that are coded for display.

        >>> Photometry().with_bent_noise(-1.0).is_negative
        True
        >>> Photometry(bias_correction=BiasCorrection(curve="srgb")).with_bent_noise(0.0).bias_correction.curve
        'linear'
        """
        rule = self.bias_correction
        if self.transfer_function == "linear" or self.normalization or (rule and rule.curve == "linear"):
            return self
        is_added = is_added_noise(share)
        if rule and is_added:
            rule = rule.model_copy(update={"curve": "linear"})
        return replace(self, bias_correction=rule, has_added_noise=is_added, is_negative=share < 0)

    @classmethod
    def decide(
        cls,
        view: RegionSource,
        bias_correction: BiasCorrection | None,
        normalization: Normalization | None,
        rescaling: Rescaling | None = None,
    ) -> Photometry:
        """Look at a picture, and decide.

        Args:
            view: the picture, (1, C, H, W) with black 0 and white 1. Windows of it are read, and all of it where its own range counts.
            bias_correction: what is wanted; its curve *auto* is replaced by the picture's transfer function.
            normalization: what is wanted; *auto* normalizes pictures in proportion to light.
            rescaling: of the values in `view`.

        >>> import numpy as np
        >>> grey = RegionSource.of(np.full((1, 1, 32, 32), 0.5, np.float32))
        >>> Photometry.decide(grey, BiasCorrection(), Normalization()).bias_correction.curve
        'srgb'
        """
        by_picture = (bias_correction and bias_correction.curve == "auto") or (normalization and normalization.of == "auto")
        linear = bool(by_picture) and is_linear(view)
        if bias_correction and bias_correction.curve == "auto":
            bias_correction = bias_correction.model_copy(update={"curve": "linear" if linear else "srgb"})
        elif bias_correction and not by_picture:
            linear = bias_correction.curve == "linear"
        is_normalized = normalization is not None and (normalization.of == "picture" or linear)
        return cls(
            transfer_function="linear" if linear else "srgb",
            rescaling=rescaling,
            normalization=(measure_scale(view) or CONSTANT_SCALE) if is_normalized else None,
            clipping=measure_clipping(view) if bias_correction and bias_correction.curve == "linear" else BOTH_ENDS,
            bias_correction=bias_correction,
        )
