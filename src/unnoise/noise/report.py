"""What `unnoise.inspect` finds: numbers, JSON, and a table."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unnoise.deprecated.class_members import RenamedMember
from unnoise.noise.advice import Advice
from unnoise.noise.html import as_html
from unnoise.noise.photon_transfer import PhotonTransfer
from unnoise.noise.poisson_gaussian_fit import LineFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Group
    from rich.table import Table

_WHITE = {"uint8": 255.0, "uint16": 65535.0}
"""White of photographs of whole numbers."""
_STRICT = ConfigDict(extra="forbid", frozen=True)


class ChannelNoise(BaseModel):
    """The noise of one channel. Brightness and standard deviations are in 0..1 of the picture's own values, after any
    gamma.

    >>> ChannelNoise(level=0.05, brightness=[0.5], sigma=[0.05], fit=None).level
    0.05
    """

    model_config = _STRICT

    level: float
    """Standard deviation: the root of the mean variance over the picture."""
    brightness: list[float]
    """Brightness of the points of the curve, rising."""
    sigma: list[float]
    """Standard deviation at each point."""
    fit: LineFit | None
    """None: fewer than three points are away from black and white."""


class NoiseReport(BaseModel):
    """The noise of one picture, measured in the picture alone.

    >>> import numpy as np, unnoise
    >>> noisy = np.random.default_rng(0).normal(0.5, 0.05, (96, 96)).clip(0, 1)
    >>> report = unnoise.inspect((255 * noisy).astype(np.uint8))
    >>> 11 < report.level * 255 < 14
    True
    """

    model_config = _STRICT | ConfigDict(ignored_types=(RenamedMember,))

    height: int
    width: int
    scale: tuple[float, float] | None = None
    """For floats on their own scale, the values that count as 0 and 1 here. None: 0 is black, and 1 is white."""
    level: float | None
    """Standard deviation over all channels, in 0..1. 0: no noise. None: it cannot be measured; `notes` says why."""
    channels: list[ChannelNoise]
    """One for each channel except alpha. Empty where `level` is None or 0."""
    autocorrelation: list[list[float]] | None
    """(17, 17), shifts of −8 to 8 rows and columns, the middle 1; channels pooled. The shifts (y, x) and (y, −x) have
    the same value."""
    black: list[float]
    """Share of pixels at black or below, for each channel."""
    white: list[float]
    """Share of pixels at white or above, for each channel."""
    blocking: float
    """Excess of steps across an 8×8 grid. 0: none, 0.1: JPEG quality about 80, 0.3: about 50."""
    blocks_found: bool
    """Whether the excess is more than chance."""
    block_offset: tuple[int, int]
    """Row and column at which the grid's first full block begins; not (0, 0) after cropping. Meaningless if no grid was
    found."""
    detail: float | None
    """How badly pixels three apart predict the picture, in units of the noise variance. 0 for plain surfaces, at most
    4."""
    flat_patches: int
    """Number of patches of 16×16 pixels in which the noise was measured."""
    advice: Advice | None
    """None if there is no noise to give advice on."""
    notes: list[str]
    """What limits these figures."""
    row_share: float = 0.0
    """Share of the noise's variance that row noise has: offsets that all pixels of a row have in common. 0: no more
    than chance."""
    column_share: float = 0.0
    """The same for columns."""
    stored: str = "uint8"
    """The type of the values, such as 'uint16'."""
    is_measurement: bool = False
    """Whether the values are in proportion to light or another quantity, and not coded for display."""
    outliers: float = 0.0
    """Of a measurement, the share of pixels that lie far from all neighbors, as hot pixels do. They were left out."""
    photon_transfer: PhotonTransfer | None = None
    """The camera's gain, offset and read noise. None: no dark frame was given, or no gain can be told."""

    def lag(self, distance: int) -> float:
        """Correlation of pixels `distance` apart, 0 to 8: the mean of along rows and along columns. 0 if there is no
        noise."""
        if self.autocorrelation is None:
            return 0.0
        middle = len(self.autocorrelation) // 2
        return (self.autocorrelation[middle][middle + distance] + self.autocorrelation[middle + distance][middle]) / 2

    def to_json(self) -> str:
        """The whole report as JSON."""
        return self.model_dump_json(indent=2)

    @property
    def display_range(self) -> tuple[float, float]:
        """The values that 0 and 1 have in tables and plots.

        These are the ends of the type of a photograph, such as 0 and 255, and the own values of a measurement.
        """
        return self.scale or (0.0, _WHITE.get(self.stored, 1.0))

    shown = RenamedMember("display_range")
    level_told = RenamedMember("level_text")

    @property
    def unit(self) -> str:
        """The unit of numbers in tables and plots: counts of whole numbers, and the own values of floats."""
        if self.is_measurement or self.scale:
            return "counts" if self.stored.lstrip("u").startswith("int") else "in the picture's own values"
        return f"of {_WHITE.get(self.stored, 1):.0f}"

    @property
    def own_level(self) -> float | None:
        """The noise level in the picture's own values. None: it cannot be measured."""
        return None if self.level is None else self.level * self._step

    def level_text(self) -> str:
        """The noise level as one phrase."""
        if self.level is None:
            return "cannot be measured"
        return f"{self._number(self.level * self._step, 2)} {self.unit}"

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Brightness and standard deviation in the picture's own values, at the points of all channels, (n) each."""
        brightness, sigma = (
            np.array([value for one in self.channels for value in getattr(one, part)], np.float64) * self._step
            for part in ("brightness", "sigma")
        )
        return self.display_range[0] + brightness, sigma

    @property
    def is_own(self) -> bool:
        """Whether tables show the picture's own values, and not shares of white."""
        return self.is_measurement or self.scale is not None

    @property
    def _step(self) -> float:
        return self.display_range[1] - self.display_range[0]

    def _number(self, value: float, digits: int) -> str:
        is_photograph = not self.scale and not self.is_measurement and self.stored == "uint8"
        return f"{value:.{digits}f}" if is_photograph else f"{value:.4g}"

    def table(self) -> Group:
        """Tables for the terminal. Brightness and standard deviations are in steps of 8 bits, or in the picture's own
        values."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        facts = Table(show_header=False, box=None)
        facts.add_row("size", f"{self.width}×{self.height}, {len(self.black)} channel{'s' * (len(self.black) > 1)}")
        facts.add_row("noise level", self.level_text())
        if self.autocorrelation is not None:
            facts.add_row("correlation at 1, 2, 3, 4, 6, 8 pixels", "  ".join(f"{self.lag(d):.2f}" for d in (1, 2, 3, 4, 6, 8)))
        if self.photon_transfer:
            facts.add_row("photon transfer", _transfer_text(self.photon_transfer))
        if self.row_share or self.column_share:
            facts.add_row("row / column noise", f"{self.row_share:.0%} / {self.column_share:.0%} of the noise's variance")
        ends = "lowest / highest value" if self.is_measurement else "black / white"
        facts.add_row(ends, "  ".join(f"{b:.2%} / {w:.2%}" for b, w in zip(self.black, self.white, strict=True)))
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

    def _repr_html_(self) -> str:
        """The tables, as notebooks show them."""
        return as_html(self.table())

    def plot(self, *, title: str = "") -> Figure:
        """The plot of `unnoise inspect --plot`: level by brightness, correlation, clipping.

        Raises:
            UnnoiseError: matplotlib is not installed.
        """
        figure: Figure = import_module("unnoise.noise.plot").draw(self, title=title)  # which imports this module
        return figure

    def _levels(self) -> Table:
        from rich.table import Table

        table = Table(title=f"noise by brightness, {self.unit}", title_justify="left")
        for heading in (
            "channel",
            "level",
            "brightness → level",
            f"variance = a·x + b ({self.unit if self.is_own else '0..1'})",
        ):
            table.add_column(heading)
        for number, channel in enumerate(self.channels):
            points = zip(channel.brightness, channel.sigma, strict=True)
            fit = channel.fit.rescaled(*self.display_range) if channel.fit and self.is_own else channel.fit
            holds = "" if fit is None else "holds" if fit.holds else "does not hold"
            table.add_row(
                str(number),
                self._number(channel.level * self._step, 2),
                "  ".join(
                    f"{self._number(self.display_range[0] + x * self._step, 0)} → {self._number(s * self._step, 1)}"
                    for x, s in points
                ),
                "–" if fit is None else f"a = {fit.a:.2e}, b = {fit.b:.2e}; {holds} ({fit.error:.0%})",
            )
        return table


def _transfer_text(transfer: PhotonTransfer) -> str:
    text = (
        f"gain {transfer.gain:.3g} counts for an electron, offset {transfer.offset:.4g} counts, read noise "
        f"{transfer.read_noise:.3g} counts = {transfer.read_electrons:.2g} electrons"
    )
    return text if transfer.holds else f"{text}; the noise is not that of photons and reading alone ({transfer.error:.0%} off)"


def _advice(advice: Advice) -> Table:
    from rich.table import Table

    table = Table(title="advice", title_justify="left")
    for heading in ("", "training", "inference"):
        table.add_column(heading)
    table.add_row("stride of PD (ap-bsn, ss-bsn, amsnet)", str(advice.train_stride), str(advice.infer_stride))
    table.add_row("blind spot of at-bsn (width)", str(advice.train_hole), str(advice.infer_hole))
    table.add_row("blind spot of tm-bsn (steps)", str(advice.train_diamond), str(advice.infer_diamond))
    return table
