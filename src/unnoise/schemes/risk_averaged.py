"""Many blind spots at once, weighted in each place by their estimated error there.

A large blind spot keeps all noise out and loses detail. A small one keeps detail and lets noise through. Which is
better depends on the camera, the light and the place in the picture. Without a clean picture, the error of a result y
of the noisy picture x is known up to a constant (Stein's unbiased risk, for noise n of any correlation):

    mean (y − clean)² = mean (y − x)² + 2 mean (y·n) − mean n².

mean (y·n) is the noise that passes. It is measured by perturbing the input with more noise b of the same kind, as
mean b·(f(x + εb) − f(x)) / ε. (Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE Transactions on Image Processing, 2008).
The last term is the same for every y. The results are averaged with the weights exp(−risk / temperature), as in the
aggregation of estimators (Leung and Barron, 2006). This way to apply AT-BSN and TM-BSN is our own; the training is
theirs.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor

from unnoise.denoisers.tunable_network import TunableNetwork
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.residual_noise import noise_level, perturbed, probe
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network
from unnoise.schemes.borders import with_reflected_border
from unnoise.schemes.tunable_blind_spot import PositiveBlindSpotSize, TunableScheme


class RiskAveraged(TunableScheme):
    """Trained as `TunableBlindSpot`; restores by averaging over blind spots, and the noisy picture itself, by their
    local risk.

    It runs the trunk twice. The noise is measured over all that `restore` is given. So a tile's result is close to that
    of the whole picture, but not equal to it.

    Example:
        >>> from unnoise import denoisers
        >>> network = denoisers.create("tmbsn", features=2, groups=1, blocks=1)
        >>> RiskAveraged(blind_spot_sizes=(1, 2)).restore(network, torch.rand(1, 3, 40, 40)).shape
        torch.Size([1, 3, 40, 40])
    """

    is_local: ClassVar[bool] = False
    name: Literal["risk-averaged-blind-spot"] = "risk-averaged-blind-spot"
    blind_spot_sizes: Annotated[tuple[PositiveBlindSpotSize, ...], Field(min_length=1)] = (1, 2, 3, 4, 5, 6)
    """Sizes of the blind spots whose results are averaged; odd ones for AT-BSN."""
    temperature: Annotated[float, Field(gt=0)] = 0.5
    """Of the weights, in units of the noise's variance. The lower it is, the more the best result counts."""
    window: Annotated[float, Field(gt=0)] = 6.0
    """Standard deviation in pixels of the Gaussian that averages risks over neighbours."""

    @model_validator(mode="before")
    @classmethod
    def _read_old_spelling(cls, value: Any) -> Any:
        """Recipes and model files of earlier versions say `holes`."""
        if isinstance(value, dict) and "holes" in value:
            return {key: each for key, each in value.items() if key != "holes"} | {"blind_spot_sizes": value["holes"]}
        return value

    @property
    def applied_blind_spots(self) -> tuple[int, ...]:
        return self.blind_spot_sizes

    def restore_radius(self, network_radius: int) -> int:
        return super().restore_radius(network_radius) + 3 * round(self.window)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """Without a generator the perturbation is drawn from seed 0."""
        source = generator or torch.Generator().manual_seed(0)
        results = self._results(network, noisy)  # (K, B, C, H, W)
        # Lossy compression and clipping leave pixels without noise. The median over the blind spots lies between both
        # kinds of error.
        estimate = results.median(0).values
        level = noise_level(noisy.float() - estimate, estimate)
        extra = probe(noisy.float() - estimate, level, source)
        passed = extra * perturbed(lambda x: self._results(network, x), noisy, results, extra)
        candidates = torch.cat([results, noisy.float()[None]])  # (K + 1, B, C, H, W)
        passed = torch.cat([passed, extra.square()[None]])  # all noise passes into the noisy picture
        risks = ((candidates - noisy).square() + 2 * passed).mean(2)  # (K + 1, B, H, W)
        power = level.square().mean(1)  # (B, H, W)
        with torch.autocast(noisy.device.type, enabled=False):  # bfloat16 is too coarse for risks
            relative = gaussian_blur(risks, self.window) / gaussian_blur(power[None], self.window).clamp(min=1e-12)
        weights = torch.softmax(-relative / self.temperature, dim=0)
        return (weights[:, :, None] * candidates).sum(0)

    def _results(self, network: Network, noisy: Tensor) -> Tensor:
        run = cast(TunableNetwork, network).forward_blind_spots
        return with_reflected_border(lambda x: run(x, self.blind_spot_sizes), noisy, self.pad).float()
