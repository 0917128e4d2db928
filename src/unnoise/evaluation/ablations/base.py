"""What an ablation is: variants of a method, all trained on the same pictures from the same seed, and what the paper found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unnoise.recipes.schema import Recipe


@dataclass(frozen=True)
class Variant:
    """One row of an ablation's table."""

    name: str
    """What tells it from the others; its folder has the same name."""
    recipe: Recipe
    paper: tuple[float, float] | tuple[float] | None = None
    """PSNR in dB, and SSIM where it is given, on the whole of SIDD validation, after a full training on SIDD Medium."""
    start: str | None = None
    """The variant, earlier in the list, whose weights it begins with."""
    further: float = 0.0
    """For one with a `start`: steps of its own, as a share of the start's; 0: its weights are applied in another way, no more."""


@dataclass(frozen=True)
class Ablation:
    """A question that its variants answer side by side."""

    title: str
    source: str
    """Where the paper's numbers stand."""
    refine: bool
    """Whether the paper's numbers are with R³."""
    variants: Callable[[bool], list[Variant]]
    """The variants, at full size or, given False, at a small one; see `unnoise.evaluation.ablations.small`."""
    axis: str | None = None
    """What the variants' names are values of, in order, for a curve; None: the names stand for themselves."""
