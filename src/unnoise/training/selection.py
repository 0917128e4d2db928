"""Which state of a run is the best one, told without clean pictures.

Some noisy pictures are held out. At several times of the run the criteria of `quality.reference_free` are computed on
them and written to `criteria.csv`. With a criterion to select by, the best state is kept, and becomes the model.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import atomic_write
from unnoise.images.pixels import to_unit_float
from unnoise.models import file_format
from unnoise.models.model import Model
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.quality.reference_free import Criteria, Restore, reference_free
from unnoise.regions import RegionSource
from unnoise.training.image_pool import ImagePool

CRITERIA_FILE = "criteria.csv"
BEST_FILE = "best.safetensors"
NAMES = {field.replace("_", "-"): field for field in Criteria._fields}
"""What `--select` takes beside auto, and the field of `Criteria`."""
AUTO = "auto"
BEST_CRITERION = "sure"
"""What *auto* selects by. docs/results/selection.md has the comparison."""
CHECKS = 12
"""So often a run is judged when it selects: evenly over its length."""
HELD_OUT = 4
"""So many pictures are held out at most."""
LEAST_PICTURES = 8
"""Of fewer pictures none is held out: all are needed."""
MOST_PIXELS = 192
"""Side of the middle of a held-out picture that is judged."""
LEAST_PIXELS = 64
"""Smaller pictures are not judged: their noise cannot be told."""


def criterion_named(name: str | None) -> str | None:
    """The field of `Criteria` that a name stands for; None stays None.

    Raises:
        UsageError: an unknown name.

    >>> criterion_named("blind-spot"), criterion_named("auto"), criterion_named(None)
    ('blind_spot', 'sure', None)
    """
    if name is None:
        return None
    if name == AUTO:
        return BEST_CRITERION
    if name not in NAMES:
        raise UsageError(f"Nothing can be selected by '{name}'; choose one of {AUTO}, {', '.join(NAMES)}.")
    return NAMES[name]


def hold_out(pool: ImagePool) -> tuple[ImagePool, list[Tensor]]:
    """Divide the pictures into those to learn from and those to judge by.

    Returns:
        The pool to train on, and the middles of the others, (1, C, H, W) in 0..1 each. Of few pictures, and of the frames
        of stacks, none is held out, and the middles are of pictures that are learned from.

    >>> pool = ImagePool([np.full((80, 90, 1), value, np.uint8) for value in range(16)])
    >>> rest, middles = hold_out(pool)
    >>> len(rest.pictures), [round(255 * float(middle.mean())) for middle in middles]
    (14, [0, 8])
    """
    large = [place for place, picture in enumerate(pool.pictures) if min(picture.shape[:2]) >= LEAST_PIXELS]
    count = min(HELD_OUT, max(1, len(pool.pictures) // LEAST_PICTURES), len(large))
    chosen = [large[place * len(large) // count] for place in range(count)]
    middles = [_middle(pool.pictures[place]) for place in chosen]
    if len(pool.pictures) < LEAST_PICTURES or pool.series or not chosen:
        return pool, middles
    rest = [picture for place, picture in enumerate(pool.pictures) if place not in chosen]
    return ImagePool(rest, pool.skipped), middles


def _middle(picture: np.ndarray) -> Tensor:
    top, left = (max(length - MOST_PIXELS, 0) // 2 for length in picture.shape[:2])
    part = picture[top : top + MOST_PIXELS, left : left + MOST_PIXELS]
    return torch.from_numpy(np.ascontiguousarray(to_unit_float(part))).permute(2, 0, 1)[None].float()


class Selection:
    """The criteria of a run, and its best state.

    Args:
        folder: of the run; the files are written there.
        criterion: field of `Criteria` to select by; None: they are noted alone.
        pictures: of `hold_out`.
        step: at which the run goes on; what was noted later is dropped.

    >>> import tempfile
    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> model = fresh(recipes.load("r2r-quick", {"denoiser": {"name": "dncnn", "features": 4, "layers": 3}}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     selection = Selection(Path(folder), "blind_spot", [torch.rand(1, 3, 64, 64)])
    ...     selection.check(10, model)
    ...     selection.best_step
    10
    """

    def __init__(self, folder: Path, criterion: str | None, pictures: Sequence[Tensor], step: int = 0) -> None:
        self.folder, self.criterion = folder, criterion
        self.pictures = list(pictures)
        self.noises: list[NoiseModel | None] | None = None
        self.rows = _read(folder / CRITERIA_FILE, step)

    @property
    def best_step(self) -> int | None:
        """The step of the best state; None: none was judged, or nothing is selected."""
        values = {step: getattr(row, self.criterion) for step, row in self.rows.items()} if self.criterion else {}
        finite = {step: value for step, value in values.items() if math.isfinite(value)}
        return min(finite, key=lambda step: (finite[step], step)) if finite else None

    def is_due(self, before: float, share: float) -> bool:
        """Whether a check lies between two shares of the run. Without a criterion there is none; `check` may be called."""
        return self.criterion is not None and math.floor(share * CHECKS) > math.floor(before * CHECKS)

    def check(self, step: int, model: Model) -> None:
        """Judge a state, and keep it if it is the best one.

        Args:
            step: of the state.
            model: it, with averaged weights.
        """
        if not self.pictures or step in self.rows:
            return
        if self.noises is None:
            self.noises = [estimate_noise(RegionSource.of(picture)) for picture in self.pictures]
        restore: Restore = model
        with torch.no_grad():
            judged = [reference_free(noisy, restore, noise) for noisy, noise in zip(self.pictures, self.noises, strict=True)]
        self.rows[step] = Criteria(*(_mean(values) for values in zip(*judged, strict=True)))
        _write(self.folder / CRITERIA_FILE, self.rows)
        if self.best_step == step:
            model.save(self.folder / BEST_FILE)

    def best(self, say: Callable[[str], None]) -> Model | None:
        """The best model; None: nothing is selected, or nothing could be judged.

        Args:
            say: gets a sentence that tells which state was chosen, or why none was.
        """
        if self.criterion is None:
            return None
        chosen = self.best_step
        name = self.criterion.replace("_", "-")
        if chosen is None:
            say(f"No state could be judged by {name}, so the last one is the model.")
            return None
        say(f"The state of step {chosen} is the model: it is the best of {len(self.rows)} by {name}.")
        return Model(*file_format.read(self.folder / BEST_FILE))


def _mean(values: Sequence[float]) -> float:
    """Of the finite ones; NaN: there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else math.nan


def _write(path: Path, rows: dict[int, Criteria]) -> None:
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *NAMES])
        writer.writerows([step, *(f"{value:.8g}" for value in row)] for step, row in sorted(rows.items()))


def _read(path: Path, last: int) -> dict[int, Criteria]:
    """The rows up to a step. Raises `UnnoiseError` if the file is damaged."""
    if not last or not path.is_file():
        return {}
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        rows = {int(line[0]): Criteria(*map(float, line[1:])) for line in lines[1:]}
    except (ValueError, TypeError, IndexError, csv.Error) as error:
        raise UnnoiseError(f"{path} is damaged; remove it, and the run goes on without what it told.") from error
    return {step: row for step, row in rows.items() if step <= last}
