"""`--report`: what can be told of a restoration without the truth, in numbers and in pictures."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError
from unnoise.files.atomic import atomic_write
from unnoise.noise.html import figure_as_html
from unnoise.noise.noise_model import NoiseModel
from unnoise.quality.verdict import Verdict
from unnoise.regions import Region

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from unnoise.quality.mc_sure import Judgement

LARGEST = 1_000_000
"""Of a picture of more pixels the middle is judged and shown."""
MARK = ".report"
"""Between the name of a result and the suffixes of its report, `.png` and `.json`."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Report:
    """One restoration, judged. Pictures are (H, W, C) floats in 0..1, maps (H, W).

    >>> import torch
    >>> noisy = torch.rand(1, 3, 64, 64)
    >>> report = make(noisy, noisy, lambda x: x, [noisy, noisy], varied="flips", part=middle(64, 64), noise=None)
    >>> report.judgement.taken
    0.0
    """

    judgement: Judgement
    part: Region
    """The rows and columns of the picture that were judged and are shown."""
    noisy: Floats
    restored: Floats
    structure: Floats
    """Correlation of the residual with the picture around each pixel; above 0 structure went."""
    unsure: Floats
    """Standard deviation of results that ought to be the same."""
    varied: str
    """What differs between these: 'blind spots', 'draws' or 'flips'."""
    white: float = 255.0
    """What a `level` of 1 is in the values of the file: 255 for 8 bits, 65535 for 16, 1 for floats."""
    map_scale: float = 1.0
    """What 1 in the pictures and maps is as a level. Dim measurements are shown brighter than they are."""

    def to_json(self) -> str:
        """The judgement as JSON."""
        return self.judgement.model_dump_json(indent=2)

    @property
    def verdict(self) -> Verdict:
        """What to think of the result."""
        return self.judgement.verdict

    def sentence(self) -> str:
        """The verdict and the figures behind it, in one sentence. It says if only the first of several pictures was
        judged."""
        found = self.judgement
        several = f"Only the first of {found.pictures} pictures was judged. " if found.pictures > 1 else ""
        start = f"{several}{self.verdict.capitalize()}: "
        if found.gain is None or found.uncertainty is None or found.left is None or found.lost is None:
            if self.verdict is Verdict.WORSE:
                return f"{start}the picture has no noise, yet {self._level_text(found.taken)} was taken from it."
            if self.verdict is Verdict.NO_NOISE:
                return f"{start}no noise can be told in the picture, and nothing was taken from it."
            return f"{start}too little of the picture shows noise apart from structure to measure it."
        return (
            f"{start}estimated gain {found.gain:.1f} ± {found.uncertainty:.1f} dB, noise level {self._level_text(found.level)}; "
            f"{found.left:.0%} of the noise is left, lost structure has {found.lost + (found.drift or 0):.0%} of its power."
        )

    def harm(self) -> str | None:
        """A warning, in one sentence without its subject, where the result does harm; else None."""
        if not self.verdict.is_harm:
            return None
        seen = "may be worse than the picture before" if self.verdict is Verdict.WORSE else "lost structure with the noise"
        return f"{seen}; compare both, and try another --model or less --strength."

    def scaled(self, factor: float) -> Report:
        """The report with levels on another scale.

        Args:
            factor: multiplies the noise level and the removed level.
        """
        found = self.judgement
        levels = {"level": found.level * factor, "taken": found.taken * factor}
        return replace(self, judgement=found.model_copy(update=levels), map_scale=self.map_scale * factor)

    def of_stack(self, pictures: int) -> Report:
        """The same report, which says that it judges only the first of so many pictures."""
        return replace(self, judgement=self.judgement.model_copy(update={"pictures": pictures}))

    @property
    def unit(self) -> str:
        """The unit of levels in sentences and plots."""
        return "of 255" if self.white == 255 else "in the picture's own values"

    def _level_text(self, level: float) -> str:
        value = level * self.white
        return f"{value:.1f} of 255" if self.white == 255 else f"{value:.3g} {self.unit}"

    def draw(self) -> Figure:
        """Before, after, residual, and both maps."""
        from unnoise.quality.plot import draw

        return draw(
            self.noisy,
            self.restored,
            self.structure,
            self.unsure,
            varied=self.varied,
            one=self.white * self.map_scale,
            unit=self.unit,
            lines=[self.sentence(), "", *self._details()],
        )

    def plot(self) -> Figure:
        """The same as `draw`: what a notebook shows.

        Raises:
            UnnoiseError: matplotlib is not installed.
        """
        return self.draw()

    def _repr_html_(self) -> str:
        """The verdict, and the panels if matplotlib is installed, as notebooks show them."""
        told = f"<p>{html.escape(self.sentence())}</p>"
        return told + (figure_as_html(self.draw()) if find_spec("matplotlib") else "")

    def _details(self) -> list[str]:
        found = self.judgement
        rows, columns = self.part
        lines = []
        if found.gain is not None and found.left is not None and found.lost is not None:
            lines = [
                f"gain, estimated in two ways: {found.shaken:.1f} dB and {found.replayed:.1f} dB",
                f"noise left: {found.left:.1%} of its power",
                f"lost structure: {found.lost:.1%} of that power",
                f"drift of local means: {found.drift or 0:.1%} of that power",
            ]
        return [
            *lines,
            f"correlation of the removed part with the picture: {found.correlation:+.2f}",
            *([f"judged: the first of {found.pictures} pictures"] if found.pictures > 1 else []),
            f"judged: rows {rows.start}–{rows.stop}, columns {columns.start}–{columns.stop}",
        ]

    def save(self, stem: Path) -> None:
        """Write `report_files(stem)`, each whole or not at all. Raises `UnnoiseError` where that fails."""
        drawn, told = report_files(stem)
        with atomic_write(drawn) as temporary:
            self.draw().savefig(temporary)
        with atomic_write(told) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")


