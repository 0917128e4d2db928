"""Networks that do one thing which a test can work out by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unnoise import recipes
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable_network import has_tunable_blind_spot
from unnoise.models.model import Model


class Affine(Denoiser):
    """factor · x + shift, pixel by pixel, in any range of values."""

    def __init__(
        self, factor: float = 1.0, shift: float = 0.0, values: tuple[float, float] = (0.0, 1.0), channels: int = 3
    ) -> None:
        super().__init__()
        self.value_range = values  # type: ignore[misc]
        self.sizes = {"channels": channels}
        self.factor, self.shift = nn.Parameter(torch.tensor(factor)), nn.Parameter(torch.tensor(shift))

    @property
    def receptive_field_radius(self) -> int:
        return 0

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x + self.shift


def model_of(network: Denoiser, **fields: Any) -> Model:
    """A model whose scheme calls the network once and no more, unless `fields` say otherwise."""
    plain = {"name": "pd-blind-spot", "train_stride": 1, "infer_stride": 1, "border": 0}
    scheme = {"name": "tunable-blind-spot"} if has_tunable_blind_spot(network) else plain
    denoiser = "atbsn" if has_tunable_blind_spot(network) else "dncnn"
    return Model(network, recipes.validate({"name": "handmade", "denoiser": denoiser, "scheme": scheme} | fields, "handmade"))
