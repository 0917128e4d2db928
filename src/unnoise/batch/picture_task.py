"""The work of `unnoise denoise` on one picture, as a value that can be sent to other processes."""

from __future__ import annotations

from dataclasses import dataclass, field

from unnoise.batch.jobs import Job
from unnoise.batch.one_file import denoise_file
from unnoise.batch.progress import OnTile
from unnoise.files.memory import share_memory
from unnoise.inference.options import DenoiseOptions
from unnoise.models.model import Model


@dataclass
class PictureTask:
    """Denoises one picture file after the other with one model.

    >>> from unnoise.models import shipped
    >>> PictureTask(shipped.load("fast"), DenoiseOptions()).device
    'cpu'
    """

    model: Model
    options: DenoiseOptions
    device: str = "cpu"
    """Where the model runs, as `Model.to` takes it."""
    quality: int | None = None
    lossless: bool | None = None
    mosaic: bool = False
    _is_placed: bool = field(default=False, repr=False)

    def prepare(self, workers: int, threads: int) -> None:
        """Share the machine with other workers."""
        share_memory(workers)
        if self.model.engine == "torch":  # other engines read the variables that the pool sets
            import torch

            torch.set_num_threads(threads)

    def place(self) -> None:
        """Bring the model to its device, once."""
        if not self._is_placed:
            self.model.to(self.device)
            self._is_placed = True

    def __call__(self, job: Job, replace: bool, on_tile: OnTile) -> list[str]:
        """Denoise the picture of a job. Returns the sentences of its report."""
        self.place()
        judged = denoise_file(
            self.model,
            job.source,
            job.target,
            options=self.options,
            overwrite=replace,
            progress=on_tile,
            report=job.report or False,
            quality=self.quality,
            lossless=self.lossless,
            mosaic=self.mosaic,
        )
        if judged is None:
            return []
        harm = judged.harm()
        return [f"{job.target.name}: {judged.sentence()}", *([f"unnoise: {job.target} {harm}"] if harm else [])]
