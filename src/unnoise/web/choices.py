"""What a visitor chooses for a picture, and the command line that does the same."""

from __future__ import annotations

import shlex

from pydantic import BaseModel, ConfigDict, Field

from unnoise.errors import UsageError
from unnoise.inference.options import DenoiseOptions
from unnoise.models import shipped


class Choices(BaseModel):
    """The choices of the page and of the HTTP API. Defaults are those of `unnoise denoise`.

    >>> Choices(model="fast", strength=0.8).command_line("my photo.jpg")
    "unnoise denoise 'my photo.jpg' --model fast --strength 0.8"
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "default"
    strength: float = Field(default=1.0, ge=0, le=1)
    detail: float | None = Field(default=None, ge=0, le=1)
    """None: as the model's recipe says."""
    refine: bool | None = None
    ensemble: bool | None = None
    report: bool = False
    """Whether the result is judged. This takes as long as about eight restorations of a megapixel."""

    def check_model(self) -> None:
        """Raise `UsageError` for a model that does not ship. Paths are refused: visitors name no files of the server."""
        if self.model not in shipped.names():
            raise UsageError(f"There is no model '{self.model}'; choose one of {', '.join(shipped.names())}.")

    def options(self) -> DenoiseOptions:
        """The options of the pipeline."""
        return DenoiseOptions(strength=self.strength, detail=self.detail, refine=self.refine, ensemble=self.ensemble)

    def command_line(self, name: str) -> str:
        """The command that does the same to the file `name`. Only what differs from the defaults is in it."""
        words = ["unnoise", "denoise", name if not name.startswith("-") else f"./{name}"]
        if self.model != "default":
            words += ["--model", self.model]
        if self.strength != 1:
            words += ["--strength", f"{self.strength:g}"]
        if self.detail is not None:
            words += ["--detail", f"{self.detail:g}"]
        for option, value in (("refine", self.refine), ("ensemble", self.ensemble)):
            if value is not None:
                words.append(f"--{option}" if value else f"--no-{option}")
        if self.report:
            words.append("--report")
        return shlex.join(words)
