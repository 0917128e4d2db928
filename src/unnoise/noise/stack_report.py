"""What `unnoise.inspect` finds in a stack: a report for each picture of a sample, and a summary."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from unnoise.noise.html import as_html
from unnoise.noise.report import NoiseReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Group


class NamedReport(BaseModel):
    """The report of one picture of a stack.

    >>> NamedReport.model_fields.keys() >= {"frame", "channel", "report"}
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: int
    channel: int | None
    """None: the frames have no channels, or colors."""
    report: NoiseReport


class StackReport(BaseModel):
    """The noise of a stack, measured in frames that are spread evenly, in each channel by itself.

    >>> import numpy as np, unnoise
    >>> stack = np.random.default_rng(0).normal(500, 10, (20, 96, 96)).astype(np.uint16)
    >>> report = unnoise.inspect(stack, axes="TYX")
    >>> report.frames, len(report.pictures)
    (20, 6)
    >>> report.level_text().endswith("counts")
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: int
    """Number of frames in the stack."""
    pictures: list[NamedReport]
    """Of the frames that were measured."""

    def levels(self) -> list[float]:
        """The noise levels that could be measured, in the pictures' own values."""
        return [level for one in self.pictures if (level := one.report.own_level) is not None]

    def level_text(self) -> str:
        """The level as one phrase: the median, and the range where the frames differ."""
        levels = sorted(self.levels())
        if not levels:
            return "cannot be measured"
        unit = self.pictures[0].report.unit
        middle = f"{median(levels):.3g}"
        if levels[-1] <= 1.1 * levels[0]:
            return f"about {middle} {unit}"
        return f"{middle} {unit} ({levels[0]:.3g} to {levels[-1]:.3g})"

    def channels(self) -> list[int | None]:
        """The numbers of the channels. [None]: there are none, or colors."""
        return sorted({one.channel for one in self.pictures}, key=lambda channel: -1 if channel is None else channel)

    def of_channel(self, channel: int | None) -> StackReport:
        """The part of the report on one channel."""
        return self.model_copy(update={"pictures": [one for one in self.pictures if one.channel == channel]})

    def middle(self) -> NoiseReport:
        """The report of the picture in the middle of the sample."""
        return self.pictures[len(self.pictures) // 2].report

    def to_json(self) -> str:
        """The whole report as JSON."""
        return self.model_dump_json(indent=2)

    def table(self) -> Group:
        """A line for each channel, and the full table of the frame in the middle."""
        from rich.console import Group
        from rich.text import Text

        lines = [Text(f"{self.frames} frames, of which {len({one.frame for one in self.pictures})} were measured.")]
        for channel in self.channels():
            name = "noise level" if channel is None else f"channel {channel}: noise level"
            lines.append(Text(f"{name} {self.of_channel(channel).level_text()}"))
        lines.append(Text(f"The frame in the middle, number {self.pictures[len(self.pictures) // 2].frame}:"))
        return Group(*lines, self.middle().table())

    def _repr_html_(self) -> str:
        """The table, in notebooks."""
        return as_html(self.table())

    def plot(self, *, title: str = "") -> Figure:
        """The plot of the picture in the middle of the sample, as `NoiseReport.plot` draws it.

        Raises:
            UnnoiseError: matplotlib is not installed.
        """
        return self.middle().plot(title=title)