def report_files(stem: Path) -> list[Path]:
    """The picture and the numbers of a report of this name.

    >>> [path.name for path in report_files(Path("out/a.report"))]
    ['a.report.png', 'a.report.json']
    """
    return [stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".json")]


def make(
    noisy: Tensor,
    restored: Tensor,
    restore: Callable[[Tensor], Tensor],
    variants: Sequence[Tensor],
    *,
    varied: str,
    part: Region,
    noise: NoiseModel | None,
    excess: Tensor | None = None,
    white: float = 255.0,
) -> Report:
    """Judge a restoration.

    Args:
        noisy, restored: (1, C, H, W) in 0..1.
        restore: takes and gives (1, C, H, W), the same result for the same picture, in full precision; called five times.
        variants: (1, C, H, W) each: results for `noisy` that ought to be the same.
        varied: what differs between them.
        part: the rows and columns that these are of the picture, as `middle` gives them.
        noise: measured in `noisy` alone; see `judge`.
        excess: (1, C, H, W), what was taken beyond the noise; see `judge`.
        white: what 1 is in the values of the file, for sentences and plots.

    Raises:
        UsageError: for a batch of pictures.

    >>> import torch
    >>> noisy = torch.rand(1, 3, 64, 64)
    >>> made = make(noisy, noisy, lambda x: x, [noisy, noisy], varied="flips", part=middle(64, 64), noise=None)
    >>> made.structure.shape
    (64, 64)
    """
    if len(noisy) != 1:
        raise UsageError(f"A report is of one picture, not of a batch of {len(noisy)}; give them one by one.")
    from unnoise.quality.mc_sure import judge
    from unnoise.quality.residual_structure import correlation_map
    from unnoise.quality.uncertainty import spread

    return Report(
        judgement=judge(noisy, restored, restore, noise=noise, excess=excess),
        part=part,
        noisy=_pixels(noisy),
        restored=_pixels(restored),
        structure=correlation_map(noisy - restored, restored)[0].cpu().numpy(),
        unsure=spread(variants)[0].cpu().numpy(),
        varied=varied,
        white=white,
    )


def middle(height: int, width: int) -> Region:
    """The rows and columns of a picture that are judged: all, or the middle of one that is larger than `LARGEST`.

    >>> middle(100, 50)
    (slice(0, 100, None), slice(0, 50, None))
    """
    shrink = min(1.0, math.sqrt(LARGEST / (height * width)))
    sides = (max(1, round(length * shrink)) for length in (height, width))
    rows, columns = (
        slice((length - side) // 2, (length - side) // 2 + side) for length, side in zip((height, width), sides, strict=True)
    )
    return rows, columns


def _pixels(picture: Tensor) -> NDArray[Any]:
    result: NDArray[Any] = picture[0].permute(1, 2, 0).cpu().numpy()  # (H, W, C)
    return result
