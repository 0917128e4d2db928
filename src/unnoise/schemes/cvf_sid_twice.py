"""CVF-SID (S²): a second network learns from what a trained CVF-SID restored, as the first did from noisy pictures.

Neshatavar et al., "CVF-SID", CVPR 2022. The first network is a teacher that stays in the model, since both are needed to
restore a picture.
"""

from __future__ import annotations

from typing import Any, Literal, Self, cast

import torch
from pydantic import PrivateAttr, field_validator
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.cvf_sid import CVFSID, CVFSIDTwice
from unnoise.errors import UsageError
from unnoise.regions import Region, dilate, relative_to
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, TeacherLoader, run_region
from unnoise.schemes.borders import region_with_reflected_border, with_reflected_border
from unnoise.schemes.cvf_sid import CVFSIDScheme
from unnoise.schemes.distillation import named_teachers
from unnoise.schemes.teachers import TeacherChoice, TeacherOptions


class CVFSIDTwiceScheme(CVFSIDScheme):
    """The terms of `CVFSIDScheme` on pictures that the first network restored, each time with a reflected border.

    Example:
        >>> network = CVFSIDTwice(features=4, layers=2, noise_layers=1)
        >>> CVFSIDTwiceScheme(border=4).loss(network, torch.rand(1, 3, 16, 16)).shape
        torch.Size([])
    """

    name: Literal["cvf-sid-twice"] = "cvf-sid-twice"  # type: ignore[assignment]
    teachers: tuple[TeacherChoice, ...] = ()
    """One trained CVF-SID, the first network; a shipped recipe names none: give it at training."""

    _first: CVFSID | None = PrivateAttr(None)

    @field_validator("teachers", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return named_teachers(value)

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, CVFSIDTwice):
            known = denoisers.names_of(CVFSIDTwice)
            raise UsageError(
                f"The scheme needs a network of two CVF-SIDs, which {denoiser.__name__} is not; take the denoiser "
                f"{', '.join(known)}."
            )

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        """Load the first network. Raises `UsageError` where none is named, or one that does not fit."""
        if len(self.teachers) != 1:
            raise UsageError(
                f"The second network of CVF-SID needs one first network, a trained cvf-sid, and got {len(self.teachers)}; "
                "name it by --teacher."
            )
        first = load_teachers(self.teachers, TeacherOptions(), network).first_network
        if not isinstance(first, CVFSID) or first.sizes != network.sizes:
            raise UsageError(
                f"The model {self.teachers[0].model} is no CVF-SID of the sizes {network.sizes}; train one by the recipe "
                "cvf-sid or cvf-sid-quick, or set the sizes to the model's."
            )
        bound = self.model_copy()
        bound._first = first
        return bound

    def initialize(self, network: Denoiser) -> str | None:
        """Take over the first network's weights."""
        if self._first is None:
            return None
        cast(CVFSIDTwice, network).first.load_state_dict(self._first.state_dict())
        return f"The first network is {self.teachers[0].model}, and stays as it is."

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """As of `CVFSIDScheme`, of what the first network makes of the crops."""
        with torch.no_grad():
            once = with_reflected_border(lambda x: _once(network, x), noisy, self.border)
        return super().loss(network, once, generator)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        """By both networks, one after the other."""
        both = cast(CVFSIDTwice, network)
        around = dilate(region, both.second.receptive_field_radius, (noisy.shape[-2], noisy.shape[-1]))
        once = region_with_reflected_border(lambda x, place: run_region(both.first, x, place), noisy, self.border, around)
        inner = relative_to(region, around)
        return region_with_reflected_border(lambda x, place: run_region(both.second, x, place), once, self.border, inner)


def _once(network: Network, x: Tensor) -> Tensor:
    return cast(Tensor, cast(CVFSIDTwice, network)(x, once=True))
