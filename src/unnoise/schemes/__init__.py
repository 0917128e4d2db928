"""The schemes: how a network learns from noisy images alone. One file each, and one line in the table below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.registry import Registry

if TYPE_CHECKING:
    from unnoise.schemes.base import Scheme

_SCHEMES: Registry[type[Scheme]] = Registry(
    "scheme",
    "unnoise.schemes",
    {
        "pd-blind-spot": "pd_blind_spot:PDBlindSpot",
        "pd-components": "pd_components:PDComponents",
        "staged-blind-spot": "staged_blind_spot:StagedBlindSpot",
        "random-subsamples": "random_subsamples:RandomSubsamples",
        "self-residual": "self_residual:SelfResidual",
        "tunable-blind-spot": "tunable_blind_spot:TunableBlindSpot",
        "risk-averaged-blind-spot": "risk_averaged:RiskAveraged",
        "distillation": "distillation:Distillation",
        "spatially-adaptive": "spatially_adaptive:SpatiallyAdaptive",
        "cvf-sid": "cvf_sid:CVFSIDScheme",
        "cvf-sid-twice": "cvf_sid_twice:CVFSIDTwiceScheme",
        "recorrupted": "recorrupted:Recorrupted",
        "frame-to-frame": "frame_to_frame:FrameToFrame",
        "asymmetric-mask": "asymmetric_mask:AsymmetricMask",
        "asymmetric-mask-tv": "asymmetric_mask_tv:AsymmetricMaskTV",
        "supervised": "supervised:Supervised",
        "score-prior": "score_prior:ScorePrior",
        "learned-noise": "learned_noise:LearnedNoise",
        "self-collaboration": "self_collaboration:SelfCollaboration",
        "mash": "mash:MASH",
        "self2self": "self2self:Self2Self",
        "pixel-refilling": "pixel_refilling:PixelRefilling",
        "posterior-mean": "posterior_mean:PosteriorMean",
        "white-noise": "white_noise:WhiteNoise",
        "pd-white-noise": "pd_white_noise:PDWhiteNoise",
        "adjacent-replacement": "adjacent_replacement:AdjacentReplacement",
        "noise2noise": "noise2noise:Noise2Noise",
        "noise2void": "noise2void:Noise2Void",
        "noise2same": "noise2same:Noise2Same",
        "noise2self": "noise2self:Noise2Self",
        "neighbor2neighbor": "neighbor2neighbor:Neighbor2Neighbor",
        "blind2unblind": "blind2unblind:Blind2Unblind",
        "zs-n2n": "zs_n2n:ZSN2N",
        "measured-noise": "measured_noise:MeasuredNoise",
    },
)

names = _SCHEMES.names
lookup = _SCHEMES.lookup
