"""What an ablation study is: variants of a method, trained on the same pictures from the same seed, and the paper's
scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unnoise.recipes.schema import Recipe


@dataclass(frozen=True)
class Variant:
    """One row of an ablation's table.

    >>> from unnoise import recipes
    >>> Variant("ours", recipes.load("ap-bsn"), paper=(36.74, 0.8501)).paper
    (36.74, 0.8501)
    """

    name: str
    """Tells the variant from the others. Its folder has the same name."""
    recipe: Recipe
    paper: tuple[float, float] | tuple[float] | None = None
    """The paper's PSNR in dB, and its SSIM if given, on all of SIDD validation after a full training on SIDD Medium."""
    start: str | None = None
    """The name of an earlier variant whose weights this one begins with."""
    further: float = 0.0
    """Training steps of a variant with a `start`, as a share of the start's steps. 0: the start's weights, applied
    differently."""


@dataclass(frozen=True)
class Ablation:
    """A question, and the variants whose scores answer it.

    >>> from unnoise.evaluation import ablations
    >>> [variant.name for variant in ablations.lookup("loss").variants(False)]
    ['start', 'L_m', 'L_t']
    """

    title: str
    source: str
    """The table or figure of the paper that has its scores."""
    refine: bool
    """Whether the paper's scores are with R³."""
    variants: Callable[[bool], list[Variant]]
    """Makes the variants: at full size if given True, else small (see
    `unnoise.evaluation.ablations.small_networks`)."""
    axis: str | None = None
    """The quantity whose values the variants' names are, in order, for a curve. None: the names are just names."""
