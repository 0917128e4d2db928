"""What `unnoise.inspect` finds: numbers, as JSON and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from unnoise.noise.advice import Advice
from unnoise.noise.poisson_gaussian_fit import LineFit

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_STRICT = ConfigDict(extra="forbid", frozen=True)


class ChannelNoise(BaseModel):
    """One channel's noise. Brightness and standard deviations in 0..1 of the picture's own values, gamma and all."""

    model_config = _STRICT

    level: float
    """Standard deviation, the root of its mean square over the picture."""
    brightness: list[float]
    """Of the points of the curve, rising."""
    sigma: list[float]
    """Standard deviation at each."""
    fit: LineFit | None
    """None: fewer than three points away from black and white."""


class NoiseReport(BaseModel):
    """The noise of one picture, told from the picture alone."""

    model_config = _STRICT

    height: int
    width: int
    scale: tuple[float, float] | None = None
    """The values that 0 and 1 stand for here, of floats on a scale of their own; None: black and white."""
    level: float | None
    """Standard deviation over all channels, in 0..1; 0: no noise; None: cannot be told, `notes` says why."""
    channels: list[ChannelNoise]
    """One for each channel but alpha; empty where `level` is None or 0."""
    autocorrelation: list[list[float]] | None
    """(17, 17), shifts of −8 to 8 rows and columns, the middle 1; the channels together. (y, x) and (y, −x) are told as one."""
    black: list[float]
    """Share of pixels at black or below, each channel."""
    white: list[float]
    blocking: float
    """Excess of steps across an 8×8 grid; 0: none, 0.1: JPEG of quality about 80, 0.3: about 50."""
    blocks_found: bool
    """Whether that is more than chance."""
    block_offset: tuple[int, int]
    """Row and column where the grid's first full block begins; not (0, 0) after cropping. Chance if none was found."""
    detail: float | None
    """What three pixels miss of the picture, in units of the noise's variance: 0 for plain surfaces, at most 4."""
    flat_patches: int
    """Patches of 16×16 that the noise was measured in."""
    advice: Advice | None
    """None where there is no noise to advise on."""
    notes: list[str]
    """What limits these figures."""

    def lag(self, distance: int) -> float:
        """Correlation of pixels `distance` apart (0 to 8), the mean of along rows and along columns; 0 if there is no noise."""
        if self.autocorrelation is None:
            return 0.0
        middle = len(self.autocorrelation) // 2
        return (self.autocorrelation[middle][middle + distance] + self.autocorrelation[middle + distance][middle]) / 2

    def to_json(self) -> str:
        """Everything as JSON."""
        return self.model_dump_json(indent=2)

    @property
    def shown(self) -> tuple[float, float]:
        """What people are shown for 0 and 1: steps of 8 bits, or the picture's own values where they have a scale of their own."""
        return self.scale or (0.0, 255.0)

    @property
    def unit(self) -> str:
        """What numbers that are shown count in."""
        return "in the picture's own values" if self.scale else "of 255"

    def level_told(self) -> str:
        """The noise level in one phrase."""
        if self.level is None:
            return "cannot be told"
        return f"{self._number(self.level * self._step, 2)} {self.unit}"

    @property
    def _step(self) -> float:
        return self.shown[1] - self.shown[0]

    def _number(self, value: float, digits: int) -> str:
        return f"{value:.4g}" if self.scale else f"{value:.{digits}f}"

    def table(self) -> Group:
        """For the terminal; brightness and standard deviations in steps of 8 bits, or in the picture's own values."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        facts = Table(show_header=False, box=None)
        facts.add_row("size", f"{self.width}×{self.height}, {len(self.black)} channel{'s' * (len(self.black) > 1)}")
        facts.add_row("noise level", self.level_told())
        if self.autocorrelation is not None:
            facts.add_row("correlation at 1, 2, 3, 4, 6, 8 pixels", "  ".join(f"{self.lag(d):.2f}" for d in (1, 2, 3, 4, 6, 8)))
        facts.add_row("black / white", "  ".join(f"{b:.2%} / {w:.2%}" for b, w in zip(self.black, self.white, strict=True)))
        found = f"found at {self.block_offset}" if self.blocks_found else "not found"
        facts.add_row("JPEG's 8×8 grid", f"{found}, score {self.blocking:.2f}")
        if self.detail is not None:
            facts.add_row("fine detail against noise", f"{self.detail:.2f}")
        parts: list[Table | Text] = [facts]
        if self.channels:
            parts.append(self._levels())
        if self.advice:
            parts.append(_advice(self.advice))
        parts += [Text(sentence) for sentence in [*(self.advice.reasons if self.advice else []), *self.notes]]
        return Group(*parts)

    def _levels(self) -> Table:
        from rich.table import Table

        table = Table(title=f"noise by brightness, {self.unit}", title_justify="left")
        for heading in (
            "channel",
            "level",
            "brightness → level",
            f"variance = a·x + b ({self.unit if self.scale else '0..1'})",
        ):
            table.add_column(heading)
        for number, channel in enumerate(self.channels):
            points = zip(channel.brightness, channel.sigma, strict=True)
            fit = channel.fit.on(*self.scale) if channel.fit and self.scale else channel.fit
            holds = "" if fit is None else "holds" if fit.holds else "does not hold"
            table.add_row(
                str(number),
                self._number(channel.level * self._step, 2),
                "  ".join(
                    f"{self._number(self.shown[0] + x * self._step, 0)} → {self._number(s * self._step, 1)}" for x, s in points
                ),
                "–" if fit is None else f"a = {fit.a:.2e}, b = {fit.b:.2e}; {holds} ({fit.error:.0%})",
            )
        return table


def _advice(advice: Advice) -> Table:
    from rich.table import Table

    table = Table(title="advice", title_justify="left")
    for heading in ("", "training", "inference"):
        table.add_column(heading)
    table.add_row("stride of PD (ap-bsn, ss-bsn, amsnet)", str(advice.train_stride), str(advice.infer_stride))
    table.add_row("hole of at-bsn", str(advice.train_hole), str(advice.infer_hole))
    table.add_row("diamond of tm-bsn", str(advice.train_diamond), str(advice.infer_diamond))
    return table
